"""CUDA: rules and loops as kernels for a GPU, compiled where there is none."""
