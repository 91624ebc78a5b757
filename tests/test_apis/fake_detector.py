"""A detector without a network: finds two people in every bright image."""

import torch
from mmdet.models.data_preprocessors import DetDataPreprocessor
from mmengine.config import Config
from mmengine.structures import InstanceData
from torch import nn

from mmktn.structures import ChartResult, ChartResults

CFG = Config(
    {
        "default_scope": "mmdet",
        "model": {},
        "test_dataloader": {
            "dataset": {
                "pipeline": [
                    {"type": "mmktn.LoadImageFromFile"},
                    {"type": "mmdet.Resize", "scale": (64, 64), "keep_ratio": True},
                    {"type": "mmktn.LoadDensePoseAnnotations"},
                    {
                        "type": "mmdet.PackDetInputs",
                        "meta_keys": ("img_id", "img_shape", "ori_shape", "scale_factor"),
                    },
                ]
            }
        },
    }
)


def result(height: int, width: int, chart: int) -> ChartResult:
    labels = torch.full((height, width), chart, dtype=torch.uint8)
    return ChartResult(labels=labels, uv=torch.full((2, height, width), 0.5))


class FakeDetector(nn.Module):
    """Two people of charts 2 and 9 (scores 0.5 and 0.9) where the image's mean is above 100."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.data_preprocessor = DetDataPreprocessor(
            mean=[0, 0, 0], std=[1, 1, 1], pad_size_divisor=32
        )
        self.cfg = CFG
        self.batches: list[tuple[torch.Size, torch.dtype]] = []
        self.rois: list[torch.Tensor] = []

    @property
    def roi_head(self) -> "FakeDetector":
        return self

    def forward(self, inputs, data_samples, mode):
        assert mode == "predict"
        self.batches.append((inputs.shape, inputs.dtype))
        for image, sample in zip(inputs, data_samples, strict=True):
            h, w = sample.img_shape
            found = 2 if image[:, :h, :w].mean() > 100 else 0
            boxes = torch.tensor([[1.0, 1.0, 7.0, 9.0], [4.0, 2.0, 12.0, 8.0]])[:found]
            charts = ChartResults([result(8, 6, 2), result(6, 8, 9)][:found])
            sample.pred_instances = InstanceData(
                bboxes=boxes,
                scores=torch.tensor([0.5, 0.9])[:found],
                labels=torch.zeros(found, dtype=torch.long),
                densepose=charts,
            )
        return data_samples

    def extract_feat(self, inputs):
        self.batches.append((inputs.shape, inputs.dtype))
        return (inputs,)

    def predict_densepose(self, features, rois, results):
        self.rois.extend(rois)
        for res in results:
            sizes = (res.bboxes[:, 2:] - res.bboxes[:, :2]).int().tolist()
            res.densepose = ChartResults(result(h, w, 5) for w, h in sizes)
        return results
