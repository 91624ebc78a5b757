import weakref

import pytest
import torch
from torch import nn

from mmktn.models.ktm import KnowledgeTransferMachine, box_to_rows, deconv_to_rows

C, K = 2, 4
ROW = C * K * K


def machine(sources=("keypoint", "box", "part"), **options):
    nodes = {"keypoint": 17, "box": 6, "part": 15}
    dims = {"keypoint": ROW, "box": 5, "part": ROW}
    options.setdefault("graph", {"relation_source": "random"})
    return KnowledgeTransferMachine(
        {s: nodes[s] for s in sources}, {s: dims[s] for s in sources}, out_dim=ROW, **options
    )


def weights():
    generator = torch.Generator().manual_seed(0)

    def rand(*shape):
        return nn.Parameter(torch.rand(*shape, generator=generator))

    return {
        "keypoint": (rand(C, 17, K, K),),
        "box": (rand(2, 5), rand(4, 5)),
        "part": (rand(C, 15, K, K),),
    }


@pytest.fixture
def generations(monkeypatch):
    """Number of times rows were generated."""
    calls = []
    generate = KnowledgeTransferMachine._generate

    def counted(self, given):
        calls.append(1)
        return generate(self, given)

    monkeypatch.setattr(KnowledgeTransferMachine, "_generate", counted)
    return calls


@pytest.mark.parametrize(
    ("dims", "parameters"),
    [
        ({"keypoint": 8192}, 134_234_112),
        ({"keypoint": 8192, "box": 1024, "part": 8192}, 209_731_584),
    ],
    ids=["version 1", "version 2"],
)
def test_perceptron_has_the_parameters_of_the_released_code(dims, parameters):
    nodes = {"keypoint": 17, "box": 6, "part": 15}
    with torch.device("meta"):
        ktm = KnowledgeTransferMachine({s: nodes[s] for s in dims}, dims, out_dim=8192)
    assert sum(p.numel() for p in ktm.transformer.parameters()) == parameters


def test_equals_its_definition():
    """Phi of [R_k vec(K), R_b B, R_p vec(P)], LeakyReLU 0.02 in between."""
    torch.manual_seed(0)
    ktm, given = machine(), weights()
    nn.init.normal_(ktm.transformer[0].bias)
    relations = ktm.graph.relations
    t = torch.cat(
        [
            relations["keypoint"] @ deconv_to_rows(given["keypoint"][0]),
            relations["box"] @ box_to_rows(*given["box"]),
            relations["part"] @ deconv_to_rows(given["part"][0]),
        ],
        dim=1,
    )
    first, last = ktm.transformer[0], ktm.transformer[2]
    hidden = t @ first.weight.t() + first.bias
    hidden = torch.where(hidden > 0, hidden, 0.02 * hidden)
    torch.testing.assert_close(ktm(given), hidden @ last.weight.t() + last.bias)


def test_background_logit_starts_at_zero():
    """Column 0 of the relations and the biases are zero, so Phi(0) = 0."""
    rows = machine(graph=None)(weights())
    assert not rows[0].any()
    assert rows[1:].abs().sum(dim=1).min() > 0


def test_without_perceptron_the_rows_are_only_mixed():
    ktm, given = machine(("keypoint",), mlp=False), weights()
    expected = ktm.graph.relations["keypoint"] @ deconv_to_rows(given["keypoint"][0])
    torch.testing.assert_close(ktm(given), expected)


def test_gradients_reach_everything_but_the_box_head():
    ktm, given = machine(), weights()
    ktm(given).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in ktm.parameters())
    assert given["keypoint"][0].grad.any()
    assert given["part"][0].grad.any()
    assert all(p.grad is None for p in given["box"])


def test_training_generates_in_every_forward(generations):
    ktm, given = machine(), weights()
    assert torch.equal(ktm(given), ktm(given))
    assert len(generations) == 2


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_eval_mode_generates_once(generations, mode):
    ktm, given = machine().eval(), weights()
    with mode():
        first = ktm(given)
        assert torch.equal(ktm(given), first)
    assert len(generations) == 1


def test_kernel_made_in_inference_mode_serves_training_of_what_follows():
    ktm, given = machine().eval(), weights()
    with torch.inference_mode():
        ktm(given)
    x = torch.rand(25, requires_grad=True)
    with torch.no_grad():
        rows = ktm(given)
    (x @ rows).sum().backward()
    assert x.grad.any()


