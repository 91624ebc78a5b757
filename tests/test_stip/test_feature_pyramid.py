import torch

from mmktn.stip import STIPFeaturePyramid


def test_coarse_features_reach_the_finest_map_by_nearest_doubling():
    torch.manual_seed(0)
    pyramid = STIPFeaturePyramid((2, 3), 4, num_fine_outputs=1).eval()
    fine, coarse = torch.randn(1, 2, 4, 4), torch.randn(1, 3, 2, 2)
    with torch.no_grad():
        found = pyramid((fine, coarse))
        scale = (1 + 1e-5) ** -0.5  # batch norm as initialised
        lateral = [
            torch.nn.functional.conv2d(x, m.conv.weight) * scale
            for x, m in zip((fine, coarse), pyramid.laterals, strict=True)
        ]
        doubled = lateral[1].repeat_interleave(2, -1).repeat_interleave(2, -2)
        merged = (lateral[0] + doubled).relu()
        layer = pyramid.fine_outputs[0]
        expected = torch.nn.functional.conv2d(merged, layer.weight, layer.bias, padding=1)
        torch.testing.assert_close(found[0], expected, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(found[1], pyramid.coarsest_output(lateral[1]))


def test_widths_and_sizes_of_a_resnet():
    pyramid = STIPFeaturePyramid((8, 16, 32, 64), 4).eval()
    sides = [(16, 12), (8, 6), (4, 3), (2, 2)]  # 3 -> 2: an odd width is met by its own size
    stages = [torch.randn(2, 8 * 2**i, *hw) for i, hw in enumerate(sides)]
    expected = [(2, 4, *sides[i]) for i in (0, 1, 3)]  # the head does not read the third
    assert [tuple(m.shape) for m in pyramid(stages)] == expected
