"""All losses of the dense-pose branch with their weights (methods 1.4 and 8.5)."""

from torch import Tensor, nn

from mmktn.models.losses.keypoint_map_loss import keypoint_map_loss
from mmktn.models.losses.reductions import process_shares
from mmktn.models.losses.segm_losses import coarse_segm_loss, fine_segm_loss
from mmktn.models.losses.uv_loss import chart_coordinate_loss
from mmktn.models.targets import ChartTargets, DenseCells, find_dense_cells
from mmktn.registry import MODELS
from mmktn.structures import ChartOutput


@MODELS.register_module()
class ChartLoss(nn.Module):
    """Weighted losses of every map that is predicted.

    U and V are sums over the points of a GPU (see `chart_coordinate_loss`). Their weight is quoted
    for `uv_reference_images` images per GPU (2 in detectron2, 4 in KTN); if given, the losses are
    scaled by reference / actual number of images, so that the weight keeps its meaning with another
    batch size. None: the plain sum, as in the official code.

    Persons with dense labels of a teacher (`DensePoseAnnotation.dense_map`) train the classifier at
    every labelled cell, U and V at `dense_uv_points` of them drawn anew each time, so that the sum
    keeps its scale (methods 4.2); annotated points win over labels in the same cell. Large charts
    have most cells. With `dense_points_per_chart` all three learn instead from that many cells of
    each chart, drawn anew each time: spread over the charts as annotated points are.

    Args:
        weight_fine_segm: Weight of the chart classification I.
        weight_uv: Weight of U and of V.
        weight_coarse_segm: Weight of the coarse map S.
        weight_body_mask: Weight of the body mask M.
        weight_keypoint: Weight of the keypoint heat-maps.
        uv_reference_images: Images per GPU the weight of U and V refers to.
        half_pixel: Read points and coarse maps with cell centres at index + 0.5, as decoding does;
            not what the official code does.
        sync_normalizers: Take the means over the points, RoIs and keypoints of all processes, so
            that a batch gives the same gradient however it is split (U and V: with
            `uv_reference_images`). The official code takes them per process.
        uv_reduction: 'sum', or 'mean' over the points, as in the fully convolutional systems.
        dense_uv_points: Labelled cells of a person that train U and V.
        dense_points_per_chart: Labelled cells of each chart of a person that train I, U and V, in
            place of all cells and of `dense_uv_points`.
        dense_min_confidence: Labels that the teacher is less sure of are not learned.

    Raises:
        ValueError: `uv_reduction` is neither, or is 'mean' with `uv_reference_images`.

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
        uv_reduction: str = "sum",
        dense_uv_points: int = 196,
        dense_points_per_chart: int | None = None,
        dense_min_confidence: float = 0.0,
    ) -> None:
        super().__init__()
        if uv_reduction not in ("sum", "mean"):
            raise ValueError(f"uv_reduction must be 'sum' or 'mean', got {uv_reduction!r}")
        if uv_reduction == "mean" and uv_reference_images is not None:
            raise ValueError("uv_reference_images scales sums; leave it out with uv_reduction mean")
        self.weight_fine_segm = weight_fine_segm
        self.weight_uv = weight_uv
        self.weight_coarse_segm = weight_coarse_segm
        self.weight_body_mask = weight_body_mask
        self.weight_keypoint = weight_keypoint
        self.uv_reference_images = uv_reference_images
        self.half_pixel = half_pixel
        self.sync_normalizers = sync_normalizers
        self.uv_reduction = uv_reduction
        self.dense_uv_points = dense_uv_points
        self.dense_points_per_chart = dense_points_per_chart
        self.dense_min_confidence = dense_min_confidence

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
        cells, drawn = self._dense_cells(output, targets)
        points, uv_points, rois, keypoints = self._shares(output, targets, cells, drawn)
        half = self.half_pixel
        losses = {}
        if output.fine_segm is not None:
            loss = fine_segm_loss(output.fine_segm, targets, half_pixel=half, cells=cells)
            losses["loss_fine_segm"] = self.weight_fine_segm * points * loss
        for coordinate, name in enumerate(("u", "v")):
            maps = getattr(output, name)
            if maps is not None:
                loss = chart_coordinate_loss(
                    maps, targets, coordinate=coordinate, half_pixel=half, cells=drawn,
                    reduction=self.uv_reduction,
                )  # fmt: skip
                scale = uv_points if self.uv_reduction == "mean" else self._uv_scale(num_images)
                losses[f"loss_{name}"] = self.weight_uv * scale * loss
        if output.coarse_segm is not None:
            loss = coarse_segm_loss(output.coarse_segm, targets, half_pixel=half)
            losses["loss_coarse_segm"] = self.weight_coarse_segm * rois * loss
        if output.body_mask is not None:
            loss = coarse_segm_loss(output.body_mask, targets, half_pixel=half)
            losses["loss_body_mask"] = self.weight_body_mask * rois * loss
        if output.keypoint_heatmaps is not None:
            loss = keypoint_map_loss(output.keypoint_heatmaps, targets)
            losses["loss_keypoint"] = self.weight_keypoint * keypoints * loss
        return losses

    def _dense_cells(
        self, output: ChartOutput, targets: ChartTargets
    ) -> tuple[DenseCells | None, DenseCells | None]:
        """Cells labelled by a teacher that train I, and those that train U and V."""
        if output.fine_segm is None:
            return None, None
        cells = find_dense_cells(
            targets,
            output.map_hw,
            half_pixel=self.half_pixel,
            min_confidence=self.dense_min_confidence,
        )
        if cells is None:
            return None, None
        if self.dense_points_per_chart is not None:
            cells = cells.draw_from_charts(self.dense_points_per_chart)
            return cells, cells
        return cells, cells.draw(self.dense_uv_points)

    def _shares(
        self,
        output: ChartOutput,
        targets: ChartTargets,
        cells: DenseCells | None,
        drawn: DenseCells | None,
    ) -> list[float]:
        """Factors of the means over points, points with U and V, coarse maps and keypoints."""
        if not self.sync_normalizers:
            return [1.0, 1.0, 1.0, 1.0]
        maps = output.keypoint_heatmaps
        found = None if maps is None else targets.keypoint_cells(maps.shape[-2:])
        counts = [
            len(targets.roi_index) + (0 if cells is None else len(cells)),
            targets.num_surface_points + (0 if drawn is None else len(drawn)),
            len(targets.coarse_index),
            0 if found is None else int(found[1].sum()),
        ]
        return process_shares(counts, targets.rois_xyxy.device)

    def _uv_scale(self, num_images: int | None) -> float:
        if self.uv_reference_images is None:
            return 1.0
        if not num_images:
            raise ValueError("uv_reference_images is set: num_images of this GPU has to be given")
        return self.uv_reference_images / num_images
