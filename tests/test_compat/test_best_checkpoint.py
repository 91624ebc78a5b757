"""`save_best` without a rule knows the keys of our metrics, and those of others as before."""

import pytest
from mmengine.hooks import CheckpointHook

import mmktn  # noqa: F401
from mmktn.evaluation.functional.densepose.gps import similarity_names

GPS = similarity_names(["gps", "gpsm", "iou"], ["per_part", "global"])
GREATER = [
    *(f"densepose/{name}/{column}" for name in GPS for column in ("AP", "APm", "AR", "AR50")),
    *("crowdpose/oks/AP", "coco/oks/AP(E)", "keypoints/oks/AR", "crowdpose/recall_batch@0.1"),
    *("pointwise/AUC10", "pointwise/IoU", "pointwise/IoU_image_mean"),
    *("body_mask/AP", "body_mask/ARl", "parts/mIoU", "parts/IoU-head", "parts/APp50"),
    "parts/pixel_accuracy",
]


@pytest.mark.parametrize("key", GREATER)
def test_more_is_better(key):
    hook = CheckpointHook(save_best=key)
    assert hook.is_better_than[key](0.5, 0.4)


def test_less_is_better_of_missed_points():
    hook = CheckpointHook(save_best="pointwise/missed")
    assert hook.is_better_than["pointwise/missed"](0.4, 0.5)


@pytest.mark.parametrize("key", ["val/arcface_loss", "val/loss", "shape/loss_approx"])
def test_rules_of_others_stay(key):
    assert CheckpointHook(save_best=key).is_better_than[key](0.4, 0.5)
    with pytest.raises(ValueError, match="Cannot infer the rule"):
        CheckpointHook(save_best="others/distance")
