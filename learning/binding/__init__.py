"""The rules of neurons, bound to torch: what training computes."""
