import pytest
import torch

from mmktn.models.postprocess.chart_decoder import ChartDecoder
from mmktn.models.postprocess.map_averaging import average_views, turn_back
from mmktn.structures import ChartOutput
from mmktn.structures.crop_grid import crop_matrix, upright_box

BOXES = torch.tensor([[0.0, 0, 21, 17], [3, 2, 30, 40]])


def maps(seed, **more):
    generator = torch.Generator().manual_seed(seed)

    def rand(channels):
        return 3 * torch.randn(2, channels, 6, 6, generator=generator)

    return ChartOutput(fine_segm=rand(25), u=rand(25), v=rand(25), coarse_segm=rand(2), **more)


def test_one_view_decodes_as_it_does_alone():
    for threshold in (0.5, 0.3):
        decoder = ChartDecoder(mask_threshold=threshold)
        plain = decoder.decode(maps(0), BOXES)
        averaged = decoder.decode(average_views([maps(0)]), BOXES)
        for a, b in zip(plain, averaged, strict=True):
            # Log-probabilities are logits up to a number of each cell: the same argmax.
            assert torch.equal(a.labels, b.labels)
            torch.testing.assert_close(a.uv, b.uv, rtol=0, atol=0)


def test_segmentations_are_averaged_as_probabilities():
    first, second = maps(0), maps(1)
    mean = average_views([first, second])
    expected = (first["fine_segm"].softmax(1) + second["fine_segm"].softmax(1)) / 2
    torch.testing.assert_close(mean["fine_segm"].exp(), expected)
    torch.testing.assert_close(mean["coarse_segm"].exp().sum(1), torch.ones(2, 6, 6))
    torch.testing.assert_close(mean["u"], (first["u"] + second["u"]) / 2)


def test_a_loud_view_does_not_outvote_two_others():
    def view(chart, size):
        segm = torch.zeros(1, 25, 2, 2)
        segm[:, chart] = size
        blank = torch.zeros(1, 25, 2, 2)
        return ChartOutput(fine_segm=segm, u=blank, v=blank)

    mean = average_views([view(3, 100.0), view(7, 8.0), view(7, 8.0)])
    assert (mean["fine_segm"].argmax(1) == 7).all()


def test_keypoints_are_averaged_as_distributions_over_the_map():
    views = [maps(k, keypoint_heatmaps=torch.randn(2, 17, 5, 4)) for k in range(2)]
    mean = average_views(views)["keypoint_heatmaps"]
    torch.testing.assert_close(mean.exp().sum((2, 3)), torch.ones(2, 17))


def test_views_have_to_fit():
    with pytest.raises(ValueError, match="at least one"):
        average_views([])
    with pytest.raises(ValueError, match="different maps"):
        average_views([maps(0), maps(1, body_mask=torch.zeros(2, 2, 6, 6))])


def test_uv_can_be_weighted_with_the_probability_of_their_chart():
    views = [maps(0), maps(1)]
    found = average_views(views, uv_by_chart=True)
    p, q = (view["fine_segm"].softmax(dim=1) for view in views)
    torch.testing.assert_close(found["u"], (p * views[0]["u"] + q * views[1]["u"]) / (p + q))
    torch.testing.assert_close(found["fine_segm"].exp(), (p + q) / 2)


def test_weights_of_one_view_or_of_equal_views_change_nothing():
    plain = average_views([maps(0)])
    for views in ([maps(0)], [maps(0)] * 3):
        found = average_views(views, uv_by_chart=True)
        torch.testing.assert_close(found["u"], plain["u"])
        torch.testing.assert_close(found["v"], plain["v"])


def test_charts_that_no_view_believes_in_stay_finite():
    sure = maps(0)
    sure["fine_segm"].fill_(-1e5)[:, 3] = 1e5
    assert average_views([sure, sure], uv_by_chart=True)["u"].isfinite().all()


def cells(boxes, size):
    """(N, size, size, 2) middles of the cells of boxes, in pixels."""
    shares = (torch.arange(size, dtype=torch.float64) + 0.5) / size
    grid = torch.stack(torch.meshgrid(shares, shares, indexing="xy"), dim=-1)
    boxes = boxes.double()[:, None, None]
    return boxes[..., :2] + grid * (boxes[..., 2:] - boxes[..., :2])


@pytest.mark.parametrize("angle", [0.0, 15.0, -40.0, 90.0, 180.0, 271.5])
def test_ramps_of_a_turned_picture_are_turned_back_exactly(angle):
    """A map that is linear in the pixels is read without error, on the outermost cells too."""
    boxes = torch.tensor([[3.0, 5.0, 23.0, 65.0], [40.0, 10.0, 70.0, 22.5]])
    matrix = crop_matrix((50, 40), (120, 120), size_wh=(120, 120), rotation=angle)
    turned = upright_box(boxes, matrix)
    upright = (cells(turned, 28) - matrix[:, 2]) @ torch.linalg.inv(matrix[:, :2]).T
    shown = torch.stack((upright[..., 0], upright[..., 1], torch.full_like(upright[..., 0], 7)), 1)
    found = turn_back(ChartOutput(any_map=shown.float()), boxes, turned, matrix)["any_map"]
    wanted = cells(boxes, 28)
    for channel, values in enumerate((wanted[..., 0], wanted[..., 1])):
        torch.testing.assert_close(found[:, channel].double(), values, rtol=0, atol=2e-4)
    torch.testing.assert_close(found[:, 2], torch.full((2, 28, 28), 7.0))


def test_a_turn_by_nothing_gives_the_maps_themselves_and_a_half_turn_reverses_them():
    boxes = torch.tensor([[2.0, 3.0, 10.0, 31.0], [0.0, 0.0, 5.0, 5.0]])
    for angle, reversed_axes in ((0.0, ()), (180.0, (2, 3))):
        matrix = crop_matrix((20, 20), (40, 40), size_wh=(40, 40), rotation=angle)
        found = turn_back(maps(0), boxes, upright_box(boxes, matrix), matrix)
        for name, values in maps(0).items():
            expected = values.flip(reversed_axes) if reversed_axes else values
            torch.testing.assert_close(found[name], expected, rtol=0, atol=1e-4)


def test_maps_of_no_boxes_are_turned_back():
    boxes = torch.zeros(0, 4)
    matrix = crop_matrix((20, 20), (40, 40), size_wh=(40, 40), rotation=30)
    found = turn_back(maps(0)[:0], boxes, upright_box(boxes, matrix), matrix)
    assert found["u"].shape == (0, 25, 6, 6)


def embedding(seed, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    return ChartOutput(embedding=scale * torch.randn(1, 4, 3, 3, generator=generator))


def test_embeddings_are_averaged_as_directions():
    quiet, loud = embedding(0), embedding(1, scale=1000.0)
    found = average_views([quiet, loud])["embedding"]
    directions = [v["embedding"] / v["embedding"].norm(dim=1, keepdim=True) for v in (quiet, loud)]
    expected = sum(directions)
    expected = expected / expected.norm(dim=1, keepdim=True)
    torch.testing.assert_close(found / found.norm(dim=1, keepdim=True), expected)


def test_one_embedding_or_equal_ones_stay_as_they_are():
    for views in ([embedding(0)], [embedding(0)] * 3):
        torch.testing.assert_close(average_views(views)["embedding"], embedding(0)["embedding"])
