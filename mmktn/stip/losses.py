"""Losses of STIP with the official weights.

Pose terms: half the mean squared error of weighted maps, one each for final, initial and kernel
maps, and one for the spatial head. Mask and semantics: binary cross entropy, taken on logits so
that it is safe under autocast (the official code takes the sigmoid first; the values agree).
"""

import torch.nn.functional as F
from torch import Tensor, nn

from mmktn.registry import MODELS
from mmktn.stip.blocks import at_least_float32
from mmktn.stip.output import STIPOutput, STIPTargets


def half_weighted_mse(maps: Tensor, target: Tensor, keypoint_weights: Tensor) -> Tensor:
    """Compare heat-maps: ``(1/K) sum_k 0.5 mean_{b,h,w}((w_k o_k - w_k t_k)^2)``.

    Args:
        maps: Predicted heat-maps ``(B, K, h, w)``.
        target: Target heat-maps, same shape.
        keypoint_weights: Weights w ``(B, K)``; they enter squared.

    Returns:
        Scalar.
    """
    squared = (at_least_float32(maps) - target).square().mean((2, 3))
    return 0.5 * (squared * keypoint_weights.square()).mean()


@MODELS.register_module()
class STIPLoss(nn.Module):
    """All training losses of STIP; a part the output lacks has no term.

    The final, initial, kernel and spatial terms have the weight 1.

    Args:
        mask_weight: Weight of the person mask term.
        semantics_weight: Weight of the keypoint presence term.
        with_kernel_term: Supervise the kernel maps; the ResNet variant does not.
    """

    def __init__(
        self,
        *,
        mask_weight: float = 5e-4,
        semantics_weight: float = 1e-5,
        with_kernel_term: bool = True,
    ) -> None:
        super().__init__()
        self.mask_weight = mask_weight
        self.semantics_weight = semantics_weight
        self.with_kernel_term = with_kernel_term

    def forward(self, output: STIPOutput, targets: STIPTargets) -> dict[str, Tensor]:
        """Compute the weighted terms.

        Args:
            output: Maps of the batch.
            targets: Targets of the batch, at the resolution of the maps.

        Returns:
            ``loss_final``, ``loss_initial`` and, where the parts exist, ``loss_kernel``,
            ``loss_spatial``, ``loss_mask``, ``loss_semantics``.
        """
        weights = targets.keypoint_weights
        pose = {"loss_final": output.final, "loss_initial": output.initial}
        if output.kernel is not None and self.with_kernel_term:
            pose["loss_kernel"] = output.kernel
        losses = {
            name: half_weighted_mse(maps, targets.heatmaps, weights) for name, maps in pose.items()
        }
        if output.spatial is not None:
            spatial = targets.heatmaps
            if targets.spatial_heatmaps is not None:
                spatial = targets.spatial_heatmaps
            losses["loss_spatial"] = half_weighted_mse(output.spatial, spatial, weights)
        if output.mask_logits is not None:
            losses["loss_mask"] = self.mask_weight * F.binary_cross_entropy_with_logits(
                at_least_float32(output.mask_logits), targets.person_mask
            )
        if output.semantics_logits is not None:
            losses["loss_semantics"] = self.semantics_weight * F.binary_cross_entropy_with_logits(
                at_least_float32(output.semantics_logits), targets.keypoint_presence
            )
        return losses
