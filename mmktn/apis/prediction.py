"""The outcome for one image, and its files: official JSON, npz, IUV pictures, preset pictures."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmktn.apis.picture_command import SAVE_FORMATS
from mmktn.formats.chart_arrays import CONFIDENCE_FIELDS, ChartArrays
from mmktn.formats.iuv_canvas import ChartCanvas, paint_people
from mmktn.formats.iuv_files import ChannelOrder, write_instance_png, write_iuv_png
from mmktn.formats.picture_writing import fit_format, write_image
from mmktn.surface import BodyPoints, BodySurface, body_points, load_surface
from mmktn.surface.reference_mesh import open_mesh
from mmktn.utils.optional import require
from mmktn.utils.output_files import claim_outputs, replace_atomically, write_json
from mmktn.utils.user_error import UserError
from mmktn.visualization.colormaps import get_preset, render_preset
from mmktn.visualization.field_panels import field_panel, field_panels
from mmktn.visualization.panels import prediction_panels, prediction_row
from mmktn.visualization.texture import Texture, apply_texture, unwrap_texture
from mmktn.visualization.vertex_drawing import paint_vertices, vertex_colours

if TYPE_CHECKING:
    from mmktn.structures import ChartResult, ChartResults, VertexResults

# Formats that pictures are drawn in; the photographs may have others.
_WRITABLE = (".bmp", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


@dataclass
class ImagePrediction:
    """Dense pose of the people in one image, best score first.

    Attributes:
        name: File name of the image, unique within a call.
        image_id: COCO image id: the file name's number where it is one, else the running index.
        image_hw: Image size; (0, 0) if it could not be read.
        boxes_xyxy: (N, 4) float32, image pixels.
        scores: (N,) float32.
        densepose: N results: `ChartResult` with tensors, `ChartArrays` from a runtime without
            torch.
        error: Why there is no prediction, or no file of it, or None. Without a prediction the
            other fields are empty.
        image: (H, W, 3) uint8 RGB picture that was looked at; None if it could not be read.
        further: What else the heads of the model said, by the name of mmdet's or mmpose's field
            ('keypoints', 'keypoint_scores', 'masks', 'parts' ...), each with one entry per person.
        picture: (H', W', 3) uint8 RGB of boxes, charts, U and V side by side, if asked for.
        surface: The body that the model's charts are of, as its config names it; what
            `load_surface` takes.
        min_confidence: Pixels of less confidence are neither painted nor written as IUV; `json`
            and `npz` keep them.
    """

    name: str
    image_id: int
    image_hw: tuple[int, int] = (0, 0)
    boxes_xyxy: np.ndarray = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    scores: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    densepose: Sequence[ChartResult | ChartArrays] = ()
    error: str | None = None
    image: np.ndarray | None = None
    further: dict[str, Any] = field(default_factory=dict)
    picture: np.ndarray | None = None
    surface: str = "human"
    min_confidence: float = 0.0

    def __len__(self) -> int:
        return len(self.densepose)

    @property
    def people(self) -> list[Person]:
        """The people one by one, best score first."""
        return [Person(self, index) for index in range(len(self))]

    @property
    def iuv(self) -> np.ndarray:
        """(3, H, W) uint8: chart, and U and V as truncated bytes, of all people on the image."""
        return self.canvas().iuv

    def canvas(self) -> ChartCanvas:
        """Return all people painted on the image, the highest score on top.

        Raises:
            ValueError: There is a `min_confidence`, and the results have no confidence.
        """
        shown = [result.arrays() for result in self.densepose]
        if self.min_confidence > 0:
            shown = [result.confident(self.min_confidence) for result in shown]
        iuvs = [result.iuv_uint8() for result in shown]
        return paint_people(self.image_hw, self.boxes_xyxy, iuvs=iuvs, scores=self.scores)

    def to_official(self) -> list[dict[str, Any]]:
        """Return the entries of an official result file, one per person."""
        return [
            result.arrays().to_official(self.image_id, box, float(score))
            for result, box, score in zip(self.densepose, self.boxes_xyxy, self.scores, strict=True)
        ]

    def panels(self, image: np.ndarray, *, preset: str = "overlay") -> list[np.ndarray]:
        """Boxes, charts, U and V as four pictures of the size of the image (H, W, 3) uint8 RGB."""
        return prediction_panels(
            image,
            self.canvas(),
            boxes_xyxy=self.boxes_xyxy,
            texts=[f"{score:.2f}" for score in self.scores],
            preset=preset,
        )

    def draw(
        self, image: np.ndarray, *, preset: str = "overlay", legend: bool = True
    ) -> np.ndarray:
        """Return the boxes, charts, U and V side by side.

        Args:
            image: (H, W, 3) uint8 RGB.
            preset: Look of the maps.
            legend: Append the colours of the charts and of U, V.
        """
        return prediction_row(
            self.panels(image, preset=preset),
            self._field_panels(image),
            colormap=get_preset(preset).colormap,
            legend=legend,
        )

    def _field_panels(self, image: np.ndarray) -> dict[str, np.ndarray]:
        """Return the pictures of further maps by title."""
        found = field_panels(image, self.canvas(), list(self.densepose))
        if self.vertices is not None:
            found["vertices"] = self.paint_vertices(image)
        return found

    @property
    def vertices(self) -> VertexResults | None:
        """Vertices of a mesh at every pixel, N results; None where the model gives none."""
        return self.further.get("vertices")

    def paint_vertices(
        self,
        image: np.ndarray | None = None,
        *,
        colours: Mapping[str, np.ndarray] | None = None,
        mesh_folder: str | Path | None = None,
        alpha: float = 0.7,
    ) -> np.ndarray:
        """Colour people and animals by their vertices.

        Args:
            image: (H, W, 3) uint8 RGB; None: the picture that was looked at.
            colours: Mesh -> (K, 3) uint8 RGB or (K,) numbers; None: by place on the mesh, or by
                number of the vertex where the file of the mesh is not at hand.
            mesh_folder: Folder with the files of the meshes (docs/cse.md).
            alpha: Share of the colour.

        Returns:
            (H, W, 3) uint8 RGB.

        Raises:
            UserError: The model gives no vertices.
        """
        if self.vertices is None:
            raise UserError(f"{self.name}: this model gives no vertices (docs/cse.md)")
        given = dict(colours or {})

        def table(mesh: str) -> np.ndarray:
            if mesh not in given:
                given[mesh] = mesh_colours(mesh, mesh_folder)
            return vertex_colours(given[mesh])

        picture = self._kept_image() if image is None else image
        return paint_vertices(picture, self.vertices, table, alpha=alpha)

    def plot(self, preset: str = "overlay") -> np.ndarray:
        """(H, W, 3) uint8 RGB picture of the charts in a preset's look (docs/pictures.md)."""
        return render_preset(self.canvas(), preset, image=self._kept_image())

    def save(self, path: str | Path, *, preset: str = "overlay", overwrite: bool = False) -> Path:
        """Write one file; its suffix says which.

        Args:
            path: .json: official entries. .npz: arrays (`save_prediction`). A picture's suffix:
                `plot`.
            preset: Look of a picture.
            overwrite: Whether a file that exists may be replaced.

        Returns:
            The path.

        Raises:
            UserError: The suffix is of no such file, there is no prediction, or the file exists or
                cannot be written.
        """
        file = Path(path)
        kind = file.suffix.lower()
        if self.error is not None:
            raise UserError(f"{self.name}: there is nothing to save: {self.error}")
        if kind not in (".json", ".npz", *_WRITABLE):
            known = ", ".join((".json", ".npz", *_WRITABLE))
            raise UserError(f"{file}: unknown kind of file {kind!r}; known: {known}")
        claim_outputs([file], overwrite=overwrite)
        if kind == ".json":
            write_json(file, self.to_official())
        elif kind == ".npz":
            with replace_atomically(file) as handle:
                np.savez_compressed(handle, **_arrays(self))
        else:
            write_image(file, fit_format(file, self.plot(preset)))
        return file

    def to_supervision(self) -> Any:
        """Return `supervision.Detections` with boxes, masks, scores and the class name.

        Raises:
            ImportError: The package supervision is not installed.
        """
        supervision = require("supervision", "supervision")
        height, width = self.image_hw
        masks = np.zeros((len(self), height, width), dtype=bool)
        for mask, person in zip(masks, self.people, strict=True):
            mask[:] = person.canvas().mask
        return supervision.Detections(
            xyxy=self.boxes_xyxy.astype(np.float32),
            mask=masks,
            confidence=self.scores.astype(np.float32),
            class_id=np.zeros(len(self), dtype=int),
            data={"class_name": np.array(["person"] * len(self))},
        )

    def _kept_image(self) -> np.ndarray:
        if self.image is None:
            raise UserError(f"{self.name}: the prediction has no picture: {self.error or 'given'}")
        return self.image


