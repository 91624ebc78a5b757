"""Mirror rules of a surface for models that average predictions of an image and its mirror image.

The training pipeline has its own loader with a way to do without tables
(`mmktn/datasets/transforms/geometric.py`); predictions cannot be mirrored without them.
"""

from functools import cache

from mmktn.structures import FlipRules
from mmktn.surface import CHART_FLIP, COARSE_FLIP, KEYPOINT_FLIP, load_surface


@cache
def surface_flip_rules(surface: str | None) -> FlipRules:
    """Mirror rules with UV tables.

    Args:
        surface: As `mmktn.surface.load_surface` takes it; the one that the training data refer to.
            None for models without charts: rules without UV tables.

    Raises:
        ValueError: The surface has no UV symmetry tables.
    """
    if surface is None:
        return FlipRules(CHART_FLIP, COARSE_FLIP, KEYPOINT_FLIP, None)
    symmetry = load_surface(surface).symmetry
    if symmetry is None:
        raise ValueError(
            f"surface {surface!r} has no UV symmetry tables, which flipped predictions need: put "
            "UV_symmetry_transforms.mat beside its files, or leave the flips out of the pipeline"
        )
    return FlipRules(CHART_FLIP, COARSE_FLIP, KEYPOINT_FLIP, symmetry.flip_uv)
