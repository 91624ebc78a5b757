"""Segmentations, masks and keypoints land on their pixels."""

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData

from mmktn.structures import SegmentationResult, SegmentationResults
from mmktn.visualization.annotation_drawing import coarse_colours
from mmktn.visualization.chart_visualizer import ChartVisualizer
from mmktn.visualization.task_drawing import draw_segmentation, draw_tasks


@pytest.fixture
def image() -> np.ndarray:
    return np.full((40, 60, 3), 100, dtype=np.uint8)


def changed(picture: np.ndarray, image: np.ndarray) -> np.ndarray:
    return (picture != image).any(axis=-1)


def people(**fields) -> InstanceData:
    boxes = torch.tensor([[10.0, 5.0, 30.0, 25.0]])
    return InstanceData(bboxes=boxes, scores=torch.ones(1), labels=torch.zeros(1).long(), **fields)


def labelled(part) -> SegmentationResults:
    labels = torch.full((20, 20), part, dtype=torch.uint8)
    return SegmentationResults([SegmentationResult(labels, (10, 5))])


def test_segmentations_cover_their_labels_alone(image):
    labels = np.zeros((20, 20), dtype=np.uint8)
    labels[:10] = 14
    picture = draw_segmentation(image, labels, (10, 5))
    expected = np.zeros((40, 60), dtype=bool)
    expected[5:15, 10:30] = True
    np.testing.assert_array_equal(changed(picture, image), expected)
    mixed = 0.45 * 100 + 0.55 * coarse_colours()[14]
    assert np.abs(picture[5, 10] - mixed).max() <= 1
    assert (image == 100).all()


def test_segmentations_are_cut_at_the_border(image):
    labels = np.ones((20, 20), dtype=np.uint8)
    assert changed(draw_segmentation(image, labels, (-15, 30)), image).sum() == 5 * 10
    assert changed(draw_segmentation(image, labels, (55, -18)), image).sum() == 5 * 2


def test_every_task_is_drawn_and_nothing_else_leaves_the_photo_alone(image):
    assert not changed(draw_tasks(image, people()), image).any()
    assert changed(draw_tasks(image, people(body_segmentation=labelled(1))), image).sum() == 400
    masks = torch.zeros(1, 40, 60, dtype=torch.bool)
    masks[0, 30:, 50:] = True
    np.testing.assert_array_equal(
        changed(draw_tasks(image, people(masks=masks)), image), masks[0].numpy()
    )
    keypoints = torch.full((1, 17, 2), 20.0)
    scores = torch.zeros(1, 17)
    fields = {"keypoints": keypoints, "keypoint_scores": scores}
    assert not changed(draw_tasks(image, people(**fields)), image).any()
    scores[0, 5] = 0.9
    assert changed(draw_tasks(image, people(**fields)), image)[20, 20]


def test_visualizer_draws_tasks_with_the_boxes(image):
    visualizer = ChartVisualizer()
    visualizer.dataset_meta = {"classes": ("person",)}
    plain = visualizer.draw_predictions(image, people())
    drawn = visualizer.draw_predictions(image, people(part_segmentation=labelled(3)))
    assert changed(drawn, plain)[15, 20]
