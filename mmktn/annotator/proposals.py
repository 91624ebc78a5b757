"""What a model proposes: boxes of people and their parts, for annotators to correct."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mmktn.annotation.body_parts import PartScheme
from mmktn.annotator.part_maps import Box, from_image
from mmktn.utils.user_error import UserError


@dataclass(frozen=True)
class ProposedPerson:
    """A person that a model found.

    Attributes:
        box: Pixels.
        score: 0 to 1.
        parts: (256, 256) uint8 over the box.
    """

    box: Box
    score: float
    parts: NDArray[np.uint8]


class Proposer(Protocol):
    """Anything that finds people in a picture."""

    name: str

    def people(
        self, image: NDArray[np.uint8], boxes: list[Box] | None = None
    ) -> list[ProposedPerson]:
        """People of a picture (H, W, 3) uint8 BGR, or those in the given boxes."""


class ModelProposer:
    """The shipped model, or a named one; loaded at the first question (10 s).

    Args:
        scheme: Parts; the human ones.
        model: As in `DensePoseInferencer`; None: the shipped one.
        checkpoint: Weights of a config.
        score_thr: People at or below are left out.
    """

    def __init__(
        self,
        scheme: PartScheme,
        *,
        model: str | None = None,
        checkpoint: str | None = None,
        score_thr: float = 0.3,
    ) -> None:
        if not scheme.is_human:
            raise UserError(f"models propose parts of people, not of {scheme.subject}")
        self.name = model or "the shipped model"
        self._scheme, self._model, self._checkpoint = scheme, model, checkpoint
        self._score_thr = score_thr
        self._lock = threading.Lock()
        self._inferencer: Any = None

    def people(
        self, image: NDArray[np.uint8], boxes: list[Box] | None = None
    ) -> list[ProposedPerson]:
        """People of a picture, best first; with `boxes` one a box, in order.

        Raises:
            UserError: The model cannot be loaded or does not take boxes.
        """
        with self._lock:
            if self._inferencer is None:
                from mmktn.apis import DensePoseInferencer

                self._inferencer = DensePoseInferencer(self._model, self._checkpoint)
            options: dict[str, Any] = {"score_thr": self._score_thr, "channel_order": "BGR"}
            if boxes is not None:
                corners = np.array([[x, y, x + w, y + h] for x, y, w, h in boxes])
                options = {**options, "score_thr": 0.0, "boxes": [corners]}
            (found,) = self._inferencer([image], **options)
        if found.error is not None:
            raise UserError(f"{self.name}: {found.error}")
        table = self._scheme.part_of_chart
        people = []
        for index, (result, corners, score) in enumerate(
            zip(found.densepose, found.boxes_xyxy.tolist(), found.scores.tolist(), strict=True)
        ):
            x0, y0, x1, y1 = corners
            box = (x0, y0, x1 - x0, y1 - y0) if boxes is None else boxes[index]
            labels = np.zeros(image.shape[:2], np.uint8)
            _paste(labels, table[np.asarray(result.labels)], result.xy)
            people.append(ProposedPerson(box, float(score), from_image(labels, box)))
        return people


def _paste(canvas: NDArray[np.uint8], patch: NDArray[np.integer], xy: Any) -> None:
    """Copy a patch whose top-left pixel lies at `xy`, cut at the canvas's border."""
    x, y = (int(n) for n in xy)
    height, width = patch.shape
    x0, y0 = max(x, 0), max(y, 0)
    x1, y1 = min(x + width, canvas.shape[1]), min(y + height, canvas.shape[0])
    if x1 > x0 and y1 > y0:
        canvas[y0:y1, x0:x1] = patch[y0 - y : y1 - y, x0 - x : x1 - x]
