"""Semantic-aware transfer (SaT): enrich the features of a crop with what each keypoint means.

Source: STIP (MM'21), slides and official STIPNet / GPEmbNet. The figure adds the global-local graph
to the initial heat-maps, the code multiplies: `fuse`.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmktn.stip.blocks import ContextPyramid, ConvBlock, resize_to


@dataclass(frozen=True)
class TransferResult:
    """What semantic-aware transfer computes for B crops.

    Attributes:
        features: Semantic-aware features ``(B, D, h, w)``.
        semantic_map: Keypoint embeddings mapped softly to the pixels ``(B, D, h, w)``.
        context: Context embedding of the crop ``(B, D)``.
        semantics_logits: Keypoint-wise presence logits ``(B, K)``.
        transfer_matrix: Instance-specific transfer matrix ``(B, K, h, w)``.
        graph: Global-local graph ``(B, 1, h, w)`` in [0, 1], or None.
    """

    features: Tensor
    semantic_map: Tensor
    context: Tensor
    semantics_logits: Tensor
    transfer_matrix: Tensor
    graph: Tensor | None


class ContextHead(nn.Module):
    """Summarise a crop in one vector: convolution, average pooling, linear layer.

    Args:
        channels: Width D of the map and of the embedding.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = ConvBlock(channels, channels, kernel_size=3)
        self.linear = nn.Linear(channels, channels, bias=False)
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Embed ``(B, D, h, w)`` as ``(B, D)``, non-negative."""
        return F.relu(self.norm(self.linear(self.conv(x).mean((2, 3)))))


class SemanticTransfer(nn.Module):
    """Transfer the classifier's keypoint semantics to the pixels of the features.

    Args:
        channels: Width D of the features.
        num_keypoints: K.
        fuse: How the graph acts on the initial heat-maps: ``"mul"`` (official code) or ``"add"``
            (figure).
        with_graph: Use the global-local graph; the ResNet variant has none.

    Raises:
        ValueError: If `fuse` is neither of the two.
    """

    def __init__(
        self, channels: int, num_keypoints: int, *, fuse: str = "mul", with_graph: bool = True
    ) -> None:
        super().__init__()
        if fuse not in ("mul", "add"):
            raise ValueError(f"semantic_transfer.fuse must be 'mul' or 'add', got {fuse!r}")
        self.fuse = fuse
        self.with_graph = with_graph
        self.context_head = ContextHead(channels)
        self.keypoint_classifier = nn.Linear(channels, num_keypoints)
        self.semantic_encoder = ConvBlock(channels, channels, kernel_size=3)
        self.projector = ConvBlock(2 * channels, channels, kernel_size=1)
        self.pyramid = ContextPyramid(channels)

    def forward(self, features: Tensor, whole: Tensor, initial: Tensor) -> TransferResult:
        """Run the transfer.

        Args:
            features: Initial features F of the crop ``(B, D, h, w)``.
            whole: Map the context embedding is taken from ``(B, D, h', w')``; F itself for HRNet.
            initial: Initial heat-maps H0 ``(B, K, any size)``.

        Returns:
            The enriched features and everything on the way.
        """
        context = self.context_head(whole)  # (B, D)
        transfer_matrix = resize_to(initial, features)  # (B, K, h, w)
        graph = None
        if self.with_graph:
            graph = torch.sigmoid(torch.einsum("bd,bdhw->bhw", context, features)).unsqueeze(1)
            fused = torch.mul if self.fuse == "mul" else torch.add
            transfer_matrix = fused(transfer_matrix, graph)
        embeddings = self.keypoint_classifier.weight  # (K, D)
        semantic_map = F.conv2d(transfer_matrix, embeddings.t()[..., None, None])  # (B, D, h, w)
        encoded = torch.cat([self.semantic_encoder(semantic_map), features], dim=1)
        return TransferResult(
            features=self.pyramid(self.projector(encoded)),
            semantic_map=semantic_map,
            context=context,
            semantics_logits=self.keypoint_classifier(context),
            transfer_matrix=transfer_matrix,
            graph=graph,
        )

    def presence(self, whole: Tensor) -> Tensor:
        """Predict which keypoints are to be found, without the transfer.

        Args:
            whole: Map the context embedding is taken from ``(B, D, h', w')``.

        Returns:
            Keypoint-wise probabilities ``(B, K)``.
        """
        return self.keypoint_classifier(self.context_head(whole)).float().sigmoid()
