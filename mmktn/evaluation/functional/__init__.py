"""Scores as plain functions on arrays (numpy, and pycocotools for run-length masks)."""
