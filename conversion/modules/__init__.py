"""Networks as torch modules and back, and activations that learn the steps in which neurons tell."""
