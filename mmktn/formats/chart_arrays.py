"""Decoded dense pose of a box as arrays, and its 8-bit PNG coding in the official result format.

A result covers the integer box of docs/conventions.md, frame 5. Bytes are made by truncation, never
by rounding, as detectron2's DensePose makes them.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from mmktn.formats.limits import MAX_MAP_PIXELS
from mmktn.utils.user_error import UserError

if TYPE_CHECKING:
    from typing_extensions import Self

CONFIDENCE_FIELDS = ("uv_confidence", "chart_confidence")
"""Fields (H, W) in [0, 1], 0 outside the person, that are a confidence; the first that is there."""

# numpy and torch agree on the operators, shapes and sums that are used here; no type says so.
Array = TypeVar("Array", bound=Any)


@dataclass
class ChartMaps(Generic[Array]):
    """Charts and chart coordinates of one box; what does not depend on who holds the numbers.

    `ChartArrays` has numpy's arrays, `structures.ChartResult` torch's tensors.

    Attributes:
        labels: (H, W) uint8, chart 1..24, 0 background.
        uv: (2, H, W) float32, U and V in [0, 1], 0 where the label is 0.
        mask: (H, W) bool, the body as the mask branch sees it (it may cover cells whose chart is
            0); or None.
        fields: Further decoded maps by name, each (H, W) or (K, H, W) on the same pixels
            (`DenseMap.decode`).
        xy: Column and row of the top-left pixel in the image, which it may leave; the result covers
            the pixels `xy` to `xy` + (W, H).
    """

    labels: Array
    uv: Array
    mask: Array | None = None
    fields: dict[str, Array] = field(default_factory=dict)
    xy: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        """Check that the maps agree.

        Raises:
            ValueError: A shape is wrong; the text names the field.
        """
        hw = tuple(self.labels.shape)
        if len(hw) != 2:
            raise ValueError(f"labels: shape {hw}, not (H, W)")
        if tuple(self.uv.shape) != (2, *hw):
            raise ValueError(f"uv: shape {tuple(self.uv.shape)}, not {(2, *hw)}")
        if self.mask is not None and tuple(self.mask.shape) != hw:
            raise ValueError(f"mask: shape {tuple(self.mask.shape)}, not {hw}")
        for name, values in self.fields.items():
            if values.ndim not in (2, 3) or tuple(values.shape[-2:]) != hw:
                raise ValueError(f"fields[{name!r}]: shape {tuple(values.shape)}, not (.., {hw})")

    @property
    def hw(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.labels.shape[0], self.labels.shape[1]

    @property
    def box_xyxy(self) -> tuple[int, int, int, int]:
        """The box of pixels that the result covers; x2, y2 lie behind the last one."""
        (x, y), (height, width) = self.xy, self.hw
        return x, y, x + width, y + height

    @property
    def confidence_map(self) -> Array | None:
        """(H, W) confidence in [0, 1] of every pixel, 0 outside the person; None if not given."""
        return next((self.fields[n] for n in CONFIDENCE_FIELDS if n in self.fields), None)

    @property
    def confidence(self) -> float | None:
        """Mean confidence over the person's pixels, 0 without pixels; None if not given."""
        own = self.arrays()
        values = own.confidence_map
        if values is None:
            return None
        return float(values.sum() / max(int((own.labels > 0).sum()), 1))

    def arrays(self) -> ChartArrays:
        """Return the same with numpy's arrays."""
        raise NotImplementedError

    def confident(self, minimum: float) -> Self:
        """Copy in which pixels of less confidence are background.

        Args:
            minimum: Least confidence that stays, 0 to 1.

        Raises:
            ValueError: There is no confidence, or the least is no share.
        """
        if not 0 <= minimum <= 1:
            raise ValueError(f"min_confidence={minimum}: expected 0 to 1")
        values = self.confidence_map
        if values is None:
            raise ValueError(
                "min_confidence: this model gives no confidence; use one with the map sigma_2, or "
                "set decoder.chart_confidence=True (docs/confidence.md)"
            )
        stays = values >= minimum
        fields = {name: item * stays for name, item in self.fields.items()}
        return type(self)(self.labels * stays, self.uv * stays, self.mask, fields, self.xy)

    def iuv_uint8(self) -> NDArray[np.uint8]:
        """Code as bytes: I, clamp(255 U), clamp(255 V), truncated.

        Returns:
            (3, H, W) uint8.
        """
        own = self.arrays()
        uv = (own.uv * 255).clip(0, 255).astype(np.uint8)
        return np.concatenate((own.labels[None].astype(np.uint8), uv))

    def to_official(
        self,
        image_id: int,
        box_xyxy: Any,
        score: float,
        category_id: int = 1,
    ) -> dict[str, Any]:
        """Make one entry of an official result file.

        Args:
            image_id: COCO image id.
            box_xyxy: (4,) box in original image pixels.
            score: Detection score.
            category_id: The person's number in the annotation file; COCO's by default.

        Returns:
            The official keys, and `confidence` of the person where the result has one.

        Raises:
            ValueError: The maps do not have the integer size of the box.
        """
        x1, y1, x2, y2 = (float(value) for value in box_xyxy)
        iuv, confidence = self.iuv_uint8(), self.confidence
        height, width = self.hw
        extent = (
            _extent_of_map(x2 - x1, width, f"width, image {image_id}"),
            _extent_of_map(y2 - y1, height, f"height, image {image_id}"),
        )
        return {
            "image_id": int(image_id),
            "category_id": int(category_id),
            "bbox": [x1, y1, *extent],
            "score": float(score),
            "uv_shape": list(iuv.shape),
            "uv_data": encode_png(iuv),
            **({} if confidence is None else {"confidence": confidence}),
        }