@dataclass(frozen=True)
class Person:
    """One person of a prediction.

    Attributes:
        prediction: Where the person is from.
        index: Which one, from 0.
    """

    prediction: ImagePrediction
    index: int

    @property
    def box_xyxy(self) -> np.ndarray:
        """(4,) float32, image pixels."""
        return self.prediction.boxes_xyxy[self.index]

    @property
    def score(self) -> float:
        """Score in [0, 1]."""
        return float(self.prediction.scores[self.index])

    @property
    def confidence(self) -> float | None:
        """Mean confidence of the pixels in [0, 1]; None where the model gives none."""
        return self.result.confidence

    @property
    def result(self) -> ChartResult | ChartArrays:
        """Charts, U, V, mask and further fields on the pixels of the box."""
        return self.prediction.densepose[self.index]

    @property
    def iuv(self) -> np.ndarray:
        """(3, h, w) uint8 chart and truncated U, V on the pixels of the box."""
        return self.result.iuv_uint8()

    @property
    def mask(self) -> np.ndarray:
        """(h, w) bool body on the pixels of the box; the mask branch's, where the model has one."""
        result = self.result.arrays()
        return result.labels > 0 if result.mask is None else result.mask

    @property
    def keypoints(self) -> np.ndarray | None:
        """(K, 3) x, y in image pixels and score; None where the model has no keypoint branch."""
        points = self.prediction.further.get("keypoints")
        if points is None:
            return None
        own = np.asarray(points[self.index], dtype=np.float32)
        scores = self.prediction.further.get("keypoint_scores")
        if own.shape[-1] == 2 and scores is not None:
            own = np.concatenate([own, np.asarray(scores[self.index])[:, None]], axis=1)
        return own

    def canvas(self) -> ChartCanvas:
        """Return this person alone on the image."""
        box = self.box_xyxy[None]
        return paint_people(self.prediction.image_hw, box, iuvs=[self.iuv])

    def vertices(
        self,
        points_xy: np.ndarray | None = None,
        *,
        surface: str | Path | BodySurface | None = None,
    ) -> BodyPoints:
        """Tell which vertices, triangles and points of the body the pixels show.

        Args:
            points_xy: (P, 2) image positions; None: all pixels of the person.
            surface: A body, or what `load_surface` takes; None: the one that the model was
                trained on.

        Returns:
            The points, `points.vertices` first of all.
        """
        given = self.prediction.surface if surface is None else surface
        body = load_surface(given) if isinstance(given, str | Path) else given
        corner = (int(self.box_xyxy[0]), int(self.box_xyxy[1]))
        result = self.result.arrays()
        return body_points(
            result.labels,
            result.uv,
            surface=body,
            origin_xy=corner,
            points_xy=points_xy,
        )

    def texture(self, *, tile: int = 200, fill_distance: float = 0.0) -> Texture:
        """What the person looks like, as an atlas of 24 charts; arguments of `unwrap_texture`."""
        canvas = self.canvas()
        image = self.prediction._kept_image()
        return unwrap_texture(
            image, canvas.labels, canvas.uv, tile=tile, fill_distance=fill_distance
        )

    def wear(self, texture: Texture | np.ndarray, *, alpha: float = 1.0) -> np.ndarray:
        """(H, W, 3) uint8 RGB image with this person in a texture, another person's for example."""
        canvas = self.canvas()
        return apply_texture(
            texture, canvas.labels, canvas.uv, image=self.prediction._kept_image(), alpha=alpha
        )


