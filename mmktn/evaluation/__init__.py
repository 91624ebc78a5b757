"""Scores: numpy-only functions in ``functional``, mmengine metrics in ``metrics``."""
