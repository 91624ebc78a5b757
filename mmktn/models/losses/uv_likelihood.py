"""Likelihood of chart coordinates under a predicted covariance (Neverova et al., NeurIPS 2019).

The two models of detectron2's DensePose: 'iid_iso' (WC1) has the covariance s I, 'indep_aniso'
(WC2) s I + k k^T, where k = (kappa_u, kappa_v). The terms are those of the official code, whose
constant is half the one of a density in two dimensions; the optimum does not depend on it.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from mmktn.models.losses.reductions import zero_connected_to
from mmktn.models.targets import ChartTargets, DenseCells, sample_maps_at_points
from mmktn.structures.map_table import Maps

VARIANCE_FLOOR = 0.01
"""What is added to the softplus of the map `sigma_2`, in squared chart units."""


def variance_of(sigma_2: Tensor) -> Tensor:
    """Turn the raw map `sigma_2` into the variance s of U and of V, in squared chart units."""
    return F.softplus(sigma_2) + VARIANCE_FLOOR


def uv_likelihood_loss(
    maps: Maps,
    targets: ChartTargets,
    *,
    half_pixel: bool = False,
    cells: DenseCells | None = None,
    reduction: str = "sum",
) -> Tensor:
    """Compute the negative log-likelihood of U and V of the true chart at annotated points, summed.

    Background points do not count. The value may be negative.

    Args:
        maps: `u`, `v`, `sigma_2` (N, 25, h, w); with `kappa_u` and `kappa_v` beside them the
            covariance is anisotropic.
        targets: Targets of the N RoIs.
        half_pixel: Put cell centres at index + 0.5, as decoding does; the official code does not.
        cells: Cells labelled by a teacher; each counts as one more point.
        reduction: 'sum', or 'mean' over the points.

    Returns:
        Scalar; 0 connected to all these maps if there is no point.
    """
    names = [name for name in ("u", "v", "sigma_2", "kappa_u", "kappa_v") if name in maps]
    count = targets.num_surface_points
    if not count + (0 if cells is None else len(cells)):
        return torch.stack([zero_connected_to(maps[name]) for name in names]).sum()
    grid = targets.point_grid(maps["u"].shape[-2:], half_pixel=half_pixel)[:count]
    charts, index = targets.point_charts[:count], targets.roi_index[:count]
    found = {n: sample_maps_at_points(maps[n], index, grid, channels=charts) for n in names}
    labels = targets.point_uv[:count].to(found["u"].dtype)
    if cells is not None:
        place = (cells.roi_index, cells.charts, cells.rows, cells.columns)
        found = {n: torch.cat((found[n], maps[n][place].to(found[n].dtype))) for n in names}
        labels = torch.cat((labels, cells.uv.to(labels.dtype)))
    terms = uv_likelihood_terms(
        found["u"] - labels[:, 0],
        found["v"] - labels[:, 1],
        variance_of(found["sigma_2"]),
        (found["kappa_u"], found["kappa_v"]) if "kappa_u" in found else None,
    )
    return terms.mean() if reduction == "mean" else terms.sum()


def uv_likelihood_terms(
    du: Tensor, dv: Tensor, variance: Tensor, kappa: tuple[Tensor, Tensor] | None = None
) -> Tensor:
    """Return the term of each point.

    Args:
        du: (P,) error of U.
        dv: (P,) error of V.
        variance: (P,) s.
        kappa: k, two of (P,); None: isotropic.

    Returns:
        (P,).
    """
    square = du**2 + dv**2
    if kappa is None:
        return 0.5 * (math.log(2 * math.pi) + 2 * variance.log() + square / variance)
    # The inverse of s I + k k^T is (I - k k^T / (s + k^T k)) / s, its determinant s (s + k^T k).
    determinant = variance * (variance + kappa[0] ** 2 + kappa[1] ** 2)
    along = (du * kappa[0] + dv * kappa[1]) ** 2
    return 0.5 * (
        math.log(2 * math.pi) + determinant.log() + square / variance - along / determinant
    )
