"""Trained networks as their authors left them (torch modules, .pt2 and ONNX files), read into a graph."""
