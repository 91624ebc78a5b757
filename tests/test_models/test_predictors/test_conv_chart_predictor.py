"""Predictors of plain convolutions: sizes, parameters, KTM and folding."""

import pytest
import torch
import torch.nn.functional as F

from mmktn.models.predictors import ChartPredictor, KTMv1ChartPredictor, KTMv2ChartPredictor

RANDOM = {"relation_source": "random"}


def ktm(version, **options):
    torch.manual_seed(0)
    defaults = {"graph": RANDOM, "conv_kernel": 1}
    if version == 1:
        return KTMv1ChartPredictor(6, **(defaults | {"keypoint_upscale": None} | options))
    return KTMv2ChartPredictor(6, **(defaults | {"sources": ("keypoint", "part")} | options))


@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize("upscale", [1, 2])
def test_maps_keep_the_size_of_the_features_times_upscale(kernel_size, upscale):
    module = ChartPredictor(
        4, 15, conv_kernel=kernel_size, upscale=upscale, with_body_mask=True, num_keypoints=17
    )
    output = module(torch.rand(2, 4, 8, 6))
    shapes = {name: tuple(maps.shape) for name, maps in output.items()}
    size = (8 * upscale, 6 * upscale)
    assert shapes == {
        "fine_segm": (2, 25, *size),
        "u": (2, 25, *size),
        "v": (2, 25, *size),
        "coarse_segm": (2, 15, *size),
        "body_mask": (2, 2, *size),
        "keypoint_heatmaps": (2, 17, *size),
    }


def test_each_map_is_its_own_convolution():
    torch.manual_seed(0)
    module = ChartPredictor(4, conv_kernel=3, upscale=1)
    x = torch.rand(2, 4, 5, 7)
    output = module(x)
    for name, maps in output.items():
        layer = module.convs[name]
        torch.testing.assert_close(maps, F.conv2d(x, layer.weight, layer.bias, padding=1))


def test_even_kernels_are_an_error():
    with pytest.raises(ValueError, match=r"conv_kernel has to be odd.*got 2"):
        ChartPredictor(4, conv_kernel=2)


@pytest.mark.parametrize(
    ("channels", "kernel_size", "phi"), [(256, 3, 10_621_440), (256, 1, 131_584), (32, 1, 2_112)]
)
def test_parameters_of_the_machine(channels, kernel_size, phi):
    """AMA-net: 1 x 1: two layers C -> C with bias."""
    with torch.device("meta"):
        module = KTMv1ChartPredictor(channels, conv_kernel=kernel_size)
    machine = module.convs["fine_segm"].machine
    assert sum(p.numel() for p in machine.transformer.parameters()) == phi


def test_identity_graph_without_perceptron_equals_the_plain_predictor():
    torch.manual_seed(0)
    plain = ChartPredictor(4, conv_kernel=3, num_keypoints=25)
    torch.nn.init.zeros_(plain.convs["fine_segm"].bias)
    identity = {"relation_source": "matrix", "matrices": {"keypoint": torch.eye(25).tolist()}}
    module = KTMv1ChartPredictor(
        4, conv_kernel=3, keypoint_upscale=None, num_keypoints=25, mlp=False, graph=identity
    )
    state = plain.state_dict()
    state["convs.keypoint_heatmaps.weight"] = state["convs.fine_segm.weight"]
    fine = {name for name in state if name.startswith("convs.fine_segm")}
    module.load_state_dict({k: v for k, v in state.items() if k not in fine}, strict=False)
    x = torch.rand(2, 4, 6, 5)
    expected, output = plain(x), module(x)
    for name in ("fine_segm", "u", "v", "coarse_segm"):
        torch.testing.assert_close(output[name], expected[name])


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("kernel_size", [1, 3])
def test_folding_leaves_the_outputs_alone(version, kernel_size):
    module = ktm(version, conv_kernel=kernel_size)
    x = torch.rand(2, 6, 8, 6)
    before = module(x)
    module.fold()
    after = module(x)
    for (name, a), (other, b) in zip(before.items(), after.items(), strict=True):
        assert name == other
        assert torch.equal(a, b)
    assert module.convs["fine_segm"].machine is None


@pytest.mark.parametrize("version", [1, 2])
def test_folded_state_loads_with_one_switch(version):
    module = ktm(version, conv_kernel=3)
    module.fold()
    other = ktm(version, conv_kernel=3, folded=True)
    other.load_state_dict(module.state_dict())
    x = torch.rand(1, 6, 4, 4)
    assert torch.equal(other(x)["fine_segm"], module(x)["fine_segm"])


@pytest.mark.parametrize("sources", [("keypoint",), ("part",), ("keypoint", "part")])
def test_version_2_learns_from_its_sources_alone(sources):
    module = ktm(2, sources=sources)
    module(torch.rand(1, 6, 4, 4))["fine_segm"].square().sum().backward()
    for source, name in (("keypoint", "keypoint_heatmaps"), ("part", "coarse_segm")):
        assert bool(module.convs[name].weight.grad.any()) == (source in sources)


def test_box_path_is_an_option():
    module = ktm(2, sources=("keypoint", "box", "part"), box_dim=5)
    boxes = {"cls": torch.rand(2, 5), "reg": torch.rand(4, 5)}
    assert module(torch.rand(1, 6, 4, 4), boxes)["fine_segm"].shape == (1, 25, 8, 8)
    with pytest.raises(ValueError, match="leave 'box' out of `sources`"):
        module(torch.rand(1, 6, 4, 4))


def test_kernel_is_made_once_in_eval_mode_and_follows_its_weights():
    module, x = ktm(1).eval(), torch.rand(1, 6, 4, 4)
    calls = []
    module.convs["fine_segm"].machine.graph.register_forward_pre_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        first = module(x)["fine_segm"]
        assert torch.equal(module(x)["fine_segm"], first)
        assert len(calls) == 1
        module.convs["keypoint_heatmaps"].weight.mul_(2)
        assert not torch.equal(module(x)["fine_segm"], first)
    assert len(calls) == 2
