"""Maps of confidence: in predictors of all kinds, in mirrors, in results."""

import math

import pytest
import torch
import torch.nn.functional as F

from mmktn.models.flip_rules import surface_flip_rules
from mmktn.models.heads import DensePoseHead
from mmktn.models.postprocess import ChartDecoder
from mmktn.models.postprocess.map_averaging import average_views
from mmktn.models.postprocess.uv_confidence import uv_confidence_fields
from mmktn.models.predictors import (
    ChartPredictor,
    KTMv1ChartPredictor,
    KTMv2ChartPredictor,
)
from mmktn.structures import ChartOutput, declared_map

UV = ["sigma_2", "kappa_u", "kappa_v"]
SEGM = ["fine_segm_confidence", "coarse_segm_confidence"]
RANDOM_GRAPH = {"graph": {"relation_source": "random"}}


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (ChartPredictor, {}),
        (ChartPredictor, {"coarse_channels": 15, "with_body_mask": True}),
        (ChartPredictor, {"conv_kernel": 1}),
        (KTMv1ChartPredictor, RANDOM_GRAPH),
        (KTMv2ChartPredictor, {"box_dim": 4, "sources": ["keypoint", "part"], **RANDOM_GRAPH}),
        (
            KTMv2ChartPredictor,
            {"conv_kernel": 1, "sources": ["keypoint", "part"], **RANDOM_GRAPH},
        ),
    ],
    ids=lambda item: getattr(item, "__name__", ""),
)
def test_confidence_multiplies_the_logits_of_every_predictor(kind, options):
    """The maps of the same weights without confidences, times softplus + 0.01 of the factor."""
    torch.manual_seed(0)
    module = kind(8, extra_maps=[*UV, *SEGM], **options).eval()
    plain = kind(8, **options).eval()
    plain.load_state_dict(
        {name: module.state_dict()[name] for name in plain.state_dict()}, strict=True
    )
    x = torch.rand(2, 8, 5, 7)
    with torch.no_grad():
        output, before = module(x), plain(x)
        factors = {}
        for name in SEGM:
            layer = module.map_layers[name]
            low = module.layers.run(x, layer.weight, layer.bias)
            raw = F.interpolate(low, scale_factor=2, mode="bilinear", align_corners=False)
            factors[name] = F.softplus(raw) + 0.01
    for name, maps in before.items():
        factor = {"fine_segm": "fine", "coarse_segm": "coarse", "body_mask": "coarse"}.get(name)
        expected = maps if factor is None else maps * factors[f"{factor}_segm_confidence"]
        torch.testing.assert_close(output[name], expected, rtol=1e-4, atol=1e-5)
    for name in SEGM:
        torch.testing.assert_close(output[name], factors[name])
    # A map that is asked for alone is the same.
    with torch.no_grad():
        alone = module(x, fields=("fine_segm",))
    assert set(alone.names()) == {"fine_segm", "fine_segm_confidence"}
    torch.testing.assert_close(alone["fine_segm"], output["fine_segm"])


@pytest.mark.parametrize(
    ("names", "parameters"),
    [
        (["sigma_2"], 204_825),
        (UV, 3 * 204_825),
        (["sigma_2", *SEGM], 204_825 + 2 * 8_193),
        ([*UV, *SEGM], 3 * 204_825 + 2 * 8_193),
    ],
    ids=["WC1", "WC2", "WC1M", "WC2M"],
)
def test_confidence_parameters_of_each_model(names, parameters):
    with torch.device("meta"):
        module = ChartPredictor(512, extra_maps=names)
    assert sum(p.numel() for p in module.parameters()) == 630_861 + parameters


@pytest.mark.parametrize(
    ("names", "missing"),
    [(["kappa_u", "kappa_v"], "sigma_2"), (["sigma_2", "kappa_u"], "kappa_v")],
)
def test_confidence_that_lacks_a_map_is_refused(names, missing):
    with pytest.raises(ValueError, match=rf"map 'kappa_u' needs \['{missing}'\]"):
        DensePoseHead(
            {"type": "mmktn.ConvTrunk", "in_channels": 4, "channels": 4, "num_convs": 1},
            {"type": "mmktn.ChartPredictor", "in_channels": 4, "extra_maps": names},
        )


def test_confidence_of_the_segmentation_alone_is_refused_without_it():
    with pytest.raises(ValueError, match=r"needs \['fine_segm'\]"):
        DensePoseHead(
            {"type": "mmktn.ConvTrunk", "in_channels": 4, "channels": 4, "num_convs": 1},
            {
                "type": "mmktn.ChartPredictor",
                "in_channels": 4,
                "with_charts": False,
                "extra_maps": ["fine_segm_confidence"],
            },
        )


