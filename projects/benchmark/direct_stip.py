"""STIP written down directly: the slow reference of tests and of the benchmark.

Follows the official order of operations: enlarge first, then apply 1x1 layers; store the kernels as
``(B, K, D, H, W)``, multiply, average. Takes its weights from an `STIPHead`, so that both see the
same numbers.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mmktn.stip.output import STIPOutput


def enlarge(x: Tensor, scale: int = 2) -> Tensor:
    """Enlarge bilinearly with ``align_corners=False``."""
    return F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)


def direct_regression(
    generator: Tensor, features: Tensor, *, weight: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor]:
    """Store all kernels, then apply them.

    Args:
        generator: Generator features ``(B, E, H, W)``.
        features: Features ``(B, D, H, W)``.
        weight: Generator weight ``(K * D, E, 1, 1)``.
        bias: Generator bias ``(K * D,)``.

    Returns:
        Final maps and kernels, ``(B, K, H, W)`` and ``(B, K, D, H, W)``.
    """
    batch, depth, height, width = features.shape
    kernels = F.conv2d(generator, weight, bias).view(batch, -1, depth, height, width)
    return (kernels * features[:, None]).mean(2), kernels


def direct_forward_maps(head: Any, feats: Sequence[Tensor]) -> STIPOutput:
    """Run SaT + IaP of an `STIPHead` (HRNet variant, scale 2) the direct way.

    Args:
        head: The head whose weights are used.
        feats: Maps of stages 2, 3 and 4, each ``(B, D, h, w)``.

    Returns:
        All outputs of the official network.
    """
    early, middle, features = feats
    sat, iap = head.semantic_transfer, head.instance_parsing
    initial = head.final_layer(enlarge(features))
    mask_logits = head.auxiliary.mask_layer(enlarge(early))
    spatial = head.auxiliary.spatial_layer(enlarge(middle))
    context = sat.context_head(features)
    graph = torch.sigmoid((context[..., None, None] * features).sum(1, keepdim=True))
    matrix = F.interpolate(initial, size=features.shape[-2:], mode="bilinear", align_corners=False)
    matrix = matrix * graph
    embeddings = sat.keypoint_classifier.weight  # (K, D)
    semantic_map = (matrix[:, :, None] * embeddings[None, :, :, None, None]).sum(1)
    fused = sat.projector(torch.cat([sat.semantic_encoder(semantic_map), features], dim=1))
    enhanced = head.refine(enlarge(sat.pyramid(fused)))
    generator = enlarge(iap.pyramid(semantic_map))
    final, kernels = direct_regression(
        generator,
        enhanced,
        weight=iap.kernel_generator.weight,
        bias=iap.kernel_generator.bias,
    )
    return STIPOutput(
        final=final,
        initial=initial,
        kernel=kernels.mean(2),
        kernel_energy=kernels.detach().square().mean((1, 2, 3, 4)),
        spatial=spatial,
        mask_logits=mask_logits,
        context=context,
        semantics_logits=sat.keypoint_classifier(context),
        graph=graph,
        transfer_matrix=matrix,
    )
