"""STIP as a head of mmpose's top-down estimator.

Source: STIP (MM'21), official STIPNet, GPEmbNet (SaT only) and CPResNet. The head is mmpose's
HeatmapHead - its deconvolutions (ResNet only) and its final layer give the initial heat-maps - with
semantic-aware transfer and instance-adaptive parsing behind it. The 1x1 layers of the initial maps
and of the mask run before the bilinear enlargement instead of after it: they commute. An IaP-only
class was never released; see `_enhance`.
"""

from collections.abc import Sequence
from typing import Any

import torch
from mmpose.evaluation.functional import pose_pck_accuracy
from mmpose.models.heads import HeatmapHead
from mmpose.structures import PoseDataSample
from mmpose.utils.tensor_utils import to_numpy
from torch import Tensor, nn

from mmktn.registry import MODELS
from mmktn.stip.auxiliary import AuxiliaryHeads
from mmktn.stip.blocks import ConvBlock, resize_to, upsample
from mmktn.stip.instance_parsing import InstanceParsing, ParsingResult
from mmktn.stip.output import STIPOutput, STIPTargets
from mmktn.stip.semantic_transfer import SemanticTransfer, TransferResult


@MODELS.register_module()
class STIPHead(HeatmapHead):
    """Heat-map head with semantic-aware transfer, instance-adaptive parsing, or both.

    Args:
        in_channels: Width of the last map of the backbone or neck.
        out_channels: Number of keypoints K.
        semantic_transfer: Options of `SemanticTransfer`, or None to leave it out.
        instance_parsing: Options of `InstanceParsing`, or None for an ordinary 1x1 regressor.
        scale: Enlargement of the maps before the heat-maps (UP_SCALE of the official code).
        with_refine: Put a 3x3 block on the enlarged features (HRNet variants only).
        deconv_out_channels: Deconvolutions on the last map (ResNet variant), or None.
        loss: Config of the losses.
        **kwargs: Whatever mmpose's HeatmapHead accepts (`decoder`, `init_cfg`, ...).

    Raises:
        ValueError: If both parts are switched off: that is mmpose's HeatmapHead.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        semantic_transfer: dict | None = None,
        instance_parsing: dict | None = None,
        scale: int = 2,
        with_refine: bool = True,
        deconv_out_channels: Sequence[int] | None = None,
        loss: dict | None = None,
        **kwargs: Any,
    ) -> None:
        if semantic_transfer is None and instance_parsing is None:
            raise ValueError(
                "STIPHead needs semantic_transfer, instance_parsing or both; for neither use "
                "mmpose.HeatmapHead"
            )
        if deconv_out_channels:
            kwargs.setdefault("deconv_kernel_sizes", (4,) * len(deconv_out_channels))
        super().__init__(
            in_channels,
            out_channels,
            deconv_out_channels=deconv_out_channels,
            loss=loss or {"type": "mmktn.STIPLoss"},
            **kwargs,
        )
        channels = deconv_out_channels[-1] if deconv_out_channels else in_channels
        self.scale = scale
        self.semantic_transfer: SemanticTransfer | None = None
        self.instance_parsing: InstanceParsing | None = None
        self.regressor: nn.Module = nn.Identity()
        if semantic_transfer is not None:
            self.semantic_transfer = SemanticTransfer(channels, out_channels, **semantic_transfer)
        if instance_parsing is not None:
            self.instance_parsing = InstanceParsing(
                channels, out_channels, scale=scale, **instance_parsing
            )
        else:
            self.regressor = nn.Conv2d(channels, out_channels, 1)
        self.refine = ConvBlock(channels, channels, kernel_size=3) if with_refine else nn.Identity()
        self.auxiliary = AuxiliaryHeads(channels, out_channels, scale=scale)
        self.to(memory_format=torch.channels_last)

    @property
    def default_init_cfg(self) -> list[dict]:
        """Normal of deviation 0.001 for all weights, 1 and 0 for batch norms (official)."""
        layers = ["Conv2d", "ConvTranspose2d", "Linear"]
        return [
            {"type": "Normal", "layer": layers, "std": 0.001},
            {"type": "Constant", "layer": ["BatchNorm1d", "BatchNorm2d"], "val": 1},
        ]

    def forward(self, feats: Sequence[Tensor]) -> Tensor:
        """Predict the final heat-maps; nothing that only training needs is computed.

        Args:
            feats: Maps of the backbone or neck.

        Returns:
            Heat-maps ``(B, K, h, w)``.
        """
        features, initial = self._initial_maps(feats)
        transfer, enhanced = self._enhance(features, feats[-1], initial)
        if self.instance_parsing is not None:
            return self.instance_parsing(self._parsing_source(features, transfer), enhanced)
        return self.regressor(enhanced)

    def forward_maps(self, feats: Sequence[Tensor]) -> STIPOutput:
        """Compute all maps, as training and the pictures need them.

        Args:
            feats: Maps of the backbone or neck.

        Returns:
            Every output of the official network.
        """
        features, initial = self._initial_maps(feats)
        transfer, enhanced = self._enhance(features, feats[-1], initial)
        if self.instance_parsing is None:
            final = self.regressor(enhanced)
            # The official SaT-only class logs the energy of its maps in this place.
            energy = final.detach().float().square().mean((1, 2, 3))
            parsed = ParsingResult(final, kernel_energy=energy)
        else:
            parsed = self.instance_parsing.parse(self._parsing_source(features, transfer), enhanced)
        early = resize_to(feats[0], features)
        middle = resize_to(feats[1], features)
        return STIPOutput(
            final=parsed.heatmaps,
            initial=initial,
            kernel=parsed.kernel_map,
            kernel_energy=parsed.kernel_energy,
            spatial=self.auxiliary.spatial_heatmaps(middle),
            mask_logits=self.auxiliary.mask_logits(early),
            **({} if transfer is None else self._inner_maps(transfer)),
        )

    def loss(
        self,
        feats: Sequence[Tensor],
        batch_data_samples: list[PoseDataSample],
        train_cfg: dict | None = None,
    ) -> dict[str, Tensor]:
        """Compute all losses of a training batch.

        Args:
            feats: Maps of the backbone or neck.
            batch_data_samples: Samples with `gt_fields.heatmaps`, `gt_fields.person_mask`,
                `gt_instance_labels.keypoint_weights` and `.keypoint_presence`.
            train_cfg: ``compute_acc=False`` leaves out the accuracy.

        Returns:
            The terms of the loss module, ``kernel_energy`` and ``acc_pose``.
        """
        output = self.forward_maps(feats)
        targets = self._collect_targets(batch_data_samples, output.final)
        losses = self.loss_module(output, targets)
        losses["kernel_energy"] = output.kernel_energy.mean()
        if (train_cfg or {}).get("compute_acc", True):
            accuracy = pose_pck_accuracy(
                output=to_numpy(output.final.float()),
                target=to_numpy(targets.heatmaps),
                mask=to_numpy(targets.keypoint_weights) > 0,
            )[1]
            losses["acc_pose"] = targets.heatmaps.new_tensor(accuracy)
        return losses

    def predict(
        self,
        feats: Sequence[Tensor] | list[Sequence[Tensor]],
        batch_data_samples: list[PoseDataSample],
        test_cfg: dict | None = None,
    ) -> Any:
        """Decode the final heat-maps, as mmpose's HeatmapHead does (flip test included).

        With semantic-aware transfer the instances also get ``keypoint_presence`` ``(1, K)`` in
        [0, 1], the classifier's answer which keypoints the crop shows, averaged over both views
        of a flip test. The keypoints and their scores do not depend on it.

        Args:
            feats: Maps of the backbone or neck; a list of two with a flip test.
            batch_data_samples: Samples of the crops.
            test_cfg: As in mmpose: ``flip_test``, ``shift_heatmap``, ``output_heatmaps``.

        Returns:
            Instances a crop, and with ``output_heatmaps`` also the heat-maps.

        Raises:
            ValueError: If the dataset has another number of keypoints than this head.
        """
        test_cfg = test_cfg or {}
        flip_indices = batch_data_samples[0].metainfo.get("flip_indices")
        if flip_indices is not None:
            self._check_keypoints(len(flip_indices), batch_data_samples[0])
        found = super().predict(feats, batch_data_samples, test_cfg=test_cfg)
        if self.semantic_transfer is not None:
            flipped = test_cfg.get("flip_test", False)
            wholes: list[Any] = [view[-1] for view in feats] if flipped else [feats[-1]]
            presence = self.semantic_transfer.presence(wholes[0])
            if flipped:
                mirrored = self.semantic_transfer.presence(wholes[1])
                presence = (presence + mirrored[:, flip_indices]) / 2
            instances = found[0] if isinstance(found, tuple) else found
            for instance, row in zip(instances, to_numpy(presence), strict=True):
                instance.keypoint_presence = row[None]
        return found

    def _initial_maps(self, feats: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        features = self.conv_layers(self.deconv_layers(feats[-1]))  # (B, D, h, w)
        return features, upsample(self.final_layer(features), self.scale)

    def _enhance(
        self, features: Tensor, whole: Tensor, initial: Tensor
    ) -> tuple[TransferResult | None, Tensor]:
        """Enrich and enlarge the features; without transfer they are only enlarged and refined."""
        if self.semantic_transfer is None:
            return None, self.refine(upsample(features, self.scale))
        transfer = self.semantic_transfer(features, whole, initial)
        return transfer, self.refine(upsample(transfer.features, self.scale))

    @staticmethod
    def _inner_maps(transfer: TransferResult) -> dict[str, Tensor | None]:
        names = ("context", "semantics_logits", "graph", "transfer_matrix")
        return {name: getattr(transfer, name) for name in names}

    @staticmethod
    def _parsing_source(features: Tensor, transfer: TransferResult | None) -> Tensor:
        """Choose what kernels depend on: the semantic map where there is one, else the features."""
        return features if transfer is None else transfer.semantic_map

    def _collect_targets(self, samples: list[PoseDataSample], maps: Tensor) -> STIPTargets:
        fields = [sample.gt_fields for sample in samples]
        labels = [sample.gt_instance_labels for sample in samples]
        heatmaps = torch.stack([field.heatmaps for field in fields])
        self._check_keypoints(heatmaps.shape[1], samples[0])
        if heatmaps.shape[-2:] != maps.shape[-2:]:
            raise ValueError(
                f"target heat-maps are {tuple(heatmaps.shape[-2:])} (h, w) but the network gives "
                f"{tuple(maps.shape[-2:])}; set the codec's heatmap_size to "
                f"{tuple(maps.shape[:-3:-1])} (w, h)"
            )
        if "person_mask" not in fields[0] or "keypoint_presence" not in labels[0]:
            raise ValueError(
                "samples lack person_mask or keypoint_presence; put mmktn.SemanticTargets after "
                "GenerateTarget in the training pipeline"
            )
        spatial = None
        if "spatial_heatmaps" in fields[0]:
            spatial = torch.stack([field.spatial_heatmaps for field in fields])
        return STIPTargets(
            heatmaps=heatmaps,
            keypoint_weights=torch.cat([label.keypoint_weights for label in labels]),
            person_mask=torch.stack([field.person_mask for field in fields]),
            keypoint_presence=torch.cat([label.keypoint_presence for label in labels]),
            spatial_heatmaps=spatial,
        )

    def _check_keypoints(self, found: int, sample: PoseDataSample) -> None:
        if found != self.out_channels:
            name = sample.metainfo.get("dataset_name", "the dataset")
            raise ValueError(
                f"{name} has {found} keypoints but the head has out_channels={self.out_channels}; "
                "use the config of that dataset or set model.head.out_channels"
            )
