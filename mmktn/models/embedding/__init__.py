"""Continuous surface embeddings: vectors of vertices, losses, nearest vertices."""

from mmktn.models.embedding.cycle_losses import pixel_cycle_loss, shape_cycle_loss
from mmktn.models.embedding.embedding_loss import EmbeddingLoss, PixelCycle, ShapeCycle
from mmktn.models.embedding.nearest_vertex import VertexIndex, nearest_vertices
from mmktn.models.embedding.surface_embedder import SurfaceEmbedder, unit_rows

__all__ = [
    "EmbeddingLoss",
    "PixelCycle",
    "ShapeCycle",
    "SurfaceEmbedder",
    "VertexIndex",
    "nearest_vertices",
    "pixel_cycle_loss",
    "shape_cycle_loss",
    "unit_rows",
]
