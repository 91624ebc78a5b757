import pytest
import torch

from mmktn.models.predictors import ChartPredictor, KTMv1ChartPredictor, KTMv2ChartPredictor

RANDOM = {"relation_source": "random"}


def version_2(**options):
    torch.manual_seed(0)
    options.setdefault("graph", RANDOM)
    return KTMv2ChartPredictor(4, box_dim=6, **options)


def box_weights():
    generator = torch.Generator().manual_seed(0)
    return {
        "cls": torch.rand(2, 6, generator=generator, requires_grad=True),
        "reg": torch.rand(4, 6, generator=generator, requires_grad=True),
    }


def test_parameter_count_of_version_2_of_the_released_code():
    with torch.device("meta"):
        module = KTMv2ChartPredictor()
    assert sum(p.numel() for p in module.parameters()) == 210_420_746


def test_parameter_count_of_version_1():
    """Phi, the relations (25 x 17) and the plain maps."""
    with torch.device("meta"):
        module = KTMv1ChartPredictor()
    plain = 2 * 204_825 + 16_386 + 139_281
    assert sum(p.numel() for p in module.parameters()) == 134_234_112 + 25 * 17 + plain


def test_identity_graph_without_perceptron_equals_the_plain_predictor():
    torch.manual_seed(0)
    plain = ChartPredictor(4, num_keypoints=25)
    torch.nn.init.zeros_(plain.deconvs["fine_segm"].bias)
    torch.nn.init.normal_(plain.deconvs["u"].bias)
    identity = {"relation_source": "matrix", "matrices": {"keypoint": torch.eye(25).tolist()}}
    module = KTMv1ChartPredictor(4, num_keypoints=25, mlp=False, graph=identity, keypoint_upscale=2)
    state = plain.state_dict()
    state["deconvs.keypoint_heatmaps.weight"] = state["deconvs.fine_segm.weight"]
    fine = {name for name in state if name.startswith("deconvs.fine_segm")}
    module.load_state_dict({k: v for k, v in state.items() if k not in fine}, strict=False)
    x = torch.rand(2, 4, 6, 6)
    expected, output = plain(x), module(x)
    for name in ("fine_segm", "u", "v", "coarse_segm"):
        torch.testing.assert_close(output[name], expected[name])


@pytest.mark.parametrize("sources", [("keypoint",), ("part",), ("box",), ("keypoint", "part")])
def test_single_paths_learn_from_their_source_alone(sources):
    module = version_2(sources=sources)
    given = box_weights()
    module(torch.rand(1, 4, 4, 4), given)["fine_segm"].square().sum().backward()
    # Every map runs in one convolution, so all weights get a gradient: zeros where not a source.
    for source, name in (("keypoint", "keypoint_heatmaps"), ("part", "coarse_segm")):
        gradient = module.deconvs[name].weight.grad
        assert bool(gradient.any()) == (source in sources)


def test_no_gradient_reaches_the_box_head():
    module, given = version_2(), box_weights()
    module(torch.rand(1, 4, 4, 4), given)["fine_segm"].square().sum().backward()
    assert given["cls"].grad is None
    assert given["reg"].grad is None
    assert module.deconvs["fine_segm"].machine.graph.relations["box"].grad.any()


def test_missing_box_weights_are_named():
    with pytest.raises(ValueError, match=r"box_weights lacks \['cls', 'reg'\]"):
        version_2()(torch.rand(1, 4, 4, 4))
    with pytest.raises(ValueError, match=r"lacks \['reg'\]"):
        version_2()(torch.rand(1, 4, 4, 4), {"cls": torch.zeros(2, 6)})


def test_source_without_classifier_is_an_error():
    with pytest.raises(ValueError, match=r"sources \['keypoint'\].*num_keypoints=0"):
        version_2(num_keypoints=0)
    with pytest.raises(ValueError, match="mask"):
        version_2(sources=("mask",))


