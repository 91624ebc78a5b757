"""The pretended device decides known right and wrong operations as CUDA does, and counts them."""

import copy

import pytest
import torch
import torch.nn.functional as F

from tests.pretended_cuda.registration import why_not
from tests.pretended_cuda.tensors import CudaRuleError, pretended_cuda

pytestmark = pytest.mark.skipif(why_not() is not None, reason=str(why_not()))
LONG, MASK = torch.tensor([0, 2]), torch.tensor([True, False, True])


@pytest.fixture
def counts():
    with pretended_cuda(watched=("tests/test_pretended_cuda",)) as found:
        yield found


def on_gpu(*shape):
    return torch.rand(*shape, device="cuda")


REFUSED = {
    "add": lambda: on_gpu(3) + torch.ones(3),
    "in place on the CPU": lambda: torch.ones(3).add_(on_gpu(3)),
    "out on the CPU": lambda: torch.add(on_gpu(3), on_gpu(3), out=torch.zeros(3)),
    "read at GPU indices": lambda: torch.ones(3)[LONG.cuda()],
    "read at a GPU mask": lambda: torch.ones(3)[on_gpu(3) > 0],
    "write CPU values": lambda: on_gpu(3).__setitem__(MASK.cuda(), torch.ones(2)),
    "write GPU values": lambda: torch.ones(3).__setitem__(LONG, on_gpu(2)),
    "gather": lambda: on_gpu(3).gather(0, LONG),
    "concatenate": lambda: torch.cat([on_gpu(3), torch.ones(3)]),
    "concatenate a number": lambda: torch.stack([on_gpu(1)[0], torch.tensor(1.0)]),
    "where": lambda: torch.where(MASK, on_gpu(3), on_gpu(3)),
    "convolution": lambda: F.conv2d(on_gpu(1, 2, 4, 4), torch.ones(2, 2, 3, 3)),
    "linear": lambda: F.linear(on_gpu(2, 3), torch.ones(4, 3)),
    "normalisation": lambda: F.batch_norm(on_gpu(2, 3, 4, 4), torch.zeros(3), torch.ones(3)),
    "classes": lambda: F.cross_entropy(on_gpu(2, 3), LONG),
    "grid": lambda: F.grid_sample(on_gpu(1, 1, 4, 4), torch.zeros(1, 2, 2, 2), align_corners=False),
    "to numpy": lambda: on_gpu(3).numpy(),
    "integer product": lambda: on_gpu(2, 2).long() @ on_gpu(2, 2).long(),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name, counts):
    with pytest.raises((CudaRuleError, TypeError)):
        REFUSED[name]()


def same(found, expected):
    assert found.is_cuda
    assert found.device == torch.device("cuda", 0)
    torch.testing.assert_close(found.cpu(), expected)


ACCEPTED = {
    "number": (lambda x: x * 2 + torch.tensor(2.0), lambda x: x * 2 + 2),
    "read": (lambda x: x[LONG], lambda x: x[LONG]),
    "read at a mask": (lambda x: x[MASK], lambda x: x[MASK]),
    "view": (lambda x: x.view(3, 1).expand(3, 2).clone(), lambda x: x[:, None].repeat(1, 2)),
    "in place on a view": (lambda x: (x[1:].zero_(), x)[1], lambda x: x * torch.eye(3)[0]),
    "write": (lambda x: (x.__setitem__(slice(2), torch.ones(2)), x)[1],
              lambda x: torch.cat([torch.ones(2), x[2:]])),
    "made": (lambda x: x + torch.arange(3, device="cuda") + x.new_tensor([1, 2, 3]) + x.new_ones(3)
             + torch.as_tensor([1.0, 2, 3], device=x.device) + torch.full_like(x, 2),
             lambda x: x + 3 * torch.arange(3) + 2 + 3),
    "copied": (lambda x: copy.deepcopy(x).to("cpu").cuda(), lambda x: x),
}  # fmt: skip


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted_with_the_values_of_the_cpu(name, counts):
    pretended, plain = ACCEPTED[name]
    values = torch.tensor([0.25, 0.5, 0.75])
    same(pretended(values.cuda()), plain(values.clone()))


def test_waits_uploads_and_launches_have_their_lines(counts):
    x = on_gpu(5)
    counts.clear()
    x.view(5, 1)[2:].detach()  # no kernel
    assert not counts.launches
    x.sum().item()
    bool((x > 2).any())
    x[x > 2] = 0.0  # a masked fill
    assert sum(counts.waits.values()) == 2
    x[x > 2]
    x.nonzero()
    x.cpu()
    x.tolist()
    assert sum(counts.waits.values()) == 6
    assert not counts.uploads
    x + LONG.sum()  # a number
    torch.ones(3).cuda()
    assert sum(counts.uploads.values()) == 1
    assert all(place.startswith("tests/test_pretended_cuda.py:") for place in counts.waits)
    assert max(counts.waits.values()) == 1


def net_of(device):
    torch.manual_seed(0)
    layers = torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.Flatten(), nn_linear()
    return torch.nn.Sequential(*layers).to(device)


def nn_linear():
    return torch.nn.Linear(12, 4)


def step(device, dtype=torch.float32):
    """One step with autocast and a gradient scaler; the loss and the new weights."""
    net = net_of(device)
    optimiser = torch.optim.AdamW(net.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler(device, enabled=dtype == torch.float16)
    images = torch.linspace(-1, 1, 64).reshape(2, 2, 4, 4).to(device)
    with torch.autocast(device, dtype, enabled=dtype != torch.float32):
        scores = net(images)
        assert scores.dtype == dtype
        loss = F.cross_entropy(scores, torch.tensor([1, 3], device=device))
    assert loss.dtype == torch.float32
    scaler.scale(loss).backward()
    scaler.unscale_(optimiser)
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    scaler.step(optimiser)
    scaler.update()
    return loss.detach().cpu(), [p.detach().cpu() for p in net.parameters()]


def test_training_step_equals_that_of_the_cpu(counts):
    torch.testing.assert_close(step("cuda"), step("cpu"))


def test_float16_step_with_a_scaler(counts):
    half, whole = step("cuda", torch.float16), step("cpu")
    torch.testing.assert_close(half[0], whole[0], rtol=2e-3, atol=0)


def test_what_autocast_refuses(counts):
    with torch.autocast("cuda", torch.float16), pytest.raises(RuntimeError, match="unsafe"):
        F.binary_cross_entropy(on_gpu(3).sigmoid(), on_gpu(3))


def test_nothing_is_left_behind():
    with pretended_cuda():
        assert torch.cuda.is_available()
        assert torch.zeros(1, device="cuda").is_cuda
    assert not torch.cuda.is_available()
    assert type(torch.nn.Linear(2, 2).to("cpu").weight) is torch.nn.Parameter
