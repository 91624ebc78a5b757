"""Embedding and coarse map of a box -> the vertex of a mesh at every pixel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from mmktn.models.embedding import SurfaceEmbedder, VertexIndex, nearest_vertices
from mmktn.models.maps import require_class_map
from mmktn.models.postprocess.box_resizing import (
    best_channel,
    channels_last,
    resize,
    resize_axis,
)
from mmktn.registry import MODELS
from mmktn.structures import ChartOutput, VertexResult, VertexResults
from mmktn.structures.box_grid import result_box_hw, result_box_origin_xy
from mmktn.structures.crop_grid import box_in_window
from mmktn.utils.user_error import UserError


@MODELS.register_module()
class VertexDecoder:
    """Decode maps of continuous surface embeddings into `VertexResults`.

    Both maps are resized to the box; a pixel belongs to the person where the best channel of the
    mask map is not the background, and its vertex is the one whose vector is nearest.

    Args:
        class_meshes: Mesh of each category of the detector, in order; one name for all.
        mask_source: Map that decides on the body.
        all_meshes: Find the vertices of every mesh of the model, not only of that of the category;
            for scores where annotations name another one.

    Raises:
        ValueError: `mask_source` is no map of classes.

    Reference:
        `DensePoseEmbeddingPredictor` results of detectron2, with the vertices of its extractor.
    """

    name = "vertices"

    def __init__(
        self,
        class_meshes: str | Sequence[str],
        mask_source: str = "coarse_segm",
        *,
        all_meshes: bool = False,
    ) -> None:
        require_class_map("mask_source", mask_source)
        self.class_meshes = [class_meshes] if isinstance(class_meshes, str) else list(class_meshes)
        self.mask_source = mask_source
        self.all_meshes = all_meshes
        self.embedder: SurfaceEmbedder | None = None

    @property
    def fields(self) -> tuple[str, ...]:
        """Maps that decoding reads."""
        return (self.mask_source, "embedding")

    def bind(self, embedder: SurfaceEmbedder | None) -> None:
        """Take the vectors of the vertices from a model.

        Raises:
            ValueError: It has none, or lacks a mesh of a category.
        """
        if embedder is None:
            raise ValueError("VertexDecoder needs the head's embedder; configure it")
        for name in self.class_meshes:
            embedder.check_known(name)
        self.embedder = embedder

    @torch.no_grad()
    def decode(
        self,
        output: ChartOutput,
        boxes_xyxy: Tensor,
        *,
        windows_xyxy: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> dict[str, VertexResults]:
        """Decode N boxes.

        Args:
            output: Maps of the N boxes; the embedding may be a mean over mirrored views, which has
                twice the channels.
            boxes_xyxy: (N, 4) boxes in the pixels the results shall have.
            windows_xyxy: (N, 4) what the maps cover; None: the boxes.
            labels: (N,) category of each; not needed where there is one mesh for all.

        Returns:
            `vertices` -> N results, each of the integer size of its box.

        Raises:
            ValueError: A map is not predicted, a category has no mesh, or is not known, or there
                are mirrored views and a mesh has no mirror.
        """
        assert self.embedder is not None, "bind first"
        if not len(boxes_xyxy):
            return self.no_results(boxes_xyxy)
        windows = boxes_xyxy if windows_xyxy is None else windows_xyxy
        if len(self.class_meshes) == 1:
            classes = [0] * len(boxes_xyxy)
        elif labels is None:
            raise ValueError(
                f"boxes without a category: this model has {len(self.class_meshes)} of them, each "
                "with its mesh; take boxes of its own detector"
            )
        else:
            classes = labels.tolist()
        if max(classes) >= len(self.class_meshes):
            raise ValueError(
                f"category {max(classes)} of the detector: class_meshes names "
                f"{len(self.class_meshes)} meshes"
            )
        meshes = [self.class_meshes[index] for index in classes]
        wanted = self.embedder.mesh_names if self.all_meshes else list(dict.fromkeys(meshes))
        channels = output["embedding"].shape[1]
        vectors = {name: VertexIndex(self._vectors(name, channels)) for name in wanted}
        masks, embedding = (channels_last(output[name]) for name in self.fields)
        places = zip(
            masks,
            embedding,
            meshes,
            result_box_hw(boxes_xyxy).tolist(),
            result_box_origin_xy(boxes_xyxy).tolist(),
            box_in_window(boxes_xyxy, windows).tolist(),
            strict=True,
        )
        return {self.name: VertexResults(self._decode_one(vectors, *each) for each in places)}

    def no_results(self, boxes_xyxy: Tensor) -> dict[str, VertexResults]:
        """Give what an image without boxes (0, 4) gets."""
        return {self.name: VertexResults()}

    def _vectors(self, name: str, channels: int) -> Tensor:
        """Vectors (K, channels) of the vertices; behind them those of the mirrored body's."""
        assert self.embedder is not None
        vectors = self.embedder(name)
        if channels == vectors.shape[1]:
            return vectors
        try:
            mirror = torch.from_numpy(self.embedder.mesh(name).mirror).to(vectors.device)
        except (FileNotFoundError, ValueError) as error:
            raise UserError(
                f"mirrored views need the mirror of mesh {name!r}: {error}; or leave the flips out "
                "(of tta_pipeline, or flip_test=False)"
            ) from error
        return torch.cat([vectors, vectors[mirror]], dim=1)

    def _decode_one(
        self,
        vectors: Mapping[str, VertexIndex],
        logits: Tensor,
        embedding: Tensor,
        mesh: str,
        size_hw: Sequence[int],
        corner_xy: Sequence[int],
        span: Sequence[float],
    ) -> VertexResult:
        (h, w), (x, y) = size_hw, corner_xy
        mask = best_channel(_resized(logits, h, w, span)) > 0
        pixels = _resized(embedding, h, w, span)
        names = vectors if self.all_meshes else (mesh,)
        found = {name: nearest_vertices(pixels, mask, vectors[name]) for name in names}
        return VertexResult(mask, mesh, found, (x, y))


def _resized(maps: Tensor, h: int, w: int, span: Sequence[float]) -> Tensor:
    """Return the maps (a, b, C) at h x w pixels, which cover the share x1, y1, x2, y2 of them."""
    x1, y1, x2, y2 = span
    rows = resize_axis(h, maps.shape[0], maps, span=(y1, y2))
    return resize(maps, rows, resize_axis(w, maps.shape[1], maps, span=(x1, x2)))
