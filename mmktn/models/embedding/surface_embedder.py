"""Vectors of the vertices of one or several meshes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmktn.registry import MODELS
from mmktn.surface.reference_mesh import ReferenceMesh, open_mesh

DIRECT, FEATURES = "direct", "features"
_LEAST_LENGTH = 1e-6


def unit_rows(vectors: Tensor) -> Tensor:
    """Return the vectors (N, D) of length 1; those shorter than 1e-6 are divided by 1e-6."""
    return vectors / vectors.norm(dim=1, keepdim=True).clamp(min=_LEAST_LENGTH)


class VertexEmbedder(BaseModule):
    """Unit vectors of the vertices of one mesh.

    Args:
        num_vertices: K.
        dim: D.
        kind: 'direct', a free vector a vertex; 'features', a linear map of fixed or trained
            features, in which neighbours have to get similar vectors.
        num_features: F.
        features_trainable: Train the features too; they belong to the checkpoint either way.
        trainable: Off freezes everything.

    Everything is zero until a file or a checkpoint fills it, as in detectron2's DensePose
    (`VertexDirectEmbedder`, `VertexFeatureEmbedder`).
    """

    def __init__(
        self,
        num_vertices: int,
        dim: int,
        *,
        kind: str = FEATURES,
        num_features: int = 256,
        features_trainable: bool = False,
        trainable: bool = True,
    ) -> None:
        super().__init__()
        if kind not in (DIRECT, FEATURES):
            raise ValueError(f"kind={kind!r}: expected {DIRECT!r} or {FEATURES!r}")
        self.kind = kind
        rows = num_vertices if kind == DIRECT else num_features
        self.embeddings = nn.Parameter(torch.zeros(rows, dim), requires_grad=trainable)
        self.features: Tensor
        if kind == FEATURES:
            features = torch.zeros(num_vertices, num_features)
            if features_trainable:
                self.features = nn.Parameter(features, requires_grad=trainable)
            else:
                self.register_buffer("features", features)

    def forward(self) -> Tensor:
        """Return the vectors (K, D)."""
        raw = self.embeddings if self.kind == DIRECT else self.features @ self.embeddings
        return unit_rows(raw)

    def fill(self, mesh: ReferenceMesh) -> None:
        """Take what a file of features has: `features`, and `embeddings` where it has them.

        Raises:
            ValueError: An array has another shape.
        """
        if self.kind == DIRECT:
            return
        for name, values in mesh.features(self.features.shape[1]).items():
            ours = getattr(self, name)
            if tuple(values.shape) != tuple(ours.shape):
                raise ValueError(
                    f"{mesh.name}: {name} of the file of features has shape {values.shape}, the "
                    f"config wants {tuple(ours.shape)}"
                )
            ours.data.copy_(torch.from_numpy(values))


@MODELS.register_module()
class SurfaceEmbedder(BaseModule):
    """Unit vectors of the vertices of several meshes.

    Args:
        meshes: Name of a mesh -> settings of its `VertexEmbedder` (`num_vertices` is that at the
            end of the name, as in smpl_27554, unless given).
        dim: D.
        mesh_folder: Folder with the files of the meshes (docs/cse.md); opened when needed.

    Raises:
        ValueError: No mesh.

    Reference:
        Neverova et al., Discovering Relationships between Object Categories via Universal Canonical
        Maps, CVPR 2021: several categories share the space of the vectors.
    """

    def __init__(
        self,
        meshes: Mapping[str, Mapping[str, Any]],
        *,
        dim: int = 16,
        mesh_folder: str | Path | None = None,
    ) -> None:
        super().__init__()
        if not meshes:
            raise ValueError("SurfaceEmbedder: meshes names no mesh")
        self.dim = dim
        self.mesh_folder = mesh_folder
        self.embedders = nn.ModuleDict(
            {
                name: VertexEmbedder(**{"num_vertices": vertices_in(name), "dim": dim} | dict(each))
                for name, each in meshes.items()
            }
        )
        self._meshes: dict[str, ReferenceMesh] = {}

    @property
    def mesh_names(self) -> list[str]:
        """Names, in the order of the config."""
        return list(self.embedders)

    def forward(self, name: str) -> Tensor:
        """Return the vectors (K, D) of a mesh.

        Raises:
            ValueError: The model has no such mesh.
        """
        self.check_known(name)
        return cast("Tensor", self.embedders[name]())

    def check_known(self, name: str) -> None:
        """See that the model has a mesh.

        Raises:
            ValueError: It has not.
        """
        if name not in self.embedders:
            raise ValueError(
                f"ref_model {name!r}: this model knows the meshes {self.mesh_names}; add it to "
                "embedder.meshes of the config, or leave such annotations out"
            )

    def mesh(self, name: str) -> ReferenceMesh:
        """Return the geometry of a mesh, opened at first use.

        Raises:
            FileNotFoundError: The folder has no file of it.
        """
        if name not in self._meshes:
            self._meshes[name] = open_mesh(name, self.mesh_folder)
        return self._meshes[name]

    def use_meshes(self, meshes: Mapping[str, ReferenceMesh]) -> None:
        """Take geometry from memory instead of files."""
        self._meshes.update(meshes)

    def init_weights(self) -> None:
        """Fill the features from the files of the meshes.

        Raises:
            FileNotFoundError: A file is missing.
        """
        for name, embedder in self.embedders.items():
            cast("VertexEmbedder", embedder).fill(self.mesh(name))


def vertices_in(name: str) -> int | None:
    """Number of vertices at the end of a mesh's name; None without one."""
    match = re.search(r"_(\d+)$", name)
    return int(match.group(1)) if match else None
