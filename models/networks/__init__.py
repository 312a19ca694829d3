"""Detectors that are neural networks: one architecture a file, trained by torch, exported as ONNX graphs."""
