"""The embedding of continuous surface embeddings (CSE): a vector for every pixel."""

from collections.abc import Sequence

import torch
from torch import Tensor

from mmktn.structures import DenseMap, FlipRules, declare_map
from mmktn.structures.map_table import Maps

_LEAST_LENGTH = 1e-6


@declare_map
class Embedding(DenseMap):
    """Vector of each pixel, to compare with those of the vertices of a mesh; not normalised.

    Its losses have settings and weights of their own and one entry a mesh: they are those of
    `mmktn.models.embedding.EmbeddingLoss`, and `VertexDecoder` decodes it.

    Reference:
        Neverova et al., Continuous Surface Embeddings, NeurIPS 2020, section 3.
    """

    name = "embedding"
    channels = 16

    def flip(self, mirrored: Maps, rules: FlipRules) -> dict[str, Tensor]:
        """Put the vectors behind as many zeros: (N, 2 D, h, w).

        A mirror moves a vector in a way that only the vertices know, so vectors of a mirrored
        person stay as they are, in channels of their own, and `VertexDecoder` compares these with
        the vertices of the mirrored body. They cannot be mirrored back.
        """
        maps = mirrored[self.name]
        return {self.name: torch.cat([torch.zeros_like(maps), maps], dim=1)}

    def bound(self, maps: Tensor) -> Tensor:
        """Put as many zeros behind the vectors: (N, 2 D, h, w)."""
        return torch.cat([maps, torch.zeros_like(maps)], dim=1)

    def average(self, views: Sequence[Maps], *, uv_by_chart: bool = False) -> Tensor:
        """Mean direction with the mean length, so that no view outvotes others by its length.

        The nearest vertex of the mean is the one whose sum of squared distances from the unit
        vectors of all views is least: the most likely one where each view says
        softmax(-distance^2 / sigma), whatever sigma is.
        """
        stacked = torch.stack([view[self.name].float() for view in views])
        length = stacked.norm(dim=2, keepdim=True)
        return (stacked / length.clamp(min=_LEAST_LENGTH)).mean(dim=0) * length.mean(dim=0)
