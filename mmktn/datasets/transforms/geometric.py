"""Horizontal flip that mirrors image, boxes and dense-pose ground truth together.

Source: DensePose's symmetry tables (label permutations, U and V of all 24 charts). mmdet's Resize
needs no counterpart here, since points, coarse maps and keypoints are box-relative.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

from mmdet.datasets.transforms import RandomFlip

from mmktn.registry import TRANSFORMS
from mmktn.structures import FlipRules
from mmktn.surface import CHART_FLIP, COARSE_FLIP, KEYPOINT_FLIP, load_surface
from mmktn.surface.reference_mesh import VertexMirrors


@TRANSFORMS.register_module()
class DensePoseRandomFlip(RandomFlip):
    """`mmdet.RandomFlip`, horizontal, that also mirrors `gt_densepose`.

    Args:
        prob: Probability of a flip.
        surface: Where the UV symmetry tables come from: 'human', or the path of a surface file
            or of the folder with UV_symmetry_transforms.mat. It must be the surface that the
            annotations refer to.
        uv_symmetry: 'tables' to mirror U and V by the tables of `surface`; 'none' for surfaces that
            have no tables: images that hold annotated points are then never flipped.
        mesh_folder: Folder with symmetry/symmetry_<mesh>.pkl of the meshes whose vertices are
            annotated (docs/cse.md); read where such vertices are flipped.

    Raises:
        ValueError: `uv_symmetry='tables'` and the surface has none.
    """

    def __init__(
        self,
        prob: float = 0.5,
        surface: str = "human",
        *,
        uv_symmetry: Literal["tables", "none"] = "tables",
        mesh_folder: str | None = None,
    ) -> None:
        super().__init__(prob=float(prob), direction="horizontal")
        self.surface = surface
        self.uv_symmetry = uv_symmetry
        self._rules = load_flip_rules(surface, uv_symmetry, mesh_folder)

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Flip with probability `prob`; sets flip and flip_direction."""
        if self._rules.flip_uv is None and _holds_points(results):
            results["flip"] = False
            results["flip_direction"] = None
            return results
        return super().transform(results)

    def _flip(self, results: dict[str, Any]) -> None:
        """Flip image, boxes, masks (mmdet) and the dense-pose ground truth."""
        super()._flip(results)
        if "gt_densepose" in results:
            results["gt_densepose"] = results["gt_densepose"].flip(self._rules)

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(prob={self.prob}, surface={self.surface!r}, "
            f"uv_symmetry={self.uv_symmetry!r})"
        )


@cache
def load_flip_rules(
    surface: str, uv_symmetry: str = "tables", mesh_folder: str | None = None
) -> FlipRules:
    """Mirror rules of a surface.

    Args:
        surface: As `mmktn.surface.load_surface` takes it; not read if `uv_symmetry` is 'none'.
        uv_symmetry: 'tables' or 'none'.
        mesh_folder: Where mirror tables of meshes are, which are read where vertices are flipped.

    Raises:
        ValueError: Unknown `uv_symmetry`, or the surface has no tables.
    """
    if uv_symmetry not in ("tables", "none"):
        raise ValueError(f"uv_symmetry must be 'tables' or 'none', got {uv_symmetry!r}")
    flip_uv = None
    if uv_symmetry == "tables":
        symmetry = load_surface(surface).symmetry
        if symmetry is None:
            raise ValueError(
                f"surface {surface!r} has no UV symmetry tables: put UV_symmetry_transforms.mat "
                "beside its files, or set uv_symmetry='none' (annotated images then "
                "stay as they are)"
            )
        flip_uv = symmetry.flip_uv
    mirrors = VertexMirrors(mesh_folder)
    return FlipRules(CHART_FLIP, COARSE_FLIP, KEYPOINT_FLIP, flip_uv, mirrors)


def _holds_points(results: dict[str, Any]) -> bool:
    """Whether any person of the image has annotated points."""
    return "gt_densepose" in results and bool(results["gt_densepose"].num_points.any())
