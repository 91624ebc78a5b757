"""A loss or gradient that is not finite ends training before a weight or checkpoint sees it."""

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmengine.structures import BaseDataElement
from torch import nn
from torch.utils.data import DataLoader

from mmktn.engine.finite_loss_hook import NotFiniteError
from mmktn.utils.user_error import describe_error


class Toy(BaseModel):
    """Mean of w * x after a batch norm; NaN where the data are."""

    def __init__(self, zero_root: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))
        self.norm = nn.BatchNorm1d(2)
        self.register_buffer("table", torch.tensor([float("inf")]))
        self.zero_root = zero_root

    def forward(self, inputs, data_samples=None, mode="loss"):
        value = (self.norm(torch.stack(inputs)) * self.weight).square().mean()
        if self.zero_root and inputs[0][0] > 5:
            # The root of zero: a finite value with an infinite slope.
            value = value + (self.weight.sum() * 0).sqrt()
        return {"loss_a": value, "loss_b": self.weight.sum() * inputs[0][0]}


def samples(bad, count):
    return [
        {
            "inputs": torch.tensor([float("nan") if i in bad else i / 10, i + 0.5]),
            "data_samples": BaseDataElement(metainfo={"img_path": f"photos/{i}.jpg"}),
        }
        for i in range(count)
    ]


def run(tmp_path, bad=(), *, max_skips=0, wrapper=None, hooks=(), model=None, count=12):
    loader = DataLoader(samples(bad, count), batch_size=2, collate_fn=collate)
    runner = Runner(
        model=model or Toy(),
        work_dir=str(tmp_path),
        train_dataloader=loader,
        train_cfg={"by_epoch": False, "max_iters": count // 2},
        optim_wrapper={"optimizer": {"type": "SGD", "lr": 0.01}} | (wrapper or {}),
        default_hooks={
            "checkpoint": {
                "type": "CheckpointHook",
                "by_epoch": False,
                "interval": 1,
                "max_keep_ckpts": 1,
            }
        },
        custom_hooks=[{"type": "mmktn.FiniteLossHook", "max_skips": max_skips}, *hooks],
        experiment_name=tmp_path.name,
        default_scope="mmengine",
        log_level="ERROR",
    )
    runner.train()
    return runner


def collate(items):
    return {key: [item[key] for item in items] for key in items[0]}


def saved(tmp_path):
    (last,) = tmp_path.glob("iter_*.pth")
    return last.name, torch.load(last, weights_only=False)["state_dict"]


@pytest.mark.parametrize(
    ("wrapper", "hooks", "last"),
    [
        ({}, (), 3),
        ({"clip_grad": {"max_norm": 1.0}}, (), 3),
        # Of two batches each; the bad one is the second of its step, or the first.
        ({"accumulative_counts": 2}, (), 3),
        ({"accumulative_counts": 4}, (), 3),
        ({}, ({"type": "EMAHook"},), 3),
        ({"type": "mmktn.CpuAmpOptimWrapper"}, (), 3),
    ],
)
def test_a_nan_loss_ends_training_and_keeps_the_last_good_checkpoint(
    tmp_path, wrapper, hooks, last
):
    with pytest.raises(NotFiniteError) as caught:
        run(tmp_path, bad={7}, wrapper=wrapper, hooks=hooks)
    text = describe_error(caught.value)
    for part in ("iteration 4", "loss_a nan", "photos/6.jpg", "photos/7.jpg", str(tmp_path)):
        assert part in text
    name, state = saved(tmp_path)
    assert name == f"iter_{last}.pth"
    assert all(torch.isfinite(value).all() for key, value in state.items() if key != "table")


def test_an_infinite_gradient_of_a_finite_loss_is_named(tmp_path):
    with pytest.raises(NotFiniteError, match=r"gradients of 1 weights \(weight, ...\)") as caught:
        run(tmp_path, model=Toy(zero_root=True), count=160)
    assert "photos/52.jpg" in str(caught.value)


def test_a_learning_rate_of_1e10_ends_training(tmp_path):
    with pytest.raises(NotFiniteError, match="Lower the learning rate"):
        run(tmp_path, wrapper={"optimizer": {"type": "SGD", "lr": 1e30}})
    _, state = saved(tmp_path)
    assert torch.isfinite(state["weight"]).all()


def test_so_many_steps_are_left_out_and_no_more(tmp_path):
    runner = run(tmp_path / "two", bad={2, 7}, max_skips=2)
    assert runner.iter == 6
    assert all(
        torch.isfinite(v).all() for k, v in saved(tmp_path / "two")[1].items() if k != "table"
    )
    with pytest.raises(NotFiniteError, match="iteration 4"):
        run(tmp_path / "one", bad={2, 7}, max_skips=1)
    # A step that is left out leaves the weights of a run without that batch.
    alone = run(tmp_path / "first", bad=(), count=2)
    other = run(tmp_path / "skipping", bad={2}, max_skips=1, count=4)
    assert torch.equal(alone.model.weight, other.model.weight)
    assert torch.equal(alone.model.norm.running_mean, other.model.norm.running_mean)


def test_negative_skips_are_refused(tmp_path):
    with pytest.raises(ValueError, match="max_skips=-1"):
        run(tmp_path, max_skips=-1)
