"""ONNX files, read into a graph; the package onnx parses, checks and computes, and runs nothing in them."""
