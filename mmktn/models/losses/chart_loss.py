"""All losses of the dense-pose branch with their weights (methods 1.4 and 8.5)."""

from torch import Tensor, nn

from mmktn.models.losses.keypoint_map_loss import keypoint_map_loss
from mmktn.models.losses.reductions import process_shares
from mmktn.models.losses.segm_losses import coarse_segm_loss, fine_segm_loss
from mmktn.models.losses.uv_loss import chart_coordinate_loss
from mmktn.models.targets import ChartTargets
from mmktn.registry import MODELS
from mmktn.structures import ChartOutput


@MODELS.register_module()
class ChartLoss(nn.Module):
    """Weighted losses of every map that is predicted.

    U and V are sums over the points of a GPU (see `chart_coordinate_loss`). Their weight is quoted
    for `uv_reference_images` images per GPU (2 in detectron2, 4 in KTN); if given, the losses are
    scaled by reference / actual number of images, so that the weight keeps its meaning with another
    batch size. None: the plain sum, as in the official code.

    Args:
        weight_fine_segm: Weight of the chart classification I.
        weight_uv: Weight of U and of V.
        weight_coarse_segm: Weight of the coarse map S.
        weight_body_mask: Weight of the body mask M.
        weight_keypoint: Weight of the keypoint heat-maps.
        uv_reference_images: Images per GPU the weight of U and V refers to.
        half_pixel: Sample points with cell centres at index + 0.5; not what the official code does.
        sync_normalizers: Take the means over the points, RoIs and keypoints of all processes, so
            that a batch gives the same gradient however it is split (U and V: with
            `uv_reference_images`). The official code takes them per process.

    Reference:
        Defaults: DensePose R-CNN in detectron2 (5.0, 1.0, 0.01); KTN v2: S 2.0, M 5.0, keypoints
            0.1;
        legacy: S 2.0, I 0.3, UV 0.1.
    """

    def __init__(
        self,
        weight_fine_segm: float = 1.0,
        weight_uv: float = 0.01,
        *,
        weight_coarse_segm: float = 5.0,
        weight_body_mask: float = 5.0,
        weight_keypoint: float = 0.1,
        uv_reference_images: int | None = None,
        half_pixel: bool = False,
        sync_normalizers: bool = False,
    ) -> None:
        super().__init__()
        self.weight_fine_segm = weight_fine_segm
        self.weight_uv = weight_uv
        self.weight_coarse_segm = weight_coarse_segm
        self.weight_body_mask = weight_body_mask
        self.weight_keypoint = weight_keypoint
        self.uv_reference_images = uv_reference_images
        self.half_pixel = half_pixel
        self.sync_normalizers = sync_normalizers

    def forward(
        self, output: ChartOutput, targets: ChartTargets, *, num_images: int | None = None
    ) -> dict[str, Tensor]:
        """Compute the losses.

        Args:
            output: Maps of N RoIs.
            targets: Targets of the same RoIs.
            num_images: Images on this GPU; needed with `uv_reference_images`.

        Returns:
            Of `loss_fine_segm`, `loss_u`, `loss_v`, `loss_coarse_segm`, `loss_body_mask` and
            `loss_keypoint` those whose map is predicted. Each is connected to its map even if
            there is nothing to learn.

        Raises:
            ValueError: Numbers of RoIs differ, or `num_images` is missing.
        """
        if len(output) != len(targets):
            raise ValueError(f"{len(output)} RoIs predicted, targets for {len(targets)}")
        points, rois, keypoints = self._shares(output, targets)
        half = self.half_pixel
        losses = {}
        if output.fine_segm is not None:
            loss = fine_segm_loss(output.fine_segm, targets, half_pixel=half)
            losses["loss_fine_segm"] = self.weight_fine_segm * points * loss
        for coordinate, name in enumerate(("u", "v")):
            maps = getattr(output, name)
            if maps is not None:
                loss = chart_coordinate_loss(maps, targets, coordinate=coordinate, half_pixel=half)
                losses[f"loss_{name}"] = self.weight_uv * self._uv_scale(num_images) * loss
        if output.coarse_segm is not None:
            loss = coarse_segm_loss(output.coarse_segm, targets)
            losses["loss_coarse_segm"] = self.weight_coarse_segm * rois * loss
        if output.body_mask is not None:
            loss = coarse_segm_loss(output.body_mask, targets)
            losses["loss_body_mask"] = self.weight_body_mask * rois * loss
        if output.keypoint_heatmaps is not None:
            loss = keypoint_map_loss(output.keypoint_heatmaps, targets)
            losses["loss_keypoint"] = self.weight_keypoint * keypoints * loss
        return losses

    def _shares(self, output: ChartOutput, targets: ChartTargets) -> list[float]:
        """Factors of the means over points, RoIs with a coarse map and keypoints."""
        if not self.sync_normalizers:
            return [1.0, 1.0, 1.0]
        maps = output.keypoint_heatmaps
        cells = None if maps is None else targets.keypoint_cells(maps.shape[-2:])
        keypoints = 0 if cells is None else int(cells[1].sum())
        counts = [len(targets.roi_index), len(targets.coarse_index), keypoints]
        return process_shares(counts, targets.rois_xyxy.device)

    def _uv_scale(self, num_images: int | None) -> float:
        if self.uv_reference_images is None:
            return 1.0
        if not num_images:
            raise ValueError("uv_reference_images is set: num_images of this GPU has to be given")
        return self.uv_reference_images / num_images
