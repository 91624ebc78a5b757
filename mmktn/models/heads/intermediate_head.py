"""Dense-pose head with intermediate supervision, for trunks that bring several paths together.

AMA-net: further predictors read sums of paths while training and learn the same targets with a
small weight. At inference they do not run.
"""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from torch import Tensor, nn

from mmktn.models.heads.densepose_head import DensePoseHead
from mmktn.models.layers.multi_path_trunk import DOUBLINGS
from mmktn.registry import MODELS
from mmktn.structures import ChartOutput


class SupervisedOutput(NamedTuple):
    """Maps of N boxes while training.

    Attributes:
        final: What `DensePoseHead.forward` gives.
        intermediate: The same of each intermediate predictor.
    """

    final: ChartOutput
    intermediate: tuple[ChartOutput, ...]

    def __len__(self) -> int:
        return len(self.final)


@MODELS.register_module()
class IntermediateDensePoseHead(DensePoseHead):
    """`DensePoseHead` that also trains predictors on the sums of paths.

    Args:
        *args: As `DensePoseHead`; the trunk has to offer `stages` (`MultiPathTrunk`).
        intermediate_predictor: Config of a predictor, built once for each sum of paths.
        intermediate_weight: Factor of their losses beside the weights of the loss itself.
        **kwargs: As `DensePoseHead`.

    Raises:
        ValueError: The trunk has no `stages`.
    """

    def __init__(
        self,
        *args: Any,
        intermediate_predictor: dict,
        intermediate_weight: float = 0.1,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if not hasattr(self.trunk, "stages"):
            raise ValueError(
                f"{type(self.trunk).__name__} has no `stages` for intermediate supervision; use "
                "MultiPathTrunk, or DensePoseHead without it"
            )
        self.intermediate_predictors = nn.ModuleList(
            MODELS.build(intermediate_predictor) for _ in range(len(DOUBLINGS) // 2)
        )
        self.intermediate_weight = intermediate_weight

    def forward(
        self,
        x: Any,
        box_weights: Mapping[str, Tensor] | None = None,
        *,
        fields: Collection[str] | None = None,
    ) -> Any:
        """Predict; arguments as `DensePoseHead`, with one pooled map a path in `x`.

        Returns:
            `SupervisedOutput` in training mode, otherwise the final `ChartOutput`.
        """
        if not self.training:
            return super().forward(x, box_weights, fields=fields)
        features = self.trunk.stages(x)
        return SupervisedOutput(
            self.predictor(features.fused, box_weights, fields=fields),
            tuple(
                predictor(y)
                for predictor, y in zip(
                    self.intermediate_predictors, features.intermediate, strict=True
                )
            ),
        )

    def loss_by_feat(self, output: Any, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """Compute losses of the final maps, and as `interN.loss_*` those of the intermediate ones.

        Args:
            output: What `forward` gives.
            *args: As `DensePoseHead.loss_by_feat`.
            **kwargs: As `DensePoseHead.loss_by_feat`.
        """
        if not isinstance(output, SupervisedOutput):
            return super().loss_by_feat(output, *args, **kwargs)
        losses = super().loss_by_feat(output.final, *args, **kwargs)
        for index, maps in enumerate(output.intermediate):
            for name, loss in super().loss_by_feat(maps, *args, **kwargs).items():
                losses[f"inter{index}.{name}"] = self.intermediate_weight * loss
        return losses