def test_version_2_without_a_box_head_needs_no_box_weights():
    output = version_2(sources=("keypoint", "part"))(torch.rand(1, 4, 4, 4))
    assert output["fine_segm"].shape == (1, 25, 16, 16)


def test_heatmaps_of_version_1_stay_at_the_deconvolution_size():
    """56 cells in version 1, 112 in version 2."""
    x = torch.rand(1, 4, 28, 28)
    one = KTMv1ChartPredictor(4, graph=RANDOM)(x)
    two = version_2()(x, box_weights())
    assert one["keypoint_heatmaps"].shape[-1] == 56
    assert two["keypoint_heatmaps"].shape[-1] == 112
    assert one["fine_segm"].shape[-1] == two["fine_segm"].shape[-1] == 112


FORMS = [None, {"kind": "low_rank", "rank": 5}, {"kind": "grouped", "groups": 2}]


@pytest.mark.parametrize("form", FORMS, ids=["full", "low rank", "grouped"])
@pytest.mark.parametrize("version", [1, 2])
def test_folding_leaves_the_outputs_alone(version, form):
    torch.manual_seed(0)
    options = {"graph": RANDOM, "transformer": form}
    module = KTMv1ChartPredictor(4, **options) if version == 1 else version_2(**options)
    given, x = box_weights(), torch.rand(2, 4, 5, 5)
    before = module(x, given)
    module.fold(given)
    after = module(x)
    for (name, a), (other, b) in zip(before.items(), after.items(), strict=True):
        assert name == other
        assert (a - b).abs().max() <= 1e-5 * a.abs().max()


@pytest.mark.parametrize(
    ("form", "parameters"),
    [
        # Plain maps and relations are those of the full form, 210 420 746 - 209 731 584.
        ({"kind": "low_rank", "rank": 256}, 689_162 + 10_764_288),
        ({"kind": "grouped", "groups": 16}, 689_162 + 13_123_584),
    ],
    ids=["low rank", "grouped"],
)
def test_parameter_count_of_the_cheap_forms(form, parameters):
    with torch.device("meta"):
        module = KTMv2ChartPredictor(transformer=form)
    assert sum(p.numel() for p in module.parameters()) == parameters


@pytest.mark.parametrize("version", [1, 2])
def test_folded_state_loads_with_one_switch(version):
    kind = KTMv1ChartPredictor if version == 1 else KTMv2ChartPredictor
    options = {} if version == 1 else {"box_dim": 6}
    module = kind(4, **options)
    module.fold(box_weights())
    other = kind(4, folded=True, **options)
    other.load_state_dict(module.state_dict())
    x = torch.rand(1, 4, 4, 4)
    assert torch.equal(other(x)["fine_segm"], module(x)["fine_segm"])


def test_kernel_follows_in_place_edits_of_the_box_head_in_eval_mode():
    module, given, x = version_2().eval(), box_weights(), torch.rand(1, 4, 4, 4)
    with torch.no_grad():
        before = module(x, given)["fine_segm"]
        given["cls"].add_(1)
        assert not torch.equal(module(x, given)["fine_segm"], before)


def test_detached_weights_hit_the_cache():
    """The adapter hands out `.detach()` of the box head: a new tensor object every time."""
    module, given, x = version_2().eval(), box_weights(), torch.rand(1, 4, 4, 4)
    calls = []
    module.deconvs["fine_segm"].machine.graph.register_forward_pre_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        for _ in range(3):
            module(x, {key: weight.detach() for key, weight in given.items()})
    assert len(calls) == 3  # one per source, in one generation


def test_bfloat16_autocast_gives_bfloat16_maps_close_to_float32():
    module, given, x = version_2().eval(), box_weights(), torch.rand(1, 4, 4, 4)
    with torch.no_grad():
        expected = module(x, given)["u"]
        with torch.autocast("cpu", dtype=torch.bfloat16):
            maps = module(x, given)["u"]
    # bfloat16 has 8 bits: 2**-8 a rounding, a few of them.
    assert (maps.float() - expected).abs().max() <= 0.03 * expected.abs().max()
