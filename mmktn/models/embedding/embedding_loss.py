"""Losses of continuous surface embeddings (`densepose/modeling/losses` of detectron2's project)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmktn.models.embedding.cycle_losses import pixel_cycle_loss, shape_cycle_loss
from mmktn.models.embedding.surface_embedder import SurfaceEmbedder, unit_rows
from mmktn.models.losses.reductions import zero_connected_to
from mmktn.models.targets import ChartTargets, sample_maps_at_points
from mmktn.registry import MODELS
from mmktn.structures import ChartOutput


@dataclass(frozen=True)
class ShapeCycle:
    """Settings of the loss from shape to shape and back.

    Attributes:
        weight: Of the loss.
        temperature: Of the assignments.
        max_vertices: Vertices drawn from each mesh.
    """

    weight: float = 0.025
    temperature: float = 0.05
    max_vertices: int = 4936


@dataclass(frozen=True)
class PixelCycle:
    """Settings of the loss from pixels to a shape and back.

    Attributes:
        weight: Of the loss.
        temperatures: Of the assignments to vertices and back.
        num_pixels: Pixels drawn from the mask of each box.
        all_meshes: Go to all meshes of the model, not only to those of the batch.
    """

    weight: float = 0.0001
    temperatures: tuple[float, float] = (0.05, 0.05)
    num_pixels: int = 100
    all_meshes: bool = False


@MODELS.register_module()
class EmbeddingLoss(nn.Module):
    """Cross entropy over the vertices at annotated points, and cycle losses.

    The logits of a point are the squared distances of its unit vector from those of the vertices,
    divided by `-embedding_sigma`. The points of all boxes are pooled for each mesh.

    Args:
        weight: Of the cross entropies.
        soft: The target is spread over the vertices as softmax of `-geodesic / geodesic_sigma`
            around the annotated one; else it is that vertex alone.
        embedding_sigma: See above; 0.01 for people, 0.1 for animals in the published models.
        geodesic_sigma: In units of the mesh.
        drop_unknown: Leave points of unknown vertex (-1) out of the soft loss too; the official
            code lets them stand for the last vertex.
        shape_cycle: Settings (`ShapeCycle`); None: no such loss.
        pixel_cycle: Settings (`PixelCycle`); None: no such loss.

    Reference:
        Neverova et al., Continuous Surface Embeddings, NeurIPS 2020, equations 2 and 3.
    """

    def __init__(
        self,
        *,
        weight: float = 0.6,
        soft: bool = False,
        embedding_sigma: float = 0.01,
        geodesic_sigma: float = 0.01,
        drop_unknown: bool = False,
        shape_cycle: dict[str, Any] | None = None,
        pixel_cycle: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        if min(embedding_sigma, geodesic_sigma) <= 0:
            raise ValueError("embedding_sigma and geodesic_sigma have to be positive")
        self.weight = weight
        self.soft = soft
        self.embedding_sigma = embedding_sigma
        self.geodesic_sigma = geodesic_sigma
        self.drop_unknown = drop_unknown
        self.shape_cycle = None if shape_cycle is None else ShapeCycle(**shape_cycle)
        self.pixel_cycle = None if pixel_cycle is None else PixelCycle(**pixel_cycle)
        self._pairs: list[tuple[str, str]] = []

    @property
    def needs_masks(self) -> bool:
        """Whether persons have to carry instance masks."""
        return self.pixel_cycle is not None

    def forward(
        self, output: ChartOutput, targets: ChartTargets, embedder: SurfaceEmbedder
    ) -> dict[str, Tensor]:
        """Compute the losses.

        Args:
            output: Maps of N boxes, `embedding` among them.
            targets: Their targets.
            embedder: Vectors of the vertices.

        Returns:
            `loss_embedding_<mesh>` for every mesh of the model, `loss_shape_cycle`,
            `loss_pixel_cycle`; all 0 where no box carries points.

        Raises:
            ValueError: Points on a mesh that the model does not know, no masks for the pixel cycle,
                or a single mesh for the shape cycle.
        """
        embedding = output["embedding"]
        vertices = {name: embedder(name) for name in embedder.mesh_names}
        for name in targets.mesh_names:
            embedder.check_known(name)
        losses = {
            f"loss_embedding_{name}": self.weight
            * self.point_loss(embedding, targets, name, vertices[name], embedder)
            for name in embedder.mesh_names
        }
        if self.shape_cycle is not None:
            nothing = _nothing(*vertices.values())
            loss = self._shape_cycle(vertices, embedder) if targets.mesh_names else nothing
            losses["loss_shape_cycle"] = self.shape_cycle.weight * loss
        if self.pixel_cycle is not None:
            loss = self._pixel_cycle(embedding, targets, vertices)
            losses["loss_pixel_cycle"] = self.pixel_cycle.weight * loss
        return losses

    def point_loss(
        self,
        embedding: Tensor,
        targets: ChartTargets,
        mesh: str,
        vertices: Tensor,
        embedder: SurfaceEmbedder,
    ) -> Tensor:
        """Compute the cross entropy of the points on one mesh, mean; 0 without any."""
        points = targets.vertex_points
        chosen = None if points is None else points.on(mesh)
        if chosen is not None and (self.drop_unknown or not self.soft):
            chosen = chosen & (points.vertices >= 0)  # type: ignore[union-attr]
        if points is None or chosen is None or not bool(chosen.any()):
            return _nothing(embedding, vertices)
        roi = points.roi_index[chosen]
        grid = targets.vertex_grid(embedding.shape[-2:])[chosen]
        found = unit_rows(sample_maps_at_points(embedding, roi, grid))
        vertices = vertices.to(found.dtype)
        logits = -squared_distances(found, vertices) / self.embedding_sigma
        wanted = points.vertices[chosen]
        count = len(vertices)
        if bool((wanted >= count).any()):
            raise ValueError(f"dp_vertex {int(wanted.max())}: {mesh} has {count} vertices")
        if not self.soft:
            return F.cross_entropy(logits, wanted)
        # Many boxes show the same person: each row of distances is read once.
        unique, place = (wanted % count).unique(return_inverse=True)
        rows = embedder.mesh(mesh).geodesic_rows(unique.cpu().numpy())
        spread = (-torch.from_numpy(rows).to(logits) / self.geodesic_sigma).softmax(dim=1)
        return F.cross_entropy(logits, spread[place])

    def draw_pair(self, names: Sequence[str]) -> tuple[str, str]:
        """Return two meshes; all pairs have their turn before one comes again."""
        if not self._pairs:
            pairs = list(itertools.combinations(names, 2))
            self._pairs = [pairs[i] for i in torch.randperm(len(pairs)).tolist()]
        return self._pairs.pop()

    def draw_vertices(self, name: str, count: int) -> Tensor | None:
        """Some vertices of a mesh of `count`; None: all, in order."""
        assert self.shape_cycle is not None
        if count <= self.shape_cycle.max_vertices:
            return None
        return torch.randperm(count)[: self.shape_cycle.max_vertices]

    def draw_pixels(self, roi: int, name: str, inside: Tensor) -> Tensor:
        """Return some of the cells (P,) of the mask of a box."""
        assert self.pixel_cycle is not None
        order = torch.randperm(len(inside))[: self.pixel_cycle.num_pixels]
        return inside[order.to(inside.device)]

    def _shape_cycle(self, vertices: dict[str, Tensor], embedder: SurfaceEmbedder) -> Tensor:
        assert self.shape_cycle is not None
        if len(vertices) < 2:
            raise ValueError("shape_cycle: the model has one mesh; the loss needs two")
        vectors, geodesics = [], []
        for name in self.draw_pair(list(vertices)):
            chosen = self.draw_vertices(name, len(vertices[name]))
            table = embedder.mesh(name).geodesic_block(
                None if chosen is None else chosen.cpu().numpy()
            )
            v = vertices[name]
            vectors.append(v if chosen is None else v[chosen.to(v.device)])
            geodesics.append(torch.from_numpy(table).to(v))
        loss = shape_cycle_loss(
            vectors[0],
            vectors[1],
            (geodesics[0], geodesics[1]),
            temperature=self.shape_cycle.temperature,
        )
        return loss + _nothing(*vertices.values())

    def _pixel_cycle(
        self, embedding: Tensor, targets: ChartTargets, vertices: dict[str, Tensor]
    ) -> Tensor:
        settings = self.pixel_cycle
        assert settings is not None
        nothing = _nothing(embedding, *vertices.values())
        if not len(embedding) or not targets.mesh_names:
            return nothing
        if targets.roi_masks is None:
            raise ValueError(
                "pixel_cycle: the persons have no masks; load them with "
                "mmdet.LoadAnnotations(with_bbox=True, with_mask=True)"
            )
        names = [n for n in vertices if settings.all_meshes or n in targets.mesh_names]
        width = embedding.shape[-1]
        terms = []
        for roi, mask in enumerate(targets.roi_masks):
            inside = mask.flatten().nonzero()[:, 0]
            for name in names:
                cells = self.draw_pixels(roi, name, inside)
                pixels = unit_rows(embedding[roi].flatten(1)[:, cells].T.float())
                places = torch.stack((cells // width, cells % width), dim=1)
                terms.append(
                    pixel_cycle_loss(
                        pixels, places, vertices[name].float(), temperatures=settings.temperatures
                    )
                )
        return torch.stack(terms).mean() + nothing


def squared_distances(vectors: Tensor, others: Tensor) -> Tensor:
    """Compute the squared distances (N, K) of vectors (N, D) from others (K, D)."""
    lengths = vectors.square().sum(dim=1, keepdim=True) + others.square().sum(dim=1)
    return lengths - 2 * (vectors @ others.T)


def _nothing(*tensors: Tensor) -> Tensor:
    """Return a zero that is connected to tensors, so that their weights have a gradient."""
    return torch.stack([zero_connected_to(item) for item in tensors]).sum()
