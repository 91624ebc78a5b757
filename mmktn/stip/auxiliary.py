"""Auxiliary heads of STIP: person mask from stage 2, spatial keypoints from stage 3.

Source: official STIPNet. The mask's 1x1 convolution runs before the enlargement: the two commute,
and it costs a quarter.
"""

from torch import Tensor, nn

from mmktn.stip.blocks import upsample


class AuxiliaryHeads(nn.Module):
    """Two small convolutions on the maps of earlier stages.

    Args:
        channels: Width D of both maps.
        num_keypoints: K.
        scale: How much larger than the maps the outputs are.
    """

    def __init__(self, channels: int, num_keypoints: int, *, scale: int = 2) -> None:
        super().__init__()
        self.scale = scale
        self.mask_layer = nn.Conv2d(channels, 1, 1)
        self.spatial_layer = nn.Conv2d(channels, num_keypoints, 3, padding=1)

    def mask_logits(self, early: Tensor) -> Tensor:
        """Predict person mask logits: ``(B, D, h, w)`` to ``(B, 1, h * scale, w * scale)``."""
        return upsample(self.mask_layer(early), self.scale)

    def spatial_heatmaps(self, middle: Tensor) -> Tensor:
        """Predict heat-maps: ``(B, D, h, w)`` to ``(B, K, h * scale, w * scale)``."""
        return self.spatial_layer(upsample(middle, self.scale))
