import pytest
import torch
import torch.nn.functional as F

from mmktn.models.predictors import ChartPredictor
from mmktn.registry import MODELS


def predictor(**options):
    torch.manual_seed(0)
    module = ChartPredictor(8, **options)
    for deconv in module.deconvs.values():
        torch.nn.init.normal_(deconv.bias)
    return module.double()


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        ({"coarse_channels": 2}, 630_861),
        ({"coarse_channels": 15}, 737_370),
        ({"coarse_channels": 0}, 3 * 204_825),
        ({"coarse_channels": 0, "num_keypoints": 17}, 3 * 204_825 + 139_281),
        ({"coarse_channels": 15, "with_body_mask": True}, 737_370 + 16_386),
    ],
    ids=str,
)
def test_parameter_counts_of_the_released_code(options, parameters):
    with torch.device("meta"):
        module = ChartPredictor(512, **options)
    assert sum(p.numel() for p in module.parameters()) == parameters


def test_every_map_is_its_own_deconvolution_then_bilinear_x2():
    module = predictor(coarse_channels=15, with_body_mask=True, num_keypoints=17)
    x = torch.rand(2, 8, 5, 7, dtype=torch.float64)
    output = module(x)
    names = [name for name, _ in output.items()]
    assert sorted(names) == sorted(module.field_names)
    for name, maps in output.items():
        low = module.deconvs[name](x)
        expected = F.interpolate(low, scale_factor=2, mode="bilinear", align_corners=False)
        torch.testing.assert_close(maps, expected)


def test_only_requested_maps_are_made():
    module = predictor(coarse_channels=15, with_body_mask=True, num_keypoints=17)
    x = torch.rand(1, 8, 4, 4, dtype=torch.float64)
    output = module(x, fields=("body_mask",))
    assert output.names() == ["body_mask"]
    torch.testing.assert_close(output["body_mask"], module(x)["body_mask"])


def test_keypoints_may_stay_at_the_deconvolution_size():
    output = predictor(num_keypoints=17, keypoint_upscale=1)(torch.rand(1, 8, 7, 7).double())
    assert output["keypoint_heatmaps"].shape == (1, 17, 14, 14)
    assert output["fine_segm"].shape == (1, 25, 28, 28)


def test_no_instance_gives_empty_maps():
    output = predictor()(torch.zeros(0, 8, 7, 7, dtype=torch.float64))
    assert output["fine_segm"].shape == (0, 25, 28, 28)
    assert output["coarse_segm"].shape == (0, 2, 28, 28)


def test_predictor_is_registered():
    module = MODELS.build({"type": "mmktn.ChartPredictor", "in_channels": 4, "coarse_channels": 0})
    assert module.field_names == ("fine_segm", "u", "v")
