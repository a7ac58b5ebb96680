"""The Numba backend: one compiled loop walks a table of kernels, on one or two long-lived threads."""
