"""Cheap forms of KTM's perceptron: laws that tie them to the full one."""

import pytest
import torch
from torch import nn

from mmktn.models.ktm import KnowledgeTransferMachine
from mmktn.models.ktm.transformers import (
    FullLinear,
    GroupedLinear,
    LowRankLinear,
    build_transformer,
)

DIMS = {"keypoint": 8192, "box": 1024, "part": 8192}
FORMS = [{"kind": "low_rank", "rank": 256}, {"kind": "grouped", "groups": 16}]


def parameters(**form):
    with torch.device("meta"):
        return sum(p.numel() for p in build_transformer(DIMS, 8192, **form).parameters())


def test_parameters_of_every_form():
    assert parameters() == 209_731_584
    # Two factors a layer and two biases.
    assert parameters(**FORMS[0]) == 256 * (17408 + 8192 + 8192 + 8192) + 2 * 8192 == 10_764_288
    # A sixteenth of the matrices.
    assert parameters(**FORMS[1]) == (209_731_584 - 2 * 8192) // 16 + 2 * 8192 == 13_123_584


def test_low_rank_of_full_rank_equals_the_full_layer_of_the_product():
    torch.manual_seed(0)
    thin, full = LowRankLinear(12, 8, rank=8).double(), FullLinear(12, 8).double()
    nn.init.normal_(thin.bias)
    full.load_state_dict({"weight": thin.up @ thin.down, "bias": thin.bias})
    x = torch.rand(25, 12).double()
    torch.testing.assert_close(thin(x), full(x))


def test_every_full_layer_is_a_low_rank_one_of_full_rank():
    torch.manual_seed(0)
    thin, full = LowRankLinear(12, 8, rank=8).double(), FullLinear(12, 8).double()
    u, s, vh = torch.linalg.svd(full.weight.detach(), full_matrices=False)
    thin.load_state_dict({"up": u * s, "down": vh, "bias": full.bias})
    x = torch.rand(25, 12).double()
    torch.testing.assert_close(thin(x), full(x))


def test_one_group_is_the_full_layer():
    torch.manual_seed(0)
    grouped, full = GroupedLinear([8, 4], 8, groups=1).double(), FullLinear(12, 8).double()
    grouped.load_state_dict({"weight": full.weight.t()[None], "bias": full.bias})
    x = torch.rand(25, 12).double()
    torch.testing.assert_close(grouped(x), full(x))


def test_slice_of_channels_reads_the_same_slice_of_every_source():
    torch.manual_seed(0)
    layer = GroupedLinear([8, 4], 8, groups=2)
    reads = torch.autograd.functional.jacobian(lambda x: layer(x)[0], torch.rand(1, 12))[:, 0] != 0
    first = torch.tensor([1, 1, 1, 1, 0, 0, 0, 0, 1, 1, 0, 0]).bool()
    assert torch.equal(reads[:4], first.expand(4, -1))
    assert torch.equal(reads[4:], (~first).expand(4, -1))


def test_every_output_of_the_grouped_form_reads_every_input():
    torch.manual_seed(0)
    form = build_transformer({"a": 16, "b": 8}, 16, kind="grouped", groups=4)
    assert torch.autograd.functional.jacobian(form, torch.rand(1, 24)).ne(0).all()


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form["kind"])
def test_generated_rows_start_at_the_scale_of_the_full_form(form):
    torch.manual_seed(0)
    dims = {"keypoint": 2048, "box": 256, "part": 2048}
    form = form | ({"rank": 64} if form["kind"] == "low_rank" else {})
    x = torch.randn(25, sum(dims.values()))
    with torch.no_grad():
        full = build_transformer(dims, 2048)(x).square().mean().sqrt()
        ours = build_transformer(dims, 2048, **form)(x).square().mean().sqrt()
    # Of rank 64, the squared length of a projected row scatters by sqrt(2 / 64) = 18 %, the same
    # for all rows in each of two layers; the length by half of it.
    assert float(ours / full) == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form["kind"])
def test_zero_row_stays_zero_at_the_start(form):
    """The background row of the relations is 0, so is its first kernel."""
    form = form | ({"rank": 4} if form["kind"] == "low_rank" else {})
    assert not build_transformer({"keypoint": 32}, 32, **form)(torch.zeros(1, 32)).any()


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"kind": "sparse"}, "kind.*'sparse'"),
        ({"kind": "low_rank", "rank": 33}, "rank=33.*1 to 32"),
        ({"kind": "low_rank", "rank": 0}, "rank=0"),
        ({"kind": "grouped", "groups": 5}, r"groups=5.*\[32, 32\]"),
    ],
)
def test_impossible_forms_are_named(form, message):
    with pytest.raises(ValueError, match=message):
        build_transformer({"keypoint": 32}, 32, **form)


def test_form_without_perceptron_is_an_error():
    with pytest.raises(ValueError, match=r"mlp=False.*low_rank"):
        KnowledgeTransferMachine(
            {"keypoint": 17}, {"keypoint": 32}, out_dim=32, mlp=False, transformer=FORMS[0]
        )