def _in_place(ktm, given):
    with torch.no_grad():
        ktm.transformer[2].weight.mul_(2)


def _through_data_then_eval(ktm, given):
    """As mmengine's EMA hook swaps averages in, before validation calls `eval()`."""
    ktm.transformer[0].weight.data.mul_(2)
    ktm.eval()


def _optimizer_step(ktm, given):
    given["keypoint"][0].grad = torch.ones_like(given["keypoint"][0])
    torch.optim.SGD([given["keypoint"][0]], lr=0.1).step()


def _replaced(ktm, given):
    given["part"] = (nn.Parameter(given["part"][0].detach() + 1),)


def _loaded(ktm, given):
    ktm.load_state_dict({k: v + 0.5 for k, v in ktm.state_dict().items()})


def _assigned(ktm, given):
    ktm.load_state_dict({k: v + 0.5 for k, v in ktm.state_dict().items()}, assign=True)


def _cast(ktm, given):
    ktm.double()
    given.update({s: tuple(w.double() for w in ws) for s, ws in given.items()})


@pytest.mark.parametrize(
    "change",
    [
        _in_place,
        _through_data_then_eval,
        _optimizer_step,
        _replaced,
        _loaded,
        _assigned,
        _cast,
    ],
)
def test_changed_weights_are_noticed_in_eval_mode(change):
    ktm, given = machine().eval(), weights()
    with torch.no_grad():
        before = ktm(given)
        change(ktm, given)
        after = ktm(given)
        assert not torch.equal(before.double(), after.double()) or after.dtype != before.dtype
        ktm.clear_cache()
        assert torch.equal(ktm(given), after)


def test_weights_of_kept_rows_stay_so_that_no_other_comes_to_lie_in_their_place():
    ktm, given = machine().eval(), weights()
    with torch.no_grad():
        ktm(given)
    weight = weakref.ref(given.pop("part")[0])
    assert weight() is not None
    ktm.clear_cache()
    assert weight() is None


def test_leaving_and_entering_eval_mode_generates_anew(generations):
    ktm, given = machine().eval(), weights()
    with torch.no_grad():
        ktm(given)
        ktm.train().eval()(given)
    assert len(generations) == 2


def test_eval_mode_has_the_gradients_of_training_mode():
    torch.manual_seed(0)
    ktm, given = machine(), weights()
    parameters = [*ktm.parameters(), given["keypoint"][0], given["part"][0]]
    expected = torch.autograd.grad(ktm(given).square().sum(), parameters)
    ktm.eval()
    with torch.no_grad():
        ktm(given)  # fills the cache
    found = torch.autograd.grad(ktm(given).square().sum(), parameters)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("training", [True, False])
def test_generation_runs_in_float32_under_autocast(training):
    ktm, given = machine().train(training), weights()
    expected = ktm(given)
    ktm.clear_cache()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rows = ktm(given)
    assert rows.dtype == torch.float32
    assert torch.equal(rows, expected)


def test_half_weights_are_computed_in_float32():
    ktm, given = machine().eval(), weights()
    half = {s: tuple(w.detach().to(torch.bfloat16) for w in ws) for s, ws in given.items()}
    assert ktm.to(torch.bfloat16)(half).dtype == torch.float32


def test_copies_do_not_share_the_cache():
    import copy

    ktm, given = machine().eval(), weights()
    with torch.no_grad():
        before = ktm(given)
        other = copy.deepcopy(ktm)
        other.transformer[2].bias.add_(1)
        torch.testing.assert_close(other(given), before + 1)
        assert torch.equal(ktm(given), before)


def test_gradcheck_in_float64():
    ktm = KnowledgeTransferMachine(
        {"keypoint": 3}, {"keypoint": 16}, out_dim=16, graph={"relation_source": "random"}
    ).double()
    weight = torch.rand(1, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w: ktm({"keypoint": (w,)}), (weight,))


def test_impossible_combinations_are_errors():
    with pytest.raises(ValueError, match="mlp=False needs one source"):
        machine(("box",), mlp=False)
    with pytest.raises(ValueError, match="sources disagree"):
        KnowledgeTransferMachine({"keypoint": 17}, {"part": 8}, out_dim=8)
