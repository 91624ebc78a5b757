"""The maps of one STIP forward pass, and the targets they are compared with."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class STIPOutput:
    """Maps and vectors of B crops; a part that is switched off is None.

    Attributes:
        final: Heat-maps ``(B, K, h, w)``, the prediction.
        initial: Initial heat-maps ``(B, K, h, w)``.
        kernel_energy: Mean squared kernel entry ``(B,)``, without parsing of the final maps; a
            diagnostic without gradient.
        kernel: Kernel ("parameter") maps ``(B, K, h, w)`` (instance-adaptive parsing).
        spatial: Heat-maps of the stage-3 auxiliary head ``(B, K, h, w)``.
        mask_logits: Person mask logits of the stage-2 auxiliary head ``(B, 1, h, w)``.
        context: Embedding of the crop ``(B, D)`` (semantic-aware transfer, as the next three).
        semantics_logits: Keypoint-wise presence logits ``(B, K)``.
        graph: Global-local graph ``(B, 1, h/s, w/s)`` in [0, 1], at feature resolution.
        transfer_matrix: Instance-specific transfer matrix ``(B, K, h/s, w/s)``.
    """

    final: Tensor
    initial: Tensor
    kernel_energy: Tensor
    kernel: Tensor | None = None
    spatial: Tensor | None = None
    mask_logits: Tensor | None = None
    context: Tensor | None = None
    semantics_logits: Tensor | None = None
    graph: Tensor | None = None
    transfer_matrix: Tensor | None = None


@dataclass(frozen=True)
class STIPTargets:
    """What a training batch of B crops is supervised with.

    Attributes:
        heatmaps: Heat-maps of the person of the crop ``(B, K, h, w)``.
        keypoint_weights: 1 where the keypoint is labelled, else 0, ``(B, K)``.
        person_mask: 1 near the person's keypoints, else 0, ``(B, 1, h, w)``.
        keypoint_presence: 1 where the keypoint is to be found in the crop ``(B, K)``.
        spatial_heatmaps: Heat-maps for the spatial head where it is to see the other persons too
            ``(B, K, h, w)``; None = ``heatmaps``.
    """

    heatmaps: Tensor
    keypoint_weights: Tensor
    person_mask: Tensor
    keypoint_presence: Tensor
    spatial_heatmaps: Tensor | None = None
