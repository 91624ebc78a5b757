"""Dense labels of a person: byte coding, flips, moves with the image."""

import math
import pickle

import numpy as np
import pytest
import torch

from mmktn.structures import (
    DensePoseAnnotation,
    DensePoseAnnotations,
    FlipRules,
    decode_unit_bytes,
    encode_dense_labels,
)
from mmktn.surface import CHART_FLIP, COARSE_FLIP, KEYPOINT_FLIP, load_surface
from tests.fake_annotations import fake_annotation


@pytest.fixture(scope="module")
def rules():
    return FlipRules(CHART_FLIP, COARSE_FLIP, KEYPOINT_FLIP, load_surface("human").symmetry.flip_uv)


def random_dense_labels(seed=0):
    rng = np.random.default_rng(seed)
    charts = rng.integers(0, 25, (256, 256))
    dense = np.stack([charts, *rng.integers(0, 255, (3, 256, 256))]) * (charts > 0)
    return torch.from_numpy(dense.astype(np.uint8))


def person(seed=0, **changes):
    item = fake_annotation(np.random.default_rng(seed), 12)
    item.dense_labels = changes.get("dense_labels", random_dense_labels(seed))
    return item


def test_convention_bytes_are_truncated_and_read_back_as_the_middle():
    charts = torch.tensor([[1, 0]])
    uv = torch.tensor([[[0.5, 0.5]], [[1.0, 0.5]]])
    dense = encode_dense_labels(charts, uv, torch.tensor([[0.999, 0.9]]))
    assert dense[:, 0, 0].tolist() == [1, 127, 255, 254]  # 127.5, 255, 254.7
    assert dense[:, 0, 1].tolist() == [0, 0, 0, 0]  # nothing labelled
    np.testing.assert_allclose(decode_unit_bytes(dense[1:3, 0, 0]), [127.5 / 255, 1.0])


def test_bytes_survive_reading_and_writing():
    values = torch.arange(256, dtype=torch.uint8).repeat(4, 1)
    uv = decode_unit_bytes(values)[:2]
    again = encode_dense_labels(torch.ones(4, 256)[:1], uv[:, None], torch.zeros(1, 256))
    assert torch.equal(again[1, 0], values[0])


def test_flip_by_hand():
    dense = torch.zeros(4, 256, 256, dtype=torch.uint8)
    dense[:, 7, 3] = torch.tensor([3, 51, 102, 200])  # right hand
    dense[:, 8, 0] = torch.tensor([1, 10, 20, 30])  # torso keeps its number
    seen = []

    def flip_uv(charts, u, v):
        seen.append(sorted(set(charts.ravel().tolist())))
        return 1 - u, v / 2

    rules = FlipRules(CHART_FLIP, COARSE_FLIP, KEYPOINT_FLIP, flip_uv)
    flipped = person(dense_labels=dense).flip(rules).dense_labels
    assert flipped[:, 7, 252].tolist() == [4, 203, 51, 200]  # 255 - 51.5, 102.5 / 2
    assert flipped[:, 8, 255].tolist() == [1, 244, 10, 30]
    assert int((flipped[0] > 0).sum()) == 2
    assert [0, 1, 3] in seen  # tables are read with the charts before the swap


def test_flip_twice_is_the_identity(rules):
    item = person()
    back = item.flip(rules).flip(rules)
    # Bytes below 255 are exact: the tables of the human body hold the middles of their cells.
    assert torch.equal(back.dense_labels, item.dense_labels)
    assert not torch.equal(item.flip(rules).dense_labels, item.dense_labels)


def test_flip_needs_tables():
    item = person()
    item.point_xy, item.point_uv = item.point_xy[:0], item.point_uv[:0]
    item.point_charts = item.point_charts[:0]
    with pytest.raises(ValueError, match="dense_labels: cannot be flipped"):
        item.flip(FlipRules(CHART_FLIP, COARSE_FLIP, KEYPOINT_FLIP, None))


def test_wrong_shape_and_invalid_persons_are_refused():
    with pytest.raises(ValueError, match=r"dense_labels: shape \(3, 256, 256\)"):
        DensePoseAnnotation(
            torch.zeros(0, 2), torch.zeros(0).long(), torch.zeros(0, 2),
            dense_labels=torch.zeros(3, 256, 256, dtype=torch.uint8),
        )  # fmt: skip
    with pytest.raises(ValueError, match="neither points nor maps"):
        DensePoseAnnotation(
            torch.zeros(0, 2), torch.zeros(0).long(), torch.zeros(0, 2),
            dense_labels=random_dense_labels(), valid=False,
        )  # fmt: skip


