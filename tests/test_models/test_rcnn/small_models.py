"""CPU twins of configs, narrower still, with batches and losses for tests of RoI heads."""

from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from mmktn.registry import MODELS
from tests.fake_annotations import fake_batch

CONFIGS = Path(__file__).parents[3] / "configs"
NARROW = {
    "model.backbone.base_channels": 8,
    "model.backbone.stem_channels": 8,
    "model.neck.in_channels": [8, 16, 32, 64],
}


def build(name: str, **options: Any) -> torch.nn.Module:
    """Model of a config, e.g. `cascade/densepose-cascade`, from the CPU twin and seed 0."""
    cfg = Config.fromfile(str(CONFIGS / f"{name}_cpu_dp-synth.py"))
    cfg.merge_from_dict(NARROW | options)
    torch.manual_seed(0)
    return MODELS.build(cfg.model)


def losses_of(model: torch.nn.Module, batch: dict[str, list]) -> dict[str, torch.Tensor]:
    """Losses in train mode, with the same random samples each time."""
    model.train()
    torch.manual_seed(1)
    data = model.data_preprocessor(batch, training=True)
    found = model(**data, mode="loss")
    return {k: sum(v) if isinstance(v, list) else v for k, v in found.items()}


def batch_of(images: int = 2, **options: Any) -> dict[str, list]:
    """Images of 96 x 128 with two persons each, the second without dense pose."""
    return fake_batch(images, image_hw=(96, 128), **options)


def predict(
    model: torch.nn.Module, images: int = 1, *, scale: float = 1.0, score_thr: float = 0.0
) -> list:
    """`pred_instances` of each image, taken as enlarged by `scale`; at most 5 persons per image."""
    model.eval()
    model.roi_head.test_cfg.score_thr = score_thr
    model.roi_head.test_cfg.max_per_img = 5
    batch = batch_of(images)
    for sample in batch["data_samples"]:
        height, width = sample.img_shape[:2]
        ori_shape = (int(height / scale), int(width / scale))
        sample.set_metainfo({"scale_factor": (scale, scale), "ori_shape": ori_shape})
    with torch.no_grad():
        data = model.data_preprocessor(batch, training=False)
        return [sample.pred_instances for sample in model(**data, mode="predict")]
