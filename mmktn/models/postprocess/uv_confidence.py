"""Decoded confidence of U and V: numbers in units of the chart, out of the raw maps of a model.

The raw fields keep the official names and values; what is made of them here has names of its own.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from mmktn.models.maps import SigmaTwo

TOLERANCE = 0.25
"""Error of U, V, in units of the chart, that `uv_confidence` is the chance to stay below."""


def uv_confidence_fields(
    fields: Mapping[str, Tensor], labels: Tensor, *, temperature: float = 1.0
) -> dict[str, Tensor]:
    """Compute the typical error of every pixel, and the chance that it is small.

    Args:
        fields: Decoded `sigma_2` (h, w), with or without `kappa_u` and `kappa_v`.
        labels: (h, w) chart of each pixel, 0 background.
        temperature: Factor of the covariance, measured on other data (tools/analysis_tools/
            calibrate_confidence.py); 1 is what the model says.

    Returns:
        `uv_std` (h, w) float32: root mean square of the error of U and of V, in units of the chart.
        `uv_confidence` (h, w) in [0, 1]: chance that U, V is off by less than a quarter of the
        chart, for a round normal density of that spread. Both are 0 outside the person.
    """
    variance = SigmaTwo.variance(fields["sigma_2"].float())
    if "kappa_u" in fields:
        # The mean of the eigenvalues s and s + |k|^2.
        variance = variance + (fields["kappa_u"] ** 2 + fields["kappa_v"] ** 2) / 2
    variance = variance * temperature
    on_person = labels > 0
    near = small_error_chance(variance)
    return {"uv_std": variance.sqrt() * on_person, "uv_confidence": near * on_person}


def small_error_chance(variance: Tensor) -> Tensor:
    """Compute the chance that U, V is off by less than `TOLERANCE`, for round normal densities."""
    return -torch.expm1(-(TOLERANCE**2) / (2 * variance))