def charts_of(results: VertexResults) -> ChartResults:
    """Return I, U, V of vertices, where their mesh is a body with charts; else the mask alone."""
    from mmktn.structures import ChartResults

    return ChartResults(
        result.to_charts(*(open_mesh(result.mesh).charts or ())) for result in results
    )


def mesh_colours(mesh: str, folder: str | Path | None) -> np.ndarray:
    """Return (K,) numbers that colour a mesh: place on it, number of vertex without its file."""
    try:
        return open_mesh(mesh, folder).colours()
    except FileNotFoundError:
        count = re.search(r"_(\d+)$", mesh)
        if count is None:
            raise
        return np.arange(int(count.group(1)))


def drawn_name(name: str) -> str:
    """File name of the picture of an image: its own, with a suffix that can be written."""
    suffix = Path(name).suffix
    if suffix.lower() in _WRITABLE:
        return name
    return Path(name).stem + (".jpg" if suffix.lower() == ".jfif" else ".png")


def prediction_files(
    name: str, folder: str | Path, *, formats: Sequence[str], preset: str
) -> dict[str, Path]:
    """Return the files that `save_prediction` writes of an image.

    Args:
        name: Name of the prediction.
        folder: Where they go.
        formats: Some of `SAVE_FORMATS`.
        preset: Look of 'charts'.

    Returns:
        Paths by 'json', 'npz', 'iuv', 'instances', 'charts' and 'confidence', those of `formats`
        alone.

    Raises:
        UserError: Unknown format.
    """
    unknown = sorted(set(formats) - set(SAVE_FORMATS))
    if unknown:
        raise UserError(f"unknown format {unknown[0]!r}; known: {', '.join(SAVE_FORMATS)}")
    ends = {
        "json": {"json": ".json"},
        "npz": {"npz": ".npz"},
        "iuv": {"iuv": "_IUV.png", "instances": "_INDS.png"},
        "charts": {"charts": f"_{preset}.png"},
        "confidence": {"confidence": "_confidence.png"},
    }
    stem = Path(name).stem
    return {
        kind: Path(folder) / f"{stem}{end}"
        for known, files in ends.items()
        if known in formats
        for kind, end in files.items()
    }


