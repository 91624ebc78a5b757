import pytest
import torch
import torch.nn.functional as F

from mmktn.models.targets import sample_maps_at_points


def test_convention_grid_coordinates_are_cell_indices():
    """2 x 3 map by hand: exact at cells, linear between them, constant outside."""
    maps = torch.tensor([[0.0, 1.0, 2.0], [10.0, 11.0, 12.0]])[None, None]
    grid = torch.tensor([[0.0, 0.0], [2.0, 1.0], [0.5, 0.0], [1.25, 0.5], [2.9, 1.9], [-0.5, 0.25]])
    values = sample_maps_at_points(maps, torch.zeros(6, dtype=torch.int64), grid)
    # Hi is clamped to A - 1, and a point beyond the last cell reads that cell.
    # Left of cell 0 the official weights extrapolate: lo = 0, share of hi = g - lo = -0.5.
    expected = torch.tensor([0.0, 12.0, 0.5, 6.25, 12.0, 2.0])
    torch.testing.assert_close(values[:, 0], expected)


def test_equals_grid_sample_between_the_cells():
    torch.manual_seed(0)
    maps = torch.rand(3, 4, 6, 5, dtype=torch.float64)
    roi_index = torch.randint(0, 3, (40,))
    grid = torch.rand(40, 2, dtype=torch.float64) * torch.tensor([4.0, 5.0])
    normalised = grid / torch.tensor([4.0, 5.0]) * 2 - 1
    expected = torch.stack(
        [
            F.grid_sample(maps[i : i + 1], p[None, None, None], align_corners=True)[0, :, 0, 0]
            for i, p in zip(roi_index, normalised, strict=True)
        ]
    )
    torch.testing.assert_close(sample_maps_at_points(maps, roi_index, grid), expected)


def test_equals_the_sum_over_four_corners():
    torch.manual_seed(0)
    maps = torch.rand(1, 1, 4, 4, dtype=torch.float64)
    x, y = 1.3, 2.6
    corners = [(1, 2, 0.7 * 0.4), (2, 2, 0.3 * 0.4), (1, 3, 0.7 * 0.6), (2, 3, 0.3 * 0.6)]
    expected = sum(w * maps[0, 0, row, column] for column, row, w in corners)
    grid = torch.tensor([[x, y]], dtype=torch.float64)
    found = sample_maps_at_points(maps, torch.tensor([0]), grid)
    torch.testing.assert_close(found[0, 0], expected)


def test_reading_one_channel_equals_reading_all():
    torch.manual_seed(0)
    maps = torch.rand(2, 25, 5, 5)
    roi_index, channels = torch.randint(0, 2, (30,)), torch.randint(0, 25, (30,))
    grid = torch.rand(30, 2) * 4
    every = sample_maps_at_points(maps, roi_index, grid)
    one = sample_maps_at_points(maps, roi_index, grid, channels=channels)
    assert torch.equal(one, every[torch.arange(30), channels])


@pytest.mark.parametrize("one_channel", [True, False])
def test_gradcheck_in_float64(one_channel):
    torch.manual_seed(0)
    maps = torch.rand(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    roi_index, grid = torch.tensor([0, 1, 1]), torch.rand(3, 2, dtype=torch.float64) * 3
    channels = torch.tensor([2, 0, 1]) if one_channel else None
    assert torch.autograd.gradcheck(
        lambda m: sample_maps_at_points(m, roi_index, grid, channels=channels), (maps,)
    )


def test_no_point_gives_no_value():
    values = sample_maps_at_points(
        torch.rand(0, 25, 4, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0, 2)
    )
    assert values.shape == (0, 25)
