"""Two processes train a system together while one of them sees nobody."""

import json
from pathlib import Path

import pytest
import torch
from mmengine.registry import init_default_scope

from mmktn.utils.setup_env import register_all_modules
from tests.processes import run_ranks
from tests.test_models.test_rcnn.small_models import batch_of, build

SYSTEMS = ["densepose/ktn2_r18_fpn", "cascade/densepose-cascade-kpt_r18_fpn"]
OTHERS = [
    "cascade/densepose-cascade-mask_r18_fpn",
    "densepose/densepose-rcnn_r18_fpn",
    "densepose/ktn1_r18_fpn",
    "systems/ama-net_r18_fpn",
    "systems/parsing-rcnn-k1_r18_fpn-mid1",
    "tasks/body-seg_r18_fpn-mid1",
]


def train(name: str, folder: str) -> None:
    """Two steps; rank 1 has no persons. Writes a few weights."""
    import torch.distributed as dist

    dist.init_process_group("gloo")
    rank = dist.get_rank()
    register_all_modules(init_default_scope=False)
    init_default_scope("mmdet")
    # Statistics of each rank's own images would differ.
    model = build(name, **{"model.backbone.norm_eval": True}).train()
    # A parameter without a gradient would make the second step fail.
    parallel = torch.nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    for _ in range(2):
        batch = batch_of(1)
        if rank == 1:
            for sample in batch["data_samples"]:
                sample.gt_instances = sample.gt_instances[:0]
        data = model.data_preprocessor(batch, training=True)
        losses = parallel(**data, mode="loss")
        optimizer.zero_grad()
        model.parse_losses(losses)[0].backward()
        optimizer.step()
    sums = {k: float(p.detach().double().sum()) for k, p in model.named_parameters()}
    Path(folder, f"{rank}.json").write_text(json.dumps(sums))
    dist.destroy_process_group()


@pytest.mark.multiprocess
@pytest.mark.parametrize("name", SYSTEMS)
def test_a_rank_without_persons_trains_along(name, tmp_path):
    run_ranks(train, name, str(tmp_path))
    first, second = (json.loads((tmp_path / f"{k}.json").read_text()) for k in (0, 1))
    assert first == second
    assert all(torch.isfinite(torch.tensor(list(first.values()))))


@pytest.mark.parametrize("name", OTHERS)
def test_without_persons_every_parameter_has_a_gradient(name):
    """What distributed training waits for."""
    register_all_modules(init_default_scope=False)
    init_default_scope("mmdet")
    model = build(name).train()
    batch = batch_of(1)
    for sample in batch["data_samples"]:
        sample.gt_instances = sample.gt_instances[:0]
    losses = model(**model.data_preprocessor(batch, training=True), mode="loss")
    model.parse_losses(losses)[0].backward()
    waiting = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert waiting == []
