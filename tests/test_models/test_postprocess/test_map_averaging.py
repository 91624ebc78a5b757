import pytest
import torch

from mmktn.models.flip_rules import surface_flip_rules
from mmktn.models.postprocess.chart_decoder import ChartDecoder
from mmktn.models.postprocess.map_averaging import average_views
from mmktn.structures import ChartOutput

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


def test_embeddings_of_mirrored_views_are_left_out():
    rules = surface_flip_rules("human")
    views = [maps(k, embedding=torch.full((2, 16, 6, 6), float(k))) for k in range(3)]
    mean = average_views(views, mirrored=[True, False, False], rules=lambda: rules)
    assert (mean["embedding"] == 1).all()
    with pytest.raises(ValueError, match="'embedding' cannot be turned back"):
        average_views(views[:1], mirrored=[True], rules=lambda: rules)
