"""Oracle analysis: which part of the output limits the score, found by substituting ground truth.

Source: KTN, oracle table (mask, surface, V, U substituted); definitions follow its slides.
The published table contradicts its text on U and V, so every substitution here is named by what is
really substituted. Boxes, scores and matching stay as they are, and a point outside the
detection's box stays a miss.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from mmktn.evaluation.functional.ap.protocol import DensePoseProtocol, densepose_protocol
from mmktn.evaluation.functional.densepose.gps import PER_PART, PointReadings, similarity_names
from mmktn.evaluation.functional.densepose.ground_truth import DensePoseTruth
from mmktn.evaluation.functional.densepose.pair_scorer import METRICS, score_detections
from mmktn.evaluation.functional.densepose.person_points import PersonPoints, points_in_boxes
from mmktn.evaluation.functional.densepose.scores import DensePoseScores, summarize_pairs
from mmktn.evaluation.functional.densepose.surface_like import SurfaceLike
from mmktn.formats.dense_detections import DenseDetections, IuvMap


@dataclass(frozen=True)
class Substitution:
    """What is taken from the ground truth at an annotated point inside the detection's box.

    Attributes:
        mask: The point is on the person: its chart is the best of 1..24 even where the
            prediction says background. For GPSm and IoU the detection's mask becomes the
            person's mask inside the detection's box.
        surface: The chart is the true one. U and V are then read from that chart's channel
            (from raw outputs), or as they stand at the pixel (from decoded results).
        v: V is the true one, also where the chart is wrong.
        u: U is the true one, also where the chart is wrong.
    """

    mask: bool = False
    surface: bool = False
    v: bool = False
    u: bool = False

    @property
    def name(self) -> str:
        """For example ``"mask+surface"``, or ``"none"``."""
        parts = [part for part in ("mask", "surface", "v", "u") if getattr(self, part)]
        return "+".join(parts) or "none"


ALL_SUBSTITUTIONS = tuple(Substitution(*flags) for flags in product((False, True), repeat=4))
PUBLISHED_SUBSTITUTIONS = tuple(
    Substitution(*flags)
    for flags in (
        (False, False, False, False),
        (True, False, False, False),
        (True, False, True, True),
        (True, True, False, False),
        (True, True, True, False),
        (True, True, False, True),
        (True, True, True, True),
    )
)


@dataclass(frozen=True)
class RawHeads:
    """Raw outputs of the heads for one detection, on the head's own grid.

    Attributes:
        fine_segm: (25, h, w) chart logits.
        coarse_segm: (C, h, w) logits, channel 0 background.
        u: (25, h, w) U per chart.
        v: (25, h, w) V per chart.
    """

    fine_segm: NDArray[np.floating]
    coarse_segm: NDArray[np.floating]
    u: NDArray[np.floating]
    v: NDArray[np.floating]


def sample_bilinear(
    maps: NDArray[np.floating],
    x: NDArray[np.int64],
    y: NDArray[np.int64],
    *,
    output_hw: tuple[int, int],
) -> NDArray[np.float32]:
    """Values that resizing to a box would give at some of its pixels.

    Bilinear, half-pixel centres (``align_corners=False``), as decoding does.

    Args:
        maps: (C, h, w) maps.
        x: (P,) pixel columns of the resized map.
        y: (P,) pixel rows.
        output_hw: Size of the resized map.

    Returns:
        (C, P) float32.
    """
    values = np.asarray(maps, dtype=np.float32)
    sides = []
    for pixel, size, out in (
        (y, values.shape[1], output_hw[0]),
        (x, values.shape[2], output_hw[1]),
    ):
        scale = np.float32(size / out)
        at = np.maximum((pixel.astype(np.float32) + np.float32(0.5)) * scale - np.float32(0.5), 0)
        low = np.minimum(at.astype(np.int64), size - 1)
        sides.append((low, np.minimum(low + 1, size - 1), (at - low).astype(np.float32)))
    (y0, y1, fy), (x0, x1, fx) = sides
    top = values[:, y0, x0] * (1 - fx) + values[:, y0, x1] * fx
    bottom = values[:, y1, x0] * (1 - fx) + values[:, y1, x1] * fx
    return top * (1 - fy) + bottom * fy


class OracleReader:
    """Read detections at annotated points with some fields replaced by the truth.

    Args:
        substitution: What to replace.
        raw: Position in the result list to raw outputs; None where only decoded maps exist.
    """

    def __init__(
        self, substitution: Substitution, raw: Callable[[int], RawHeads] | None = None
    ) -> None:
        self.substitution = substitution
        self.raw = raw

    def __call__(
        self,
        points: PersonPoints,
        boxes_xywh: NDArray[np.float64],
        det_index: NDArray[np.int64],
        maps: Sequence[IuvMap],
        protocol: DensePoseProtocol,
    ) -> PointReadings:
        """Read the detections of one image.

        Args:
            points: Points of its persons.
            boxes_xywh: (D, 4) boxes.
            det_index: (D,) positions in the result list.
            maps: D decoded maps.
            protocol: Says how pixels are rounded.

        Returns:
            Readings with a chart.
        """
        pixels, inside = points_in_boxes(points, boxes_xywh, protocol)
        parts = []
        for d, iuv in enumerate(maps):
            at = np.flatnonzero(inside[d])
            x, y = pixels[d, at, 0], pixels[d, at, 1]
            charts, u, v = self._read(int(det_index[d]), iuv, points.charts[at], x, y)
            if self.substitution.u:
                u = points.uv[at, 0]
            if self.substitution.v:
                v = points.uv[at, 1]
            hit = charts > 0
            parts.append((np.full(hit.sum(), d), at[hit], charts[hit], u[hit], v[hit]))
        return PointReadings(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def _read(
        self,
        index: int,
        iuv: IuvMap,
        true_charts: NDArray[np.int64],
        x: NDArray[np.int64],
        y: NDArray[np.int64],
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        if self.raw is None:
            return self._read_decoded(iuv, true_charts, x, y)
        heads = self.raw(index)
        hw = (iuv.shape[1], iuv.shape[2])
        fine = sample_bilinear(heads.fine_segm, x, y, output_hw=hw)
        if self.substitution.surface:
            charts = true_charts
        elif self.substitution.mask:
            charts = fine[1:].argmax(axis=0) + 1
        else:
            coarse = sample_bilinear(heads.coarse_segm, x, y, output_hw=hw)
            charts = fine.argmax(axis=0) * (coarse.argmax(axis=0) > 0)
        channel = np.where((charts > 0) & (charts < len(heads.u)), charts, 0)
        columns = np.arange(len(x))
        uv = [
            # Bytes are truncated as in a result file, so that "none" equals the plain score.
            np.trunc(
                np.clip(sample_bilinear(m, x, y, output_hw=hw)[channel, columns] * 255, 0, 255)
            )
            / 255.0
            for m in (heads.u, heads.v)
        ]
        return charts, uv[0].astype(np.float64), uv[1].astype(np.float64)

    def _read_decoded(
        self,
        iuv: IuvMap,
        true_charts: NDArray[np.int64],
        x: NDArray[np.int64],
        y: NDArray[np.int64],
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """Without raw outputs, a background pixel takes chart, U, V of the nearest person pixel."""
        if self.substitution.mask and not self.substitution.surface:
            x, y = nearest_person_pixels(iuv[0], x, y)
        charts = iuv[0, y, x].astype(np.int64)
        if self.substitution.surface:
            charts = true_charts
        return charts, iuv[1, y, x] / 255.0, iuv[2, y, x] / 255.0


def nearest_person_pixels(
    charts: NDArray[np.uint8], x: NDArray[np.int64], y: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Move pixels on the background to the nearest pixel with a chart.

    Args:
        charts: (h, w) decoded charts.
        x: (P,) columns.
        y: (P,) rows.

    Returns:
        Columns and rows; unchanged where the map is all background.
    """
    rows, cols = np.nonzero(charts)
    x, y = x.copy(), y.copy()
    if len(rows):
        for k in np.flatnonzero(charts[y, x] == 0):
            best = ((rows - y[k]) ** 2 + (cols - x[k]) ** 2).argmin()
            x[k], y[k] = cols[best], rows[best]
    return x, y