class ChartArrays(ChartMaps[NDArray[Any]]):
    """Charts and chart coordinates of one box in numpy, for runtimes without torch."""

    def arrays(self) -> ChartArrays:
        """Return itself."""
        return self


def _extent_of_map(extent: float, cells: int, what: str) -> float:
    """Give the box side to write: it must truncate to the size of the map, as evaluators check.

    Decoding works in float32 and truncates there, so a side may lie a rounding error off the whole
    number that the map has.
    """
    if max(int(extent), 1) == cells:
        return extent
    if abs(extent - cells) < 1e-3:
        return float(cells)
    raise ValueError(f"{what}: map of {cells} pixels for a box of {extent}")


def encode_png(iuv: NDArray[np.uint8]) -> str:
    """Code an IUV map as base64 of an 8-bit RGB PNG: red is I, green U, blue V.

    Args:
        iuv: (3, H, W) uint8.

    Returns:
        ASCII text.

    Raises:
        ValueError: Wrong shape or dtype.
    """
    if iuv.ndim != 3 or len(iuv) != 3 or iuv.dtype != np.uint8:
        raise ValueError(f"iuv: shape {iuv.shape} {iuv.dtype}, not (3, H, W) uint8")
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(iuv.transpose(1, 2, 0))).save(buffer, format="png")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def decode_png(
    text: str, shape: tuple[int, int, int] | None = None, *, where: str = ""
) -> NDArray[np.uint8]:
    """Read what `encode_png` (or the official tools) wrote; the text may have line breaks.

    Args:
        text: base64 of a PNG.
        shape: Expected (3, H, W); not checked if None.
        where: Entry, put before the message.

    Returns:
        (3, H, W) uint8.

    Raises:
        UserError: Not base64, not a PNG of 8-bit RGB, larger than a map may be, or of another shape
            than expected.
    """
    from PIL import Image, UnidentifiedImageError

    start = f"{where}: uv_data" if where else "uv_data"
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
        with Image.open(io.BytesIO(data)) as image:
            if image.width * image.height > MAX_MAP_PIXELS:
                raise UserError(f"a picture of more than {MAX_MAP_PIXELS} pixels")
            if image.format != "PNG":
                raise UserError(f"a picture of kind {image.format}, which loses bytes")
            mode, pixels = image.mode, np.asarray(image)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, TypeError, AttributeError,
            Image.DecompressionBombError) as error:  # fmt: skip
        # PIL names the object in memory, which says nothing.
        reason = "no picture" if isinstance(error, UnidentifiedImageError) else error
        raise UserError(f"{start} is no PNG in base64 ({reason})") from error
    if mode != "RGB":
        raise UserError(f"{start} is a PNG of mode {mode}, not 8-bit RGB")
    iuv = np.ascontiguousarray(pixels.transpose(2, 0, 1))
    if shape is not None and iuv.shape != tuple(shape):
        raise UserError(f"{start} is a PNG of shape {iuv.shape}, uv_shape says {tuple(shape)}")
    return iuv
