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
        box: x, y, w, h in pixels.
        parts: (256, 256) uint8 over the box.
    """

    box: Box
    parts: NDArray[np.uint8]


class Proposer(Protocol):
    """Anything that finds people in a picture."""

    name: str

    def people(self, image: NDArray[np.uint8], box: Box | None = None) -> list[ProposedPerson]:
        """Return the people of a picture (H, W, 3) uint8 BGR, or the one in the given box."""


class ModelProposer:
    """The shipped model, or a named one; loaded at the first question (10 s).

    Args:
        scheme: Parts; the human ones.
        model: As in `DensePoseInferencer`; None: the shipped one.
        checkpoint: Weights of a config.

    Raises:
        UserError: The parts are not those of people.
    """

    def __init__(
        self, scheme: PartScheme, *, model: str | None = None, checkpoint: str | None = None
    ) -> None:
        if not scheme.is_human:
            raise UserError(f"models propose parts of people, not of {scheme.subject}")
        self.name = model or "the shipped model"
        self._scheme, self._model, self._checkpoint = scheme, model, checkpoint
        self._lock = threading.Lock()
        self._inferencer: Any = None

    def people(self, image: NDArray[np.uint8], box: Box | None = None) -> list[ProposedPerson]:
        """Return people of a picture (H, W, 3) uint8 BGR, best first, or the one in the given box.

        Raises:
            UserError: The model cannot be loaded or does not take boxes.
        """
        options: dict[str, Any] = {"channel_order": "BGR"}
        if box is not None:
            x, y, w, h = box
            options["boxes"] = [np.array([[x, y, x + w, y + h]])]
        with self._lock:
            if self._inferencer is None:
                from mmktn.apis import DensePoseInferencer

                self._inferencer = DensePoseInferencer(self._model, self._checkpoint)
            (found,) = self._inferencer([image], **options)
        if found.error is not None:
            raise UserError(f"{self.name}: {found.error}")
        table = self._scheme.part_of_chart
        people = []
        for result, (x0, y0, x1, y1) in zip(
            found.densepose, found.boxes_xyxy.tolist(), strict=True
        ):
            place = (x0, y0, x1 - x0, y1 - y0) if box is None else box
            labels = np.zeros(image.shape[:2], np.uint8)
            _paste(labels, table[np.asarray(result.labels)], result.xy)
            people.append(ProposedPerson(place, from_image(labels, place)))
        return people


def _paste(canvas: NDArray[np.uint8], patch: NDArray[np.integer], xy: Any) -> None:
    """Copy a patch whose top-left pixel lies at `xy`, cut at the canvas's border."""
    x, y = (int(n) for n in xy)
    height, width = patch.shape
    x0, y0 = max(x, 0), max(y, 0)
    x1, y1 = min(x + width, canvas.shape[1]), min(y + height, canvas.shape[0])
    if x1 > x0 and y1 > y0:
        canvas[y0:y1, x0:x1] = patch[y0 - y : y1 - y, x0 - x : x1 - x]
