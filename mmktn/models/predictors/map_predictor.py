"""What all chart predictors share: one layer per map, then bilinear enlargement.

Transposed convolutions and bilinear x2; other systems use plain convolutions (map_layers.py). The
layers read the same features, so they run as one whose kernels are set side by side; maps nobody
asks for (keypoints at inference) are left out of it.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmktn.models.maps import STANDARD_MAPS
from mmktn.models.predictors.map_layers import ConvLayers, DeconvLayers, MapLayers
from mmktn.structures import ChartOutput, declared_map


class MapPredictor(BaseModule):
    """Features (N, C, h, w) -> `ChartOutput`; transposed convolutions give `2 upscale h` rows.

    Args:
        in_channels: Channels C of the features.
        channels: Name of a map -> its channels; 0 leaves the map out.
        upscale: Bilinear factor after the layers; 1 switches it off.
        keypoint_upscale: The same for keypoint heat-maps; None: as `upscale`.
        extra_maps: Further maps that are declared (`mmktn.structures.declare_map`): their names, or
            name -> channels.
        conv_kernel: Side of convolutions, 1 or 3, that read the maps at the size of the features,
            as in AMA-net and top-down systems; None: transposed ones 4 x 4, which double it.
        init_cfg: As in `mmengine.model.BaseModule`.

    Raises:
        ValueError: A map is not declared, or `conv_kernel` is even.
    """

    def __init__(
        self,
        in_channels: int,
        channels: Mapping[str, int],
        *,
        upscale: int = 2,
        keypoint_upscale: int | None = None,
        extra_maps: Mapping[str, int] | Sequence[str] = (),
        conv_kernel: int | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        self.in_channels = in_channels
        self.upscale = upscale
        self.upscale_of = (
            {} if keypoint_upscale is None else {"keypoint_heatmaps": keypoint_upscale}
        )
        self.layers: MapLayers = DeconvLayers() if conv_kernel is None else ConvLayers(conv_kernel)
        self.reader = MapReader(self.layers)
        self.add_module(self.layers.container, nn.ModuleDict())
        for name, count in (dict(channels) | _channels_of(extra_maps)).items():
            if count:
                declared_map(name)
                self.map_layers[name] = self.layers.make(in_channels, count)

    @property
    def map_layers(self) -> nn.ModuleDict:
        """Name of a map -> its layer."""
        return cast("nn.ModuleDict", getattr(self, self.layers.container))

    @property
    def field_names(self) -> tuple[str, ...]:
        """Names of the maps this predictor makes, in the order in which it makes them."""
        place = {name: index for index, name in enumerate(STANDARD_MAPS)}
        return tuple(sorted(self.map_layers, key=lambda name: place.get(name, len(place))))

    def forward(
        self,
        x: Tensor,
        box_weights: Mapping[str, Tensor] | None = None,
        *,
        fields: Collection[str] | None = None,
    ) -> ChartOutput:
        """Predict the maps.

        Args:
            x: (N, C, h, w) features of N instances; N may be 0.
            box_weights: `cls` (2, D) and `reg` (4, D) weights of the box head, for predictors that
                learn from them.
            fields: Maps to make; those that change one of them come along. None: all.

        Returns:
            The maps, each (N, channels, s upscale h, s upscale w), where s is 2 for transposed
            convolutions and 1 for convolutions.
        """
        names = [name for name in self.field_names if fields is None or _is_asked(name, fields)]
        kernels = [self.kernel(name, box_weights) for name in names]
        axis = self.layers.class_axis
        counts = [weight.shape[axis] for weight, _ in kernels]
        weight = torch.cat([weight.to(x.dtype) for weight, _ in kernels], dim=axis)
        bias = torch.cat(
            [x.new_zeros(n) if b is None else b for n, (_, b) in zip(counts, kernels, strict=True)]
        )
        factors = [self.upscale_of.get(name, self.upscale) for name in names]
        maps = dict(zip(names, self.reader(x, weight, bias, counts, factors), strict=True))
        for name in names:
            maps |= declared_map(name).apply(maps)
        return ChartOutput(maps)

    def kernel(
        self, name: str, box_weights: Mapping[str, Tensor] | None
    ) -> tuple[Tensor, Tensor | None]:
        """Return the kernel, with the axes of its kind of layer, and bias of one map."""
        layer = cast("nn.Conv2d | nn.ConvTranspose2d", self.map_layers[name])
        return layer.weight, layer.bias


class MapReader(nn.Module):
    """Features and joint kernels -> enlarged maps: what of a predictor no weight decides.

    A module of its own, without parameters, for engine/compiled_parts.py to compile.

    Args:
        layers: Kind of the layers.
    """

    def __init__(self, layers: MapLayers) -> None:
        super().__init__()
        self.layers = layers

    def forward(
        self, x: Tensor, weight: Tensor, bias: Tensor, counts: list[int], factors: list[int]
    ) -> tuple[Tensor, ...]:
        """Read maps of `counts` channels each from features (N, C, h, w), enlarged by `factors`."""
        maps = self.layers.run(x, weight, bias).split(counts, dim=1)
        return tuple(map(_enlarged, maps, factors))


def _enlarged(maps: Tensor, factor: int) -> Tensor:
    if factor == 1:
        return maps
    return F.interpolate(maps, scale_factor=factor, mode="bilinear", align_corners=False)


def _is_asked(name: str, fields: Collection[str]) -> bool:
    """Whether a map is asked for, or changes one that is."""
    return name in fields or any(other in fields for other in declared_map(name).changes)


def _channels_of(maps: Mapping[str, int] | Sequence[str]) -> dict[str, int]:
    """Return the channels of maps that are given by name or with their channels."""
    if isinstance(maps, Mapping):
        return dict(maps)
    return {name: declared_map(name).channels for name in maps}
