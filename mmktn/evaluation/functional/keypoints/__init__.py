"""Keypoints: OKS, AP, recall."""
