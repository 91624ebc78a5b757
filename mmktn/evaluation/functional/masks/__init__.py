"""Masks of people and parts, and what of an image does not count."""
