"""Matching with the truth, and precision over recall."""
