"""What a trained network computes: a graph of operations, made simple, computed, and counted."""
