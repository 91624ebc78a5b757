"""Charts of the people of one image by a model that looks at one person at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.dataset import pseudo_collate
from mmengine.structures import InstanceData
from torch import nn

from mmktn.engine.compiled_parts import begin_step
from mmktn.structures import ChartResults

CROPS_PER_PASS = 32


def predict_crops(
    model: nn.Module, pipeline: Compose, image: np.ndarray, people: InstanceData
) -> InstanceData:
    """Predict, some crops at a time.

    Args:
        model: Its test pipeline crops one `bbox`.
        pipeline: That pipeline, without loading.
        image: (H, W, 3) uint8 BGR.
        people: `bboxes` (N, 4) xyxy in pixels of the image and `scores` (N,), arrays.

    Returns:
        `bboxes`, `scores`, `labels` and `densepose` of N people, in pixels of the image.
    """
    results = []
    for start in range(0, len(people.bboxes), CROPS_PER_PASS):
        # Crops are cut a pass at a time: many boxes must not fill the memory.
        rows = range(start, min(start + CROPS_PER_PASS, len(people.bboxes)))
        batch = pseudo_collate(
            [pipeline(_results_of(image, k, people.bboxes[k], people.scores[k])) for k in rows]
        )
        begin_step()
        with torch.no_grad():
            data = model.data_preprocessor(batch, training=False)
            pixels = data["inputs"].to(next(model.parameters()).dtype)
            samples = model(pixels, data["data_samples"], mode="predict")
        results += [sample.pred_instances for sample in samples]
    if results:
        return InstanceData.cat(results)
    return InstanceData(
        bboxes=torch.zeros(0, 4),
        scores=torch.zeros(0),
        labels=torch.zeros(0, dtype=torch.long),
        densepose=ChartResults(),
    )


def _results_of(
    image: np.ndarray, index: int, box: np.ndarray, score: np.floating
) -> dict[str, Any]:
    return {
        "img": image,
        "img_id": 0,
        "id": index,
        "img_path": "",
        "img_shape": image.shape[:2],
        "ori_shape": image.shape[:2],
        "bbox": np.asarray(box, dtype=np.float32)[None],
        "bbox_score": np.asarray([score], dtype=np.float32),
    }