def evaluate_oracle(
    truth: DensePoseTruth,
    detections: DenseDetections,
    surface: SurfaceLike,
    *,
    substitutions: Sequence[Substitution] = ALL_SUBSTITUTIONS,
    raw: Callable[[int], RawHeads] | None = None,
    metrics: Sequence[str] = METRICS,
    normalisers: Sequence[str] = (PER_PART,),
    protocol: str | DensePoseProtocol = "official",
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, DensePoseScores]:
    """Score a result list once per substitution.

    With every substitution the similarity of a pair is the share of the person's points inside
    the detection's box, so what is missing to 1 is boxes, scores and missed persons.

    Args:
        truth: Ground truth.
        detections: Results.
        surface: Body surface.
        substitutions: Rows of the table.
        raw: Position in the result list to raw head outputs; by default decoded maps are used.
        metrics: Some of ``"gps"``, ``"gpsm"``, ``"iou"``.
        normalisers: Some of ``"per_part"``, ``"global"``.
        protocol: Name or protocol.
        progress: Called with (rows done, rows in all).

    Returns:
        Substitution name to its scores.
    """
    rules = densepose_protocol(protocol)
    names = similarity_names(metrics, normalisers)
    table: dict[str, DensePoseScores] = {}
    for done, substitution in enumerate(substitutions):
        pairs, notes = score_detections(
            truth, detections, surface, metrics=metrics, normalisers=normalisers, protocol=rules,
            reader=OracleReader(substitution, raw), with_true_masks=substitution.mask,
        )  # fmt: skip
        table[substitution.name] = summarize_pairs(
            pairs, names, categories=truth.categories, protocol=rules, notes=notes
        )
        if progress is not None:
            progress(done + 1, len(substitutions))
    return table
