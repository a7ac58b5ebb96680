"""Networks as torch modules, and back."""
