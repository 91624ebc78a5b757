import numpy as np
import pytest
import torch

from mmktn.models.targets import build_chart_targets
from mmktn.structures import DensePoseAnnotation, DensePoseAnnotations
from tests.fake_annotations import fake_annotation


def annotation(points=((0.5, 0.5),), charts=(3,), *, coarse=None, keypoints=None, visible=None):
    n = len(points)
    return DensePoseAnnotation(
        point_xy=torch.tensor(points, dtype=torch.float32).reshape(n, 2),
        point_charts=torch.tensor(charts, dtype=torch.int64),
        point_uv=torch.linspace(0, 1, 2 * n).reshape(n, 2),
        coarse_map=coarse,
        keypoint_xy=keypoints,
        keypoint_visible=visible,
    )


def boxes(*rows):
    return torch.tensor(rows, dtype=torch.float32)


def test_points_travel_from_person_to_roi_by_hand():
    """x = X0 + dp_x W / 256, g = (x - x0) A / w."""
    person, roi = boxes([10, 20, 30, 60]), boxes([8, 20, 33, 70])
    targets = build_chart_targets(roi, person, DensePoseAnnotations([annotation([(0.25, 0.75)])]))
    assert targets.point_xy.tolist() == [[15.0, 50.0]]
    grid = targets.point_grid((100, 50))
    torch.testing.assert_close(grid, torch.tensor([[(15 - 8) * 50 / 25, (50 - 20) * 100 / 50]]))


def test_points_outside_the_roi_are_dropped():
    """0 <= x - x0 < w: the left edge counts, the right edge does not."""
    person = boxes([0, 0, 100, 100])
    roi = boxes([25, 0, 75, 100])
    points = [(0.2, 0.5), (0.25, 0.5), (0.5, 0.5), (0.75, 0.5), (0.5, 1.0)]
    one = annotation(points, charts=(1, 2, 3, 4, 5))
    targets = build_chart_targets(roi, person, DensePoseAnnotations([one]))
    assert targets.point_charts.tolist() == [2, 3]
    assert torch.equal(targets.point_uv, one.point_uv[1:3])


def test_points_know_their_roi():
    person = boxes([0, 0, 10, 10], [0, 0, 10, 10], [0, 0, 10, 10])
    several = DensePoseAnnotations(
        [annotation([(0.1, 0.1)] * 2, (1, 2)), annotation([], ()), annotation([(0.2, 0.2)], (7,))]
    )
    targets = build_chart_targets(person, person, several)
    assert targets.roi_index.tolist() == [0, 0, 2]
    assert targets.point_charts.tolist() == [1, 2, 7]


def test_coarse_map_is_resampled_into_the_roi():
    """Cell i of A takes RoI position i / A; nearest; zero outside the person's box."""
    coarse = torch.zeros(256, 256, dtype=torch.uint8)
    coarse[:, 128:] = 5
    person = boxes([0, 0, 40, 40])
    several = DensePoseAnnotations([annotation(coarse=coarse)] * 2)
    rois = boxes([0, 0, 40, 40], [20, 0, 60, 40])
    target = build_chart_targets(rois, person.expand(2, -1), several).coarse_target((4, 4))
    # Positions 0, 1/4, 1/2, 3/4 of 40 px; half of the person is part 5, then the box ends.
    assert target[0, 0].tolist() == [0, 0, 5, 5]
    assert target[1, 0].tolist() == [5, 5, 5, 0]
    assert target.dtype == torch.int64


def test_rois_without_coarse_map_are_left_out():
    coarse = torch.full((256, 256), 2, dtype=torch.uint8)
    box = boxes([0, 0, 9, 9], [0, 0, 9, 9])
    several = DensePoseAnnotations([annotation(), annotation(coarse=coarse)])
    targets = build_chart_targets(box, box, several)
    assert targets.coarse_index.tolist() == [1]
    assert targets.coarse_target((3, 3)).shape == (1, 3, 3)


def test_keypoints_fall_into_cells():
    """Floor((x - x0) A / w), the right edge into the last cell, v > 0 only."""
    person = boxes([0, 0, 10, 10])
    keypoints = torch.tensor([[0.0, 0.0], [0.55, 0.25], [1.0, 1.0], [1.2, 0.5], [0.5, 0.5]])
    one = annotation(keypoints=keypoints, visible=torch.tensor([2, 1, 2, 2, 0]))
    targets = build_chart_targets(person, person, DensePoseAnnotations([one]))
    cells, valid = targets.keypoint_cells((4, 4))
    assert valid.tolist() == [[True, True, True, False, False]]
    assert cells[0, :3].tolist() == [0, 1 * 4 + 2, 3 * 4 + 3]


def test_persons_without_keypoints_teach_none():
    box = boxes([0, 0, 10, 10], [0, 0, 10, 10])
    known = annotation(keypoints=torch.rand(17, 2), visible=torch.full((17,), 2))
    targets = build_chart_targets(box, box, DensePoseAnnotations([annotation(), known]))
    assert targets.keypoint_cells((8, 8))[1].sum(dim=1).tolist() == [0, 17]
    targets = build_chart_targets(box, box, DensePoseAnnotations([annotation()] * 2))
    assert targets.keypoint_cells((8, 8)) is None


def test_no_roi_gives_empty_targets():
    empty = torch.zeros(0, 4)
    targets = build_chart_targets(empty, empty, DensePoseAnnotations())
    assert len(targets) == 0
    assert targets.point_grid((8, 8)).shape == (0, 2)
    assert targets.coarse_target((8, 8)).shape == (0, 8, 8)
    assert targets.keypoint_cells((8, 8)) is None


def test_lengths_that_differ_are_an_error():
    with pytest.raises(ValueError, match="2 RoIs, 2 boxes, 1 annotations"):
        build_chart_targets(
            torch.zeros(2, 4), torch.zeros(2, 4), DensePoseAnnotations([annotation()])
        )


def test_half_pixel_reads_the_coarse_map_under_the_cell_centres():
    """Cells of 64 grid cells: the centre lies 32 further than the corner, on either axis."""
    annotation = fake_annotation(np.random.default_rng(0))
    box = torch.tensor([[0.0, 0.0, 256.0, 256.0]])
    targets = build_chart_targets(box, box, DensePoseAnnotations([annotation]))
    # grid_sample rounds p * 255, hence the grid cell at p * 256 or the one before it.
    for half, offset in ((False, 0), (True, 32)):
        found = targets.coarse_target((4, 4), half_pixel=half)[0]
        index = torch.round((torch.arange(4) * 64 + offset) / 256 * 255).long()
        assert torch.equal(found, annotation.coarse_map[index][:, index].long())
