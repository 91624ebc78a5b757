"""CUDA's rules on a machine without CUDA: see tensors.py."""
