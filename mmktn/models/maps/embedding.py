"""The embedding of continuous surface embeddings (CSE): a vector for every pixel."""

from collections.abc import Sequence

from torch import Tensor

from mmktn.structures import DenseMap, declare_map
from mmktn.structures.map_table import Maps


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
    # A mirror takes a vertex to that of the other side; no rule takes its vector there.
    turns_back = False

    def average(self, views: Sequence[Maps], *, uv_by_chart: bool = False) -> Tensor:
        """The first view's."""
        return views[0][self.name].float()
