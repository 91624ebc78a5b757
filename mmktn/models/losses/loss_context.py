"""What the loss of a map may read beside the maps."""

from __future__ import annotations

from dataclasses import dataclass

from mmktn.models.targets import ChartTargets, DenseCells


@dataclass(frozen=True)
class LossContext:
    """Targets and settings of one loss computation; maps read it in `DenseMap.loss`.

    Attributes:
        targets: Targets of the N RoIs.
        half_pixel: Read points and coarse maps with cell centres at index + 0.5.
        uv_reduction: 'sum' or 'mean' of U and V over the points.
        uv_reference_images: Images per GPU that the weight of U and V refers to; None: no scaling.
        num_images: Images on this GPU, if known.
        cells: Cells labelled by a teacher that train I, or None.
        uv_cells: Those that train U and V, or None.
        coarse_from_masks: Learn S from the masks of persons, `ChartTargets.roi_masks`.
        masks_alone: Do so too where no RoI has points.
        coarse_needs_all: Learn S only where every annotated person has a coarse map.
    """

    targets: ChartTargets
    half_pixel: bool = False
    uv_reduction: str = "sum"
    uv_reference_images: int | None = None
    num_images: int | None = None
    cells: DenseCells | None = None
    uv_cells: DenseCells | None = None
    coarse_from_masks: bool = False
    masks_alone: bool = False
    coarse_needs_all: bool = False

    def sum_scale(self) -> float:
        """Return the factor that keeps the weight of a sum over points at another batch size.

        Raises:
            ValueError: The number of images is needed and not known.
        """
        if self.uv_reference_images is None:
            return 1.0
        if not self.num_images:
            raise ValueError("uv_reference_images is set: num_images of this GPU has to be given")
        return self.uv_reference_images / self.num_images
