"""Confidences of U and V and of the segmentations, as in detectron2's DensePose (WC1, WC2, M).

A predictor makes them where `extra_maps` names them: `sigma_2` (WC1), with `kappa_u` and `kappa_v`
(WC2), with `fine_segm_confidence` and `coarse_segm_confidence` (M).
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmktn.models.losses.loss_context import LossContext
from mmktn.models.losses.uv_likelihood import uv_likelihood_loss, variance_of
from mmktn.models.maps.chart_coordinates import ChartCoordinate
from mmktn.models.maps.segmentation import permuted
from mmktn.structures import DenseMap, FlipRules, declare_map
from mmktn.structures.map_table import Maps

SEGM_FLOOR = 0.01
"""What is added to the softplus of a confidence of a segmentation."""

FLIP_STEP = 4 / 255
"""Step of the differences that tell how a mirror turns a direction; four cells of its tables."""


class Confidence(DenseMap):
    """A confidence. The mean over views keeps that of the first one, as the official code does.

    Pictures show what is decoded of it (`uv_confidence`) in its place.
    """

    panel = False

    def average(self, views: Sequence[Maps], *, uv_by_chart: bool = False) -> Tensor:
        """Return the first view's: a spread is not the mean of spreads."""
        return views[0][self.name].float()


class ChartSpread(Confidence):
    """Spread of U and V in each of 25 charts; raw numbers, of which channel 0 is never trained."""

    channels = 25
    per_chart = True
    needs: ClassVar[tuple[str, ...]] = ("u", "v")

    def flip(self, mirrored: Maps, rules: FlipRules) -> dict[str, Tensor]:
        """Swap left and right charts."""
        return {self.name: permuted(mirrored[self.name], rules.chart_flip)}

    def decode(self, values: Tensor, labels: Tensor) -> Tensor:
        """Return (h, w) raw number of the pixel's chart, 0 outside the person."""
        return values[0].float() * (labels > 0)


@declare_map
class SigmaOne(ChartSpread):
    """A name that the official results have and no official model fills."""

    name = "sigma_1"
    field = "sigma_1"


@declare_map
class SigmaTwo(ChartSpread):
    """Variance of U and V: softplus plus 0.01 of these raw numbers, in squared chart units.

    Its loss takes the place of those of U and V. With `kappa_u` and `kappa_v` beside it the
    covariance is anisotropic.
    """

    name = "sigma_2"
    loss_name = "loss_uv"
    weight = 0.0005
    field = "sigma_2"
    replaces = ("u", "v")

    def loss(self, output: Maps, context: LossContext) -> Tensor:
        """Compute the negative log-likelihood at annotated points, in the true chart."""
        return uv_likelihood_loss(
            output,
            context.targets,
            half_pixel=context.half_pixel,
            cells=context.uv_cells,
            reduction=context.uv_reduction,
        )

    @staticmethod
    def variance(raw: Tensor) -> Tensor:
        """Compute the variance of U and of V, in squared chart units."""
        return variance_of(raw)

    # Points are counted, and sums scaled, as for U and V.
    label_count = ChartCoordinate.label_count
    loss_scale = ChartCoordinate.loss_scale


class Kappa(ChartSpread):
    """A coordinate of the direction k in which U and V spread by more than `sigma_2` says."""

    def flip(self, mirrored: Maps, rules: FlipRules) -> dict[str, Tensor]:
        """Turn k as the tables of the surface turn U and V there, then swap left and right.

        No gradient passes.

        Raises:
            ValueError: The rules have no UV tables.
        """
        if rules.flip_uv is None:
            raise ValueError("kappa: cannot be flipped without the surface's UV symmetry tables")
        ku, kv, u, v = (
            mirrored[name].detach().float().cpu().numpy()
            for name in ("kappa_u", "kappa_v", "u", "v")
        )
        charts = np.broadcast_to(np.arange(u.shape[1])[:, None, None], u.shape)
        length = np.maximum(np.hypot(ku, kv), np.finfo(np.float32).tiny)
        step_u, step_v = FLIP_STEP * ku / length, FLIP_STEP * kv / length
        inside = (
            np.clip(u, FLIP_STEP, 1 - FLIP_STEP).astype(np.float32),
            np.clip(v, FLIP_STEP, 1 - FLIP_STEP).astype(np.float32),
        )
        ahead = rules.flip_uv(charts, inside[0] + step_u, inside[1] + step_v)
        behind = rules.flip_uv(charts, inside[0] - step_u, inside[1] - step_v)
        turned = [(a - b) / (2 * FLIP_STEP) * length for a, b in zip(ahead, behind, strict=True)]
        return {
            name: permuted(torch.from_numpy(values).to(mirrored[name]), rules.chart_flip)
            for name, values in zip(("kappa_u", "kappa_v"), turned, strict=True)
        }


@declare_map
class KappaU(Kappa):
    """First coordinate of k, in chart units."""

    name = "kappa_u"
    field = "kappa_u"
    needs = ("u", "v", "sigma_2", "kappa_v")


@declare_map
class KappaV(Kappa):
    """Second coordinate of k, in chart units."""

    name = "kappa_v"
    field = "kappa_v"
    needs = ("u", "v", "sigma_2", "kappa_u")

    def flip(self, mirrored: Maps, rules: FlipRules) -> dict[str, Tensor]:
        """Return nothing: it turns together with `kappa_u`."""
        return {}


class SegmConfidence(Confidence):
    """Confidence of a segmentation: a positive factor for each pixel's logits.

    Everything that reads the logits, losses included, sees the products. It has no loss of its own.
    """

    def apply(self, maps: Maps) -> dict[str, Tensor]:
        """Softplus plus 0.01; then multiply the logits."""
        factor = F.softplus(maps[self.name]) + SEGM_FLOOR
        return {self.name: factor} | {n: maps[n] * factor for n in self.changes if n in maps}

    def decode(self, values: Tensor, labels: Tensor) -> Tensor:
        """Return (h, w), outside the person too."""
        return values[0].float()


@declare_map
class FineSegmConfidence(SegmConfidence):
    """Confidence of the charts."""

    name = "fine_segm_confidence"
    field = "fine_segm_confidence"
    needs = ("fine_segm",)
    changes = ("fine_segm",)


@declare_map
class CoarseSegmConfidence(SegmConfidence):
    """Confidence of the body: of S, and of M where KTN predicts it beside or in place of S."""

    name = "coarse_segm_confidence"
    field = "coarse_segm_confidence"
    changes = ("coarse_segm", "body_mask")
