"""Small targets shared by the tests of this folder."""

import torch

from mmktn.models.targets import ChartTargets, build_chart_targets
from mmktn.structures import DensePoseAnnotation, DensePoseAnnotations


def make_targets(num_rois: int = 2, num_points: int = 5, *, seed: int = 0) -> ChartTargets:
    """Targets of RoIs that equal their persons' boxes, in float64."""
    generator = torch.Generator().manual_seed(seed)

    def rand(*shape):
        return torch.rand(*shape, generator=generator)

    annotations = DensePoseAnnotations(
        DensePoseAnnotation(
            point_xy=0.1 + 0.8 * rand(num_points, 2),
            point_charts=torch.randint(1, 25, (num_points,), generator=generator),
            point_uv=rand(num_points, 2),
            coarse_map=torch.randint(0, 15, (256, 256), generator=generator).to(torch.uint8),
            keypoint_xy=rand(17, 2),
            keypoint_visible=torch.randint(0, 3, (17,), generator=generator),
        )
        for _ in range(num_rois)
    )
    boxes = torch.tensor([[10.0, 20.0, 60.0, 90.0]], dtype=torch.float64).expand(num_rois, -1)
    return build_chart_targets(boxes, boxes, annotations)


def no_targets() -> ChartTargets:
    """Targets of no RoI."""
    return build_chart_targets(torch.zeros(0, 4), torch.zeros(0, 4), DensePoseAnnotations())
