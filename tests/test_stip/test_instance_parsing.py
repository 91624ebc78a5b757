import torch

from mmktn.stip import InstanceParsing
from mmktn.stip.instance_parsing import coordinate_planes
from tests.tool_modules import tool_module

_direct_stip = tool_module("projects/benchmark/direct_stip.py")
direct_regression = _direct_stip.direct_regression
enlarge = _direct_stip.enlarge


def module(**options):
    torch.manual_seed(0)
    return InstanceParsing(4, 3, **options).eval()


def test_convention_first_plane_goes_down_second_goes_right():
    planes = coordinate_planes(torch.zeros(2, 7, 3, 2))
    assert planes.shape == (2, 2, 3, 2)
    assert planes[0, 0].tolist() == [[-1, -1], [0, 0], [1, 1]]
    assert planes[1, 1].tolist() == [[-1, 1], [-1, 1], [-1, 1]]


def test_all_results_equal_stored_kernels():
    parsing, source, features = module(), torch.randn(2, 4, 5, 3), torch.randn(2, 4, 10, 6)
    with torch.no_grad():
        result = parsing.parse(source, features)
        layer = parsing.kernel_generator
        generator = enlarge(parsing.generator_features(source))
        final, kernels = direct_regression(
            generator, features, weight=layer.weight, bias=layer.bias
        )
        # Sums of twenty products in float32.
        torch.testing.assert_close(result.heatmaps, final, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(result.kernel_map, kernels.mean(2), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(result.kernel_energy, kernels.square().mean((1, 2, 3, 4)))
        torch.testing.assert_close(parsing(source, features), result.heatmaps)


def test_coordinates_tell_places_apart_that_features_do_not():
    # 9 x 9 constant features: the middle is out of reach of the zero padding (dilation 2).
    source, features = torch.ones(1, 4, 9, 9), torch.ones(1, 4, 9, 9)
    with torch.no_grad():
        plain = module(scale=1)(source, features)[0, 0]
        located = module(scale=1, with_coords=True)(source, features)[0, 0]
    torch.testing.assert_close(plain[3, 4], plain[5, 4], rtol=1e-6, atol=0)
    torch.testing.assert_close(plain[4, 3], plain[4, 5], rtol=1e-6, atol=0)
    assert abs(located[3, 4] - located[5, 4]) > 1e-3
    assert abs(located[4, 3] - located[4, 5]) > 1e-3