def test_containers_pickle_and_join_it():
    people = DensePoseAnnotations([person(0), person(1)])
    again = pickle.loads(pickle.dumps(DensePoseAnnotations.cat([people, people[:1]])))
    assert torch.equal(again[2].dense_labels, people[0].dense_labels)
    assert people.to("cpu")[1].dense_labels.dtype == torch.uint8


def test_rebase_shifts_cells():
    item = person()
    box = torch.tensor([10.0, 20.0, 266.0, 276.0])  # one pixel a cell
    moved = item.rebase(box, box + torch.tensor([3.0, 5.0, 3.0, 5.0]))
    assert torch.equal(moved.dense_labels[:, :251, :253], item.dense_labels[:, 5:, 3:])
    assert not moved.dense_labels[:, 251:].any()


def test_warp_without_movement_is_rebase():
    item = person()
    boxes = torch.tensor([[10.0, 20.0, 110.0, 90.0], [5.0, 31.0, 99.0, 140.0]])
    rebased, warped = item.rebase(*boxes), item.warp(torch.eye(3), *boxes)
    # float64 against float32 of coordinates near 1.
    torch.testing.assert_close(warped.point_xy, rebased.point_xy, atol=1e-5, rtol=0)
    torch.testing.assert_close(warped.keypoint_xy, rebased.keypoint_xy, atol=1e-5, rtol=0)
    assert torch.equal(warped.dense_labels, rebased.dense_labels)
    assert torch.equal(warped.coarse_map, rebased.coarse_map)


def test_scaling_reads_the_same_cells_as_a_warp_that_hardly_turns():
    item = person()
    boxes = torch.tensor([[10.3, 20.1, 110.7, 90.2], [5.5, 31.4, 99.6, 140.9]], dtype=torch.float64)
    scaled = torch.tensor([[1.31, 0.0, -20.7], [0.0, 0.83, 11.9]], dtype=torch.float64)
    turned = scaled + torch.tensor([[0.0, 1e-13, 0.0], [0.0, 0.0, 0.0]])
    ours, other = item.warp(scaled, *boxes), item.warp(turned, *boxes)
    assert ours.coarse_map.any()
    assert torch.equal(ours.coarse_map, other.coarse_map)
    assert torch.equal(ours.dense_labels, other.dense_labels)


def test_quarter_turn_turns_points_and_cells():
    """x' = W - y, y' = x: the left edge of the box becomes its top, labels stay."""
    item = person()
    item.point_xy = torch.tensor([[0.25, 0.125]]).expand(12, 2)
    box = torch.tensor([0.0, 0.0, 64.0, 64.0])
    matrix = torch.tensor([[0.0, -1.0, 64.0], [1.0, 0.0, 0.0]])
    turned = item.warp(matrix, box, box)
    np.testing.assert_allclose(turned.point_xy[0], [0.875, 0.25], atol=1e-7)
    assert torch.equal(turned.dense_labels, torch.rot90(item.dense_labels, -1, (1, 2)))
    assert torch.equal(turned.coarse_map, torch.rot90(item.coarse_map, -1, (0, 1)))
    assert torch.equal(turned.point_charts, item.point_charts)


def test_points_and_cells_stay_together_under_any_warp():
    """A cell's label must be found again under the moved centre of that cell."""
    item = person()
    cells = torch.tensor([[100, 60], [128, 128], [90, 180]])  # x, y
    for x, y in cells.tolist():
        item.coarse_map[y - 3 : y + 4, x - 3 : x + 4] = 9
    item.point_xy = (cells + 0.5) / 256
    item.point_charts, item.point_uv = item.point_charts[:3], item.point_uv[:3]
    angle = math.radians(20)
    cos, sin = 1.3 * math.cos(angle), 1.3 * math.sin(angle)
    matrix = torch.tensor([[cos, -sin, 30.0], [sin, cos, -12.0]])
    moved = item.warp(
        matrix, torch.tensor([50.0, 40.0, 150.0, 160.0]), torch.tensor([0.0, 20.0, 240.0, 260.0])
    )
    x, y = (moved.point_xy * 256).long().T
    assert ((moved.point_xy > 0) & (moved.point_xy < 1)).all()
    assert moved.coarse_map[y, x].tolist() == [9, 9, 9]


def test_warp_refuses_mirrors():
    box = torch.tensor([0.0, 0.0, 64.0, 64.0])
    with pytest.raises(ValueError, match="mirrors the image or is singular"):
        person().warp(torch.tensor([[-1.0, 0, 64], [0, 1, 0]]), box, box)
