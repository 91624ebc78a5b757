"""Rules of detectron2 that need no weights, restated here and compared with mmdet as configured.

The converter permutes nothing: that rests on these.
"""

import math

import pytest
import torch
from mmdet.models.roi_heads.roi_extractors import SingleRoIExtractor
from mmengine.config import Config
from mmengine.registry import DefaultScope

from mmktn.registry import MODELS, TASK_UTILS
from mmktn.utils.setup_env import register_all_modules

from .official import CONFIGS

# float32 of coordinates of some hundred pixels
PIXELS = 1e-3


@pytest.fixture(scope="module")
def model_config():
    register_all_modules(init_default_scope=False)
    return Config.fromfile(str(CONFIGS / "densepose-rcnn_r50_fpn_s1x_dp-coco.py")).model


def build_coder(config):
    with DefaultScope.overwrite_default_scope("mmdet"):
        return TASK_UTILS.build(config)


def official_decode(box, delta, weights):
    """Box2BoxTransform.apply_deltas, scales clamped at 1000 / 16."""
    w, h = box[2] - box[0], box[3] - box[1]
    x, y = box[0] + w / 2, box[1] + h / 2
    dx, dy, dw, dh = (d / weight for d, weight in zip(delta, weights, strict=True))
    limit = math.log(1000 / 16)
    x, y = x + dx * w, y + dy * h
    w, h = w * math.exp(min(dw, limit)), h * math.exp(min(dh, limit))
    return [x - w / 2, y - h / 2, x + w / 2, y + h / 2]


@pytest.mark.parametrize(
    ("part", "weights"),
    [("rpn_head", (1.0, 1.0, 1.0, 1.0)), ("roi_head.bbox_head", (10.0, 10.0, 5.0, 5.0))],
)
def test_boxes_are_decoded_alike(model_config, part, weights):
    node = model_config
    for word in part.split("."):
        node = node[word]
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(50, 2, generator=generator) * 300
    boxes = torch.cat([corner, corner + 5 + torch.rand(50, 2, generator=generator) * 200], dim=1)
    deltas = torch.randn(50, 4, generator=generator) * torch.tensor(weights)
    deltas[0, 2:] = 30 * weights[2]  # beyond the clamp
    ours = build_coder(node.bbox_coder).decode(boxes, deltas)
    theirs = torch.tensor(
        [
            official_decode(b, d, weights)
            for b, d in zip(boxes.tolist(), deltas.tolist(), strict=True)
        ]
    )
    torch.testing.assert_close(ours, theirs, atol=PIXELS, rtol=1e-5)


def test_anchors_run_over_cells_row_by_row_and_over_ratios_in_a_cell(model_config):
    """Channel a of the objectness map belongs to ratio a; places are corners of cells."""
    generator = build_coder(model_config.rpn_head.anchor_generator)
    anchors = generator.grid_priors([(2, 3)] + [(1, 1)] * 4, device="cpu")[0]
    expected = [
        [x - w / 2, y - h / 2, x + w / 2, y + h / 2]
        for y in (0, 4)
        for x in (0, 4, 8)
        for w, h in ((32 / r**0.5, 32 * r**0.5) for r in (0.5, 1.0, 2.0))
    ]
    torch.testing.assert_close(anchors, torch.tensor(expected), atol=PIXELS, rtol=0)


def test_level_of_a_box_is_that_of_detectron2(model_config):
    with DefaultScope.overwrite_default_scope("mmdet"):
        extractor: SingleRoIExtractor = MODELS.build(model_config.roi_head.bbox_roi_extractor)
    sides = torch.tensor([1.0, 111.9, 112.0, 223.9, 224.0, 447.9, 448.0, 895.0, 897.0, 5000.0])
    rois = torch.stack([torch.zeros(10)] * 3 + [sides, sides], dim=1)
    theirs = torch.floor(4 + torch.log2(sides / 224)).clamp(2, 5) - 2
    assert extractor.map_roi_levels(rois, 4).tolist() == theirs.long().tolist()


def test_coarsest_level_takes_every_second_cell_of_the_one_before(model_config):
    """P6 = max-pool of P5 with kernel 1 and stride 2."""
    with DefaultScope.overwrite_default_scope("mmdet"):
        neck = MODELS.build(model_config.neck | {"in_channels": [4] * 4, "out_channels": 4})
    levels = neck([torch.randn(1, 4, 56 >> i, 40 >> i) for i in range(4)])
    assert torch.equal(levels[4], levels[3][:, :, ::2, ::2])
