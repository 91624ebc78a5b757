"""Rendered people with exact DensePose ground truth (numpy, scipy and OpenCV; no torch)."""