def random_maps(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return ChartOutput(
        {
            name: torch.rand(1, declared_map(name).channels, 6, 6, generator=generator)
            for name in ("fine_segm", "coarse_segm", "u", "v", *UV, *SEGM)
        }
    )


def test_confidence_in_a_mirror_goes_with_its_chart_and_turns_its_direction():
    """Two points a short step along k apart are, mirrored, a step along the mirrored k apart."""
    rules = surface_flip_rules("human")
    maps = random_maps()
    maps = maps.replace(**{n: 0.3 + 0.4 * maps[n] for n in "uv"})
    step = 6 / 255
    k = {n: (maps[n] - 0.5) * 2 * step for n in UV[1:]}
    flipped = maps.replace(**k).flip(rules)
    torch.testing.assert_close(
        flipped["sigma_2"], maps["sigma_2"].flip(-1)[:, rules.chart_flip.tolist()]
    )
    moved = maps.replace(u=maps["u"] + k["kappa_u"], v=maps["v"] + k["kappa_v"]).flip(rules)
    for name, kappa in (("u", "kappa_u"), ("v", "kappa_v")):
        expected = moved[name] - flipped[name]
        # The tables have steps of 1/255.
        error = (flipped[kappa] - expected)[:, 1:].abs()
        assert error.max() <= 3 / 255, kappa
        assert error.mean() <= 0.5 / 255, kappa
    twice = flipped.flip(rules)
    assert (twice["sigma_2"] == maps["sigma_2"]).all()


def test_confidence_of_the_first_view_stays_when_views_are_averaged():
    first, second = random_maps(0), random_maps(1)
    rules = surface_flip_rules("human")
    mean = average_views([first, second], mirrored=[False, True], rules=lambda: rules)
    for name in (*UV, *SEGM):
        assert torch.equal(mean[name], first[name])


def test_confidence_is_decoded_in_the_chart_of_the_pixel():
    maps = random_maps()
    fine = torch.zeros(1, 25, 6, 6)
    fine[:, 5, :, :3] = 9.0
    fine[:, 0, :, 3:] = 9.0
    coarse = torch.tensor([0.0, 1.0]).view(1, 2, 1, 1).expand(-1, -1, 6, 6)
    box = torch.tensor([[3.0, 4.0, 9.0, 10.0]])  # six pixels per side: a pixel is a cell
    result = ChartDecoder().decode(maps.replace(fine_segm=fine, coarse_segm=coarse), box)[0]
    assert set(result.fields) >= {*UV, *SEGM}
    for name in UV:
        assert result.fields[name].shape == (6, 6)
        torch.testing.assert_close(result.fields[name][:, :3], maps[name][0, 5, :, :3])
        assert (result.fields[name][:, 3:] == 0).all()
    for name in SEGM:
        torch.testing.assert_close(result.fields[name], maps[name][0, 0])


@pytest.mark.parametrize("kappa", [False, True])
def test_confidence_in_units_of_the_chart(kappa):
    """With k the mean of the eigenvalues is s + |k|^2 / 2."""
    labels = torch.tensor([[3, 3, 0]])
    raw = torch.tensor([[0.0, -20.0, 5.0]])
    fields = {"sigma_2": raw}
    if kappa:
        fields |= {"kappa_u": torch.full((1, 3), 0.3), "kappa_v": torch.full((1, 3), -0.4)}
    variance = torch.tensor([math.log(2) + 0.01, 0.01]) + 0.25 / 2 * kappa
    found = uv_confidence_fields(fields, labels)
    torch.testing.assert_close(found["uv_std"][0, :2], variance.sqrt())
    chance = 1 - (-(0.25**2) / (2 * variance)).exp()
    torch.testing.assert_close(found["uv_confidence"][0, :2], chance)
    assert found["uv_std"][0, 2] == found["uv_confidence"][0, 2] == 0
    warm = uv_confidence_fields(fields, labels, temperature=4.0)
    torch.testing.assert_close(warm["uv_std"], 2 * found["uv_std"])


def test_confidence_of_the_chart_is_its_softmax():
    """For models without `sigma_2`, on request; bands of one row give the same."""
    maps = random_maps()
    maps = ChartOutput({n: maps[n] for n in ("fine_segm", "coarse_segm", "u", "v")})
    box = torch.tensor([[3.0, 4.0, 9.0, 10.0]])
    result = ChartDecoder(mask_threshold=-1.0, chart_confidence=True).decode(maps, box)[0]
    expected = maps["fine_segm"][0].softmax(dim=0).amax(dim=0) * (result.labels > 0)
    torch.testing.assert_close(result.fields["chart_confidence"], expected)
    bands = ChartDecoder(mask_threshold=-1.0, chart_confidence=True, band_values=1)
    again = bands.decode(maps, box)[0].fields["chart_confidence"]
    torch.testing.assert_close(again, expected)
    assert ChartDecoder().decode(maps, box)[0].fields == {}


@pytest.mark.parametrize("temperature", [0.0, -1.0, math.nan, math.inf])
def test_confidence_temperature_has_to_be_positive(temperature):
    with pytest.raises(ValueError, match="uv_temperature"):
        ChartDecoder(uv_temperature=temperature)
