"""Chart predictors whose surface classifier a knowledge transfer machine generates (KTN).

Version 1 (ACM MM 2020): from the keypoint classifier. Version 2 (TCSVT 2022): from keypoint, box
and part classifiers. All other maps have plain layers. With `folded=True` both are
ordinary predictors that hold the generated kernel as a weight.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from torch import Tensor

from mmktn.models.predictors.map_predictor import MapPredictor
from mmktn.registry import MODELS
from mmktn.surface.parts import NUM_CHARTS

NUM_BOX_ROWS = 6


@MODELS.register_module()
class KTMv2ChartPredictor(MapPredictor):
    """Surface classifier from keypoint, box and part classifiers.

    Args:
        in_channels: Channels of the trunk.
        coarse_channels: Channels of the coarse map; the source 'part' needs 15.
        with_body_mask: Predict the 2-channel body mask M.
        num_keypoints: Keypoint heat-maps.
        sources: Classifiers to learn from, in the order of the concatenation; a single one gives
            the single-path variants of the ablation.
        box_dim: Length of a row of the box classifier.
        mlp: Perceptron after the relation matrix (off in one ablation, with a single source).
        graph: Arguments of `KnowledgeGraph`, e.g. `dict(relation_source='file', files=...)` or
            `dict(trainable=False)`.
        transformer: Form of the perceptron, see `build_transformer`; `dict(kind='low_rank',
            rank=256)` or `dict(kind='grouped', groups=16)` train with a twentieth of the weights.
        folded: Hold the kernel only; load a folded checkpoint.
        upscale: Bilinear factor after the transposed convolutions.
        keypoint_upscale: The same for keypoint heat-maps; None: as `upscale`.
        extra_maps: As in `MapPredictor`.
        conv_kernel: As in `MapPredictor`.
        init_cfg: As in `mmengine.model.BaseModule`.

    Raises:
        ValueError: A source has no classifier in this predictor.

    Reference:
        210 420 746 parameters for 512 channels.
    """

    def __init__(
        self,
        in_channels: int = 512,
        coarse_channels: int = 15,
        *,
        with_body_mask: bool = True,
        num_keypoints: int = 17,
        sources: Sequence[str] = ("keypoint", "box", "part"),
        box_dim: int = 1024,
        mlp: bool = True,
        graph: Mapping[str, Any] | None = None,
        transformer: Mapping[str, Any] | None = None,
        folded: bool = False,
        upscale: int = 2,
        keypoint_upscale: int | None = None,
        extra_maps: Mapping[str, int] | Sequence[str] = (),
        conv_kernel: int | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            in_channels,
            _plain_channels(coarse_channels, with_body_mask, num_keypoints),
            upscale=upscale,
            keypoint_upscale=keypoint_upscale,
            extra_maps=extra_maps,
            conv_kernel=conv_kernel,
            init_cfg=init_cfg,
        )
        nodes = {"keypoint": num_keypoints, "box": NUM_BOX_ROWS, "part": coarse_channels}
        absent = [source for source in sources if not nodes.get(source)]
        if absent:
            raise ValueError(
                f"sources {absent} have no classifier here (num_keypoints={num_keypoints}, "
                f"coarse_channels={coarse_channels}); sources are among {list(nodes)}"
            )
        # That source is meant to be trained before (engine/keypoint_pretraining_hook.py).
        self.wants_keypoint_pretraining = "keypoint" in sources
        self.map_layers["fine_segm"] = self.layers.generated(
            in_channels,
            {source: nodes[source] for source in sources},
            kernel_size=self.layers.kernel_size,
            box_dim=box_dim,
            folded=folded,
            mlp=mlp,
            graph=graph,
            transformer=transformer,
        )

    def kernel(
        self, name: str, box_weights: Mapping[str, Tensor] | None
    ) -> tuple[Tensor, Tensor | None]:
        """Return the kernel and bias of one map; the surface classifier has no bias.

        Raises:
            ValueError: The sources include 'box' and `box_weights` are missing.
        """
        if name != "fine_segm":
            return super().kernel(name, box_weights)
        return self.map_layers[name](self._source_weights(box_weights)), None

    def fold(self, box_weights: Mapping[str, Tensor] | None = None) -> None:
        """Replace the KTM by its kernel, in place (KTN, TCSVT 2022).

        Args:
            box_weights: `cls` (2, D) and `reg` (4, D) of the box head, where boxes are a source.
        """
        self.map_layers["fine_segm"].fold(self._source_weights(box_weights))

    def _source_weights(
        self, box_weights: Mapping[str, Tensor] | None
    ) -> dict[str, tuple[Tensor, ...]]:
        """Return the weights of every source in use, as their layers store them."""
        layers = {"keypoint": "keypoint_heatmaps", "part": "coarse_segm"}
        return {
            source: _box_pair(box_weights)
            if source == "box"
            else (cast("Tensor", self.map_layers[layers[source]].weight),)
            for source in self.map_layers["fine_segm"].sources
        }


@MODELS.register_module()
class KTMv1ChartPredictor(KTMv2ChartPredictor):
    """Surface classifier from the keypoint classifier, as released for ACM MM 2020.

    Args:
        in_channels: Channels of the trunk.
        coarse_channels: Channels of the coarse map: 2 is the body mask M of the paper; 15 or 0.
        keypoint_upscale: The released code enlarges all maps but the keypoint heat-maps.
        **kwargs: As `KTMv2ChartPredictor`, without `sources` and `box_dim`.
    """

    def __init__(
        self,
        in_channels: int = 512,
        coarse_channels: int = 2,
        *,
        with_body_mask: bool = False,
        keypoint_upscale: int | None = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            in_channels,
            coarse_channels,
            with_body_mask=with_body_mask,
            sources=("keypoint",),
            keypoint_upscale=keypoint_upscale,
            **kwargs,
        )


def _plain_channels(coarse: int, with_body_mask: bool, num_keypoints: int) -> dict[str, int]:
    """Return the channels of the maps that are not generated."""
    return {
        "coarse_segm": coarse,
        "u": NUM_CHARTS + 1,
        "v": NUM_CHARTS + 1,
        "body_mask": 2 if with_body_mask else 0,
        "keypoint_heatmaps": num_keypoints,
    }


def _box_pair(box_weights: Mapping[str, Tensor] | None) -> tuple[Tensor, Tensor]:
    """Return the classifier and regressor, cut off from the box head's gradients.

    Raises:
        ValueError: One is missing.
    """
    missing = [key for key in ("cls", "reg") if box_weights is None or key not in box_weights]
    if box_weights is None or missing:
        raise ValueError(
            f"box_weights lacks {missing}: the KTM source 'box' needs the weights of the box "
            "classifier ('cls') and regressor ('reg'); leave 'box' out of `sources` where there is "
            "no box head"
        )
    return box_weights["cls"].detach(), box_weights["reg"].detach()
