"""Run training steps of a config, here or under torchrun; write losses averaged over ranks.

Usage: first_losses.py CONFIG DATA_FOLDER OUT.json BATCH_SIZE LAUNCHER
"""

import json
import sys

import torch
from mmengine.config import Config
from mmengine.dist import all_reduce, get_rank
from mmengine.runner import Runner

import mmktn  # noqa: F401


def config(path: str, folder: str, batch_size: int, launcher: str) -> Config:
    cfg = Config.fromfile(path)
    cfg.merge_from_dict(
        {
            "launcher": launcher,
            "work_dir": f"{folder}/work_{launcher}",
            "log_level": "ERROR",
            "env_cfg.dist_cfg.backend": "gloo",
            # Statistics of a batch depend on how it is split; frozen ones do not.
            "model.backbone.norm_eval": True,
            # Take every anchor and every proposal, so that no random choice is left.
            "model.train_cfg.rpn.sampler.num": 10**6,
            "model.train_cfg.rcnn.sampler.num": 10**6,
            "model.train_cfg.rpn_proposal.nms.iou_threshold": 0.999,
            "model.train_cfg.rpn_proposal.max_per_img": 50,
            "model.roi_head.densepose_head.loss.sync_normalizers": True,
            "train_dataloader.batch_size": batch_size,
            "train_dataloader.sampler": {"type": "DefaultSampler", "shuffle": False},
            "train_dataloader.dataset.data_root": folder,
            "train_dataloader.dataset.ann_file": "annotations.json",
            "train_dataloader.dataset.data_prefix": {"img": "images/"},
            # Small steps: large ones of an untrained network magnify rounding a hundredfold each.
            "optim_wrapper.optimizer": {"_delete_": True, "type": "SGD", "lr": 0.001},
        }
    )
    pipeline = cfg.train_dataloader.dataset.pipeline
    cfg.train_dataloader.dataset.pipeline = [
        step for step in pipeline if "Flip" not in step.type and "Resize" not in step.type
    ]
    cfg.optim_wrapper.pop("paramwise_cfg")
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.test_cfg = cfg.test_dataloader = cfg.test_evaluator = None
    return cfg


def main(path: str, folder: str, out: str, batch_size: str, launcher: str) -> None:
    runner = Runner.from_cfg(config(path, folder, int(batch_size), launcher))
    wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    batch = next(iter(runner.build_dataloader(runner._train_dataloader)))
    runner.model.train()
    record = []
    for _ in range(3):
        logs = runner.model.train_step(batch, wrapper)
        values = torch.tensor([float(v) for v in logs.values()], dtype=torch.float64)
        if launcher != "none":
            all_reduce(values, op="mean")
        record.append(dict(zip(logs, values.tolist(), strict=True)))
    if get_rank() == 0:
        with open(out, "w") as file:
            json.dump(record, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
