"""Wanted edge length on the body: fine on face, ears, fingers and toes."""

import numpy as np

from body_builder import shape
from body_builder.field import Field

_SLOPE = 0.16
_BODY = 0.0270


def edge_length(points: Field) -> Field:
    """Edge length in metres at (N, 3) points of the left half."""
    result = np.full(len(points), _BODY)
    for start, end, radius, length in _FINE:
        base, tip = np.asarray(start), np.asarray(end)
        axis = tip - base
        along = np.clip((points - base) @ axis / max(float(axis @ axis), 1e-12), 0, 1)
        gap = np.linalg.norm(points - base - along[:, None] * axis, axis=1) - radius
        result = np.minimum(result, length + _SLOPE * np.maximum(gap, 0.0))
    return result


def _hand(along: float, thumbward: float) -> Field:
    return shape.WRIST + along * shape.FOREARM_DIRECTION + thumbward * shape.THUMB_SIDE


def _foot(forward: float, sideways: float) -> Field:
    base = np.array([shape.ANKLE[0], 0.02, shape.ANKLE[2]])
    return base + forward * shape.FOOT_DIRECTION + sideways * shape.FOOT_SIDE


# start, end, radius around the segment, edge length
_FINE = (
    (np.array([0.0, 1.60, 0.09]), np.array([0.0, 1.50, 0.09]), 0.02, 0.0072),
    (np.array([0.03, 1.585, 0.08]), np.array([0.03, 1.585, 0.08]), 0.02, 0.0075),
    (np.array([0.080, 1.59, -0.015]), np.array([0.080, 1.55, -0.012]), 0.012, 0.0080),
    (np.array([0.0, 1.60, 0.0]), np.array([0.0, 1.53, 0.02]), 0.11, 0.0150),
    (shape.ELBOW, shape.WRIST, 0.05, 0.0185),
    (shape.SHOULDER, shape.ELBOW, 0.06, 0.0225),
    (_hand(0.02, 0.0), _hand(0.07, 0.0), 0.05, 0.0115),
    *((_hand(f[0] - 0.004, f[1]), _hand(f[4], f[5]), 0.014, 0.0074) for f in shape.FINGERS),
    (_hand(0.05, 0.045), _hand(0.104, 0.080), 0.016, 0.0078),
    (_foot(0.16, -0.03), _foot(0.15, 0.04), 0.03, 0.0088),
    (_foot(-0.02, 0.0), _foot(0.12, 0.0), 0.06, 0.0170),
)
