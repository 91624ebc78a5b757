"""All losses of the dense-pose branch with their weights."""

from collections.abc import Mapping

from torch import Tensor, nn

from mmktn.models.losses.loss_context import LossContext
from mmktn.models.losses.reductions import process_shares
from mmktn.models.targets import ChartTargets, DenseCells, find_dense_cells
from mmktn.registry import MODELS
from mmktn.structures import ChartOutput, declared_map


@MODELS.register_module()
class ChartLoss(nn.Module):
    """Weighted sum of the losses that the predicted maps declare (`mmktn.models.maps`).

    U and V are sums over the points of a GPU (see `chart_coordinate_loss`). Their weight is quoted
    for `uv_reference_images` images per GPU (2 in detectron2, 4 in KTN); if given, the losses are
    scaled by reference / actual number of images, so that the weight keeps its meaning with another
    batch size. None: the plain sum, as in the official code.

    Persons with labels of a teacher (`DensePoseAnnotation.dense_labels`) train the classifier at
    every labelled cell, U and V at `dense_uv_points` of them drawn anew each time, so that the sum
    keeps its scale; annotated points win over labels in the same cell. Large charts have most
    cells. With `dense_points_per_chart` all three learn instead from that many cells of each chart,
    drawn anew each time: spread over the charts as annotated points are.

    Args:
        weights: Map -> weight of its loss, where it is not the declared one (I 1, U and V 0.01, S
            and M 5, keypoints 0.1; `sigma_2`, whose loss takes the place of those of U and V,
            0.0005).
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
        coarse_from_masks: Learn S from the instance masks of the persons (RoI by RoI, all of them)
            in place of dp_masks; `mmdet.LoadAnnotations(with_mask=True)` has to load them.
        masks_alone: With `coarse_from_masks`, learn from masks also in a batch in which nobody has
            points; the official code does not.
        coarse_needs_all: Learn S only from batches in which every person with points has a coarse
            map, as the official code does; else from those that have one.

    Raises:
        ValueError: `uv_reduction` is neither, or is 'mean' with `uv_reference_images`; or a weight
            of a map that is not declared.

    Reference:
        Defaults: DensePose R-CNN in detectron2; KTN v2: S 2.0, M 5.0, keypoints 0.1; legacy: S 2.0,
        I 0.3, U and V 0.1.
    """

    def __init__(
        self,
        weights: Mapping[str, float] | None = None,
        *,
        uv_reference_images: int | None = None,
        half_pixel: bool = False,
        sync_normalizers: bool = False,
        uv_reduction: str = "sum",
        dense_uv_points: int = 196,
        dense_points_per_chart: int | None = None,
        dense_min_confidence: float = 0.0,
        coarse_from_masks: bool = False,
        masks_alone: bool = False,
        coarse_needs_all: bool = False,
    ) -> None:
        super().__init__()
        if uv_reduction not in ("sum", "mean"):
            raise ValueError(f"uv_reduction must be 'sum' or 'mean', got {uv_reduction!r}")
        if uv_reduction == "mean" and uv_reference_images is not None:
            raise ValueError("uv_reference_images scales sums; leave it out with uv_reduction mean")
        self.weights = {declared_map(name).name: value for name, value in (weights or {}).items()}
        self.uv_reference_images = uv_reference_images
        self.half_pixel = half_pixel
        self.sync_normalizers = sync_normalizers
        self.uv_reduction = uv_reduction
        self.dense_uv_points = dense_uv_points
        self.dense_points_per_chart = dense_points_per_chart
        self.dense_min_confidence = dense_min_confidence
        self.coarse_from_masks = coarse_from_masks
        self.masks_alone = masks_alone
        self.coarse_needs_all = coarse_needs_all
        if masks_alone and not coarse_from_masks:
            raise ValueError("masks_alone goes with coarse_from_masks")

    def weight(self, name: str) -> float:
        """Weight of the loss of a map."""
        return self.weights.get(name, declared_map(name).weight)

    def forward(
        self, output: ChartOutput, targets: ChartTargets, *, num_images: int | None = None
    ) -> dict[str, Tensor]:
        """Compute the losses.

        Args:
            output: Maps of N RoIs.
            targets: Targets of the same RoIs.
            num_images: Images on this GPU; needed with `uv_reference_images`.

        Returns:
            The losses of the maps that declare one, under their names (`loss_fine_segm`, `loss_u`,
            ...), but for those that another map replaces. Each is connected to its map even if
            there is nothing to learn.

        Raises:
            ValueError: Numbers of RoIs differ, or `num_images` is missing.
        """
        if len(output) != len(targets):
            raise ValueError(f"{len(output)} RoIs predicted, targets for {len(targets)}")
        cells, uv_cells = self._dense_cells(output, targets)
        context = LossContext(
            targets,
            half_pixel=self.half_pixel,
            uv_reduction=self.uv_reduction,
            uv_reference_images=self.uv_reference_images,
            num_images=num_images,
            cells=cells,
            uv_cells=uv_cells,
            coarse_from_masks=self.coarse_from_masks,
            masks_alone=self.masks_alone,
            coarse_needs_all=self.coarse_needs_all,
        )
        kinds = [declared_map(name) for name in output.names()]
        replaced = {name for kind in kinds for name in kind.replaces}
        learned = [kind for kind in kinds if kind.loss_name and kind.name not in replaced]
        maps = output.as_dict()
        shares = [1.0] * len(learned)
        if self.sync_normalizers:
            counts = [item.label_count(maps, context) for item in learned]
            shares = process_shares(counts, targets.rois_xyxy.device)
        return {
            item.loss_name: self.weight(item.name)
            * item.loss_scale(context, share)
            * item.loss(maps, context)
            for item, share in zip(learned, shares, strict=True)
        }

    def _dense_cells(
        self, output: ChartOutput, targets: ChartTargets
    ) -> tuple[DenseCells | None, DenseCells | None]:
        """Return the cells labelled by a teacher that train I, and those that train U and V."""
        if "fine_segm" not in output:
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