def save_prediction(
    prediction: ImagePrediction,
    folder: str | Path,
    *,
    formats: Sequence[str] = ("json",),
    image: np.ndarray | None = None,
    preset: str = "overlay",
    iuv_order: ChannelOrder = "VUI",
    overwrite: bool = False,
) -> list[Path]:
    """Write the prediction of one image, each file whole or not at all.

    Args:
        prediction: What to write; one with an error writes nothing.
        folder: Made if missing.
        formats: Some of `SAVE_FORMATS`. 'json': `<stem>.json`, a list of official entries. 'npz':
            `<stem>.npz` with `boxes_xyxy` (N, 4), `scores` (N,), `image_hw` (2,), and for person i
            `labels_i` (h, w) uint8, `uv_i` (2, h, w) float32
            and, of further maps, `FIELD_i`, with confidences also `confidence` (N,), the mean of
            each person's pixels. 'iuv': `<stem>_IUV.png` and
            `<stem>_INDS.png` of the whole image. 'charts': `<stem>_<preset>.png`, the chart map
            alone in the preset's look, for try-on and animation models. 'confidence':
            `<stem>_confidence.png`, the confidence as heat over the grey photo (black unsure, light
            sure).
        image: (H, W, 3) uint8 RGB, for presets that show the photo and for 'confidence', which has
            black behind it without.
        preset: Look of 'charts'.
        iuv_order: Channel order of 'iuv', see `write_iuv_png`.
        overwrite: Whether files that exist may be replaced.

    Returns:
        The files written.

    Raises:
        UserError: Unknown format, a file exists or cannot be written, or 'confidence' is asked for
            and the people have none.
    """
    files = prediction_files(prediction.name, folder, formats=formats, preset=preset)
    if prediction.error is not None:
        return []
    claim_outputs(files.values(), overwrite=overwrite)
    heat = _confidence_picture(prediction, image) if "confidence" in files else None
    if "json" in files:
        write_json(files["json"], prediction.to_official())
    if "npz" in files:
        with replace_atomically(files["npz"]) as handle:
            np.savez_compressed(handle, **_arrays(prediction))
    if {"iuv", "charts"} & set(files):
        canvas = prediction.canvas()
    if "iuv" in files:
        write_iuv_png(files["iuv"], canvas.iuv, order=iuv_order)
        write_instance_png(files["instances"], canvas.instances)
    if "charts" in files:
        write_image(files["charts"], render_preset(canvas, preset, image=image))
    if heat is not None:
        write_image(files["confidence"], heat)
    return list(files.values())


def _confidence_picture(prediction: ImagePrediction, image: np.ndarray | None) -> np.ndarray:
    """Return the confidence of everyone as heat.

    Raises:
        UserError: Somebody has none.
    """
    if image is None:
        image = np.zeros((*prediction.image_hw, 3), np.uint8)
    results = list(prediction.densepose)
    name = next((n for n in CONFIDENCE_FIELDS if all(n in r.fields for r in results)), None)
    if name is None:
        raise UserError(
            "format 'confidence': this model gives none; use one with the map sigma_2, or set "
            "decoder.chart_confidence=True (docs/confidence.md)"
        )
    return field_panel(image, prediction.canvas(), results, name)


def _arrays(prediction: ImagePrediction) -> dict[str, Any]:
    """Return the arrays of the npz file; loads with plain numpy, nothing is pickled."""
    arrays = {
        "boxes_xyxy": prediction.boxes_xyxy,
        "scores": prediction.scores,
        "image_hw": np.asarray(prediction.image_hw, np.int64),
    }
    results = [result.arrays() for result in prediction.densepose]
    for index, result in enumerate(results):
        arrays[f"labels_{index}"] = result.labels
        arrays[f"uv_{index}"] = result.uv
        for name, values in result.fields.items():
            arrays[f"{name}_{index}"] = values
    if prediction.vertices is not None:
        arrays["meshes"] = np.asarray([found.mesh for found in prediction.vertices], np.str_)
        for index, found in enumerate(prediction.vertices):
            arrays[f"vertices_{index}"] = found.vertex_map.cpu().numpy()
    if any(result.confidence is not None for result in results):
        arrays["confidence"] = np.asarray([r.confidence for r in results], np.float32)
    return arrays
