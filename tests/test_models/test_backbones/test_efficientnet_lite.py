import pytest
import torch

from mmktn.models.backbones import EfficientNetLite
from mmktn.models.backbones.efficientnet_lite_weights import convert_efficientnet_lite
from mmktn.registry import MODELS
from tests.test_models.test_backbones.released_efficientnet import released_weights, stage_maps


@pytest.fixture(scope="module")
def released():
    return released_weights()


@pytest.mark.parametrize("size", [(64, 96), (37, 51)])
def test_converted_weights_give_the_maps_of_the_released_network(released, size):
    arch, weights = convert_efficientnet_lite(released)
    assert arch == "lite0"
    # Random weights amplify rounding from stage to stage, so both sides count in float64.
    network = EfficientNetLite(out_indices=range(7)).eval().double()
    network.load_state_dict(weights)
    image = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(1)).double()
    released = {name: value.double() for name, value in released.items()}
    with torch.no_grad():
        for ours, plain in zip(network(image), stage_maps(released, image), strict=True):
            torch.testing.assert_close(ours, plain, rtol=1e-8, atol=1e-8)


def test_maps_have_the_strides_and_widths_that_a_pyramid_needs():
    network = MODELS.build({"type": "mmktn.EfficientNetLite"})
    with torch.no_grad():
        maps = network(torch.rand(1, 3, 64, 128))
    assert network.out_channels == [24, 40, 112, 320]
    assert [m.shape[1:] for m in maps] == [
        (24, 16, 32),
        (40, 8, 16),
        (112, 4, 8),
        (320, 2, 4),
    ]
    # Nothing behind the last map is built.
    assert len(EfficientNetLite(out_indices=(1, 2)).stages) == 3


# Parameters with the classifier, in millions, as the authors list them.
@pytest.mark.parametrize(
    ("arch", "millions"),
    [("lite0", 4.7), ("lite1", 5.4), ("lite2", 6.1), ("lite3", 8.2), ("lite4", 13.0)],
)
def test_family_has_the_published_numbers_of_parameters(arch, millions):
    with torch.device("meta"):
        network = EfficientNetLite(arch, out_indices=(6,))
    features = sum(p.numel() for p in network.parameters())
    head = 1280 * network.out_channels[-1] + 2 * 1280 + 1281 * 1000
    assert round((features + head) / 1e6, 1) == pytest.approx(millions, abs=0.11)


def test_frozen_stages_get_no_gradient_and_keep_their_statistics():
    network = EfficientNetLite(out_indices=(2,), frozen_stages=2).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network(torch.randn(2, 3, 32, 32))[0].sum().backward()
    frozen = ("stem.", "stages.0.", "stages.1.")
    for name, parameter in network.named_parameters():
        assert (parameter.grad is None) == name.startswith(frozen), name
    for name, value in network.state_dict().items():
        if "running_" in name:
            assert torch.equal(value, before[name]) == name.startswith(frozen), name


def test_norm_eval_keeps_all_statistics_and_trains_their_gains():
    network = EfficientNetLite(out_indices=(1,), norm_eval=True).train()
    before = {name: value.clone() for name, value in network.named_buffers()}
    network(torch.randn(2, 3, 32, 32))[0].sum().backward()
    assert all(torch.equal(value, before[name]) for name, value in network.named_buffers())
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"arch": "lite9"}, "'lite9'.*lite0, lite1"),
        ({"out_indices": (1, 7)}, r"out_indices \(1, 7\)"),
        ({"out_indices": ()}, "out_indices"),
        ({"frozen_stages": 8}, "frozen_stages 8"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        EfficientNetLite(**arguments)


def without(weights, name):
    return {key: value for key, value in weights.items() if key != name}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: without(w, "_bn0.bias"), "stem.1.bias"),
        (lambda w: w | {"_blocks.3._se_reduce.weight": torch.zeros(1)}, "_se_reduce"),
        (lambda w: w | {"_blocks.3._bn1.bias": torch.zeros(7)}, r"stages.2.0.*\(7,\).*\(144,\)"),
        (lambda w: {k: v for k, v in w.items() if "_blocks.15" not in k}, "15 blocks"),
        (lambda w: {"features.0.weight": torch.zeros(1)}, "0 blocks"),
    ],
)
def test_weights_of_another_network_are_refused(released, change, message):
    with pytest.raises(ValueError, match=message):
        convert_efficientnet_lite(change(released))
