"""Cells that tell each other whole numbers: fused from a graph, coded, and emulated."""
