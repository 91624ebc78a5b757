"""`DensePoseHead` without charts: one task, its labels, losses and results."""

import pytest
import torch

from mmktn.models.losses import ChartLoss
from mmktn.registry import MODELS
from mmktn.structures import DensePoseAnnotation, DensePoseAnnotations
from tests.test_models.test_heads.test_densepose_head import BOXES, TRUNK, annotations

TASKS = {
    "body": (
        {"coarse_channels": 0, "with_body_mask": True},
        {"type": "mmktn.SegmentationDecoder", "source": "body_mask", "name": "body_segmentation"},
        {"loss_body_mask"},
    ),
    "part": ({"coarse_channels": 15}, {"type": "mmktn.SegmentationDecoder"}, {"loss_coarse_segm"}),
    "keypoint": (
        {"coarse_channels": 0, "num_keypoints": 17},
        {"type": "mmktn.KeypointDecoder"},
        {"loss_keypoint"},
    ),
}


def make_head(task: str, **options):
    channels, decoder, _ = TASKS[task]
    predictor = {"type": "mmktn.ChartPredictor", "in_channels": 32, "with_charts": False}
    torch.manual_seed(0)
    return MODELS.build(
        {
            "type": "mmktn.DensePoseHead",
            "trunk": TRUNK,
            "predictor": predictor | channels,
            "task_decoders": [decoder],
            **options,
        }
    ).eval()


def features():
    return torch.rand(3, 32, 7, 7, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("task", TASKS)
def test_a_task_has_its_loss_alone_and_it_reaches_every_parameter(task):
    head = make_head(task)
    losses = head.loss_by_feat(head(features()), BOXES, BOXES, annotations(3))
    assert set(losses) == TASKS[task][2]
    sum(losses.values()).backward()
    assert all(p.grad is not None for p in head.parameters())


@pytest.mark.parametrize("task", TASKS)
def test_chunks_do_not_change_the_result(task):
    head = make_head(task, chunk_size=2)
    found = head.predict_instances(features(), BOXES)
    expected = head.decode(head(features()), BOXES)
    assert set(found) == set(expected) == set(head.no_results(BOXES[:0]))
    for name, values in found.items():
        for a, b in zip(values, expected[name], strict=True):
            same = torch.equal(a.labels, b.labels) if hasattr(a, "labels") else a.allclose(b)
            assert same, name


@pytest.mark.parametrize("task", TASKS)
def test_no_box(task):
    assert all(len(v) == 0 for v in make_head(task).predict_instances(None, BOXES[:0]).values())


def test_charts_keypoints_and_parts_from_one_head():
    """What a complete KTN can report."""
    decoders = [{"type": "mmktn.KeypointDecoder"}, {"type": "mmktn.SegmentationDecoder"}]
    predictor = {
        "type": "mmktn.ChartPredictor",
        "in_channels": 32,
        "coarse_channels": 15,
        "num_keypoints": 17,
    }
    config = {"type": "mmktn.DensePoseHead", "trunk": TRUNK, "predictor": predictor}
    head = MODELS.build(config | {"task_decoders": decoders}).eval()
    assert head.decoded_fields == ("fine_segm", "u", "v", "coarse_segm", "keypoint_heatmaps")
    found = head.predict_instances(features(), BOXES)
    assert set(found) == {"densepose", "keypoints", "keypoint_scores", "part_segmentation"}


def test_each_task_learns_from_those_who_carry_its_labels():
    keypoints = torch.rand(17, 2)
    people = DensePoseAnnotations(
        [
            *annotations(1),
            DensePoseAnnotation.without_densepose(keypoints, torch.full((17,), 1)),
            DensePoseAnnotation.without_densepose(keypoints, torch.zeros(17, dtype=torch.long)),
            DensePoseAnnotation.without_densepose(),
        ]
    )
    assert make_head("keypoint").supervised(people).tolist() == [True, True, False, False]
    assert make_head("part").supervised(people).tolist() == [True, False, False, False]
    assert make_head("body").supervised(people).tolist() == [True, False, False, False]


def test_settings_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"KeypointDecoder reads \['keypoint_heatmaps'\]"):
        make_head("part", task_decoders=[{"type": "mmktn.KeypointDecoder"}])
    with pytest.raises(ValueError, match="makes no map"):
        MODELS.build({"type": "mmktn.ChartPredictor", "coarse_channels": 0, "with_charts": False})


def test_uv_reference_is_no_matter_of_tasks_without_charts():
    head = make_head("body", loss={"type": "mmktn.ChartLoss", "uv_reference_images": 2})
    assert isinstance(head.chart_loss, ChartLoss)
    assert set(head.loss_by_feat(head(features()), BOXES, BOXES, annotations(3)))
