"""What happens between exported networks: the same numbers as the code of torch gives."""

import numpy as np
import pytest
import torch

from mmktn.compat.nms import nms
from mmktn.compat.roi_align import roi_align_forward
from mmktn.models.postprocess.chart_decoder import ChartDecoder
from mmktn.models.postprocess.keypoint_decoder import KeypointDecoder
from mmktn.runtime.boxes import (
    decode_deltas,
    detections,
    grid_anchors,
    proposals,
    suppress,
    suppress_by_group,
)
from mmktn.runtime.charts import decode_charts, decode_keypoints
from mmktn.runtime.pictures import batch_of, crop, crop_place, normalise, rescale
from mmktn.runtime.roi_align import pool_boxes, roi_align
from mmktn.structures import ChartOutput


def some_boxes(count, seed, side=40.0):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(-4, side, (count, 2))
    return np.concatenate([corner, corner + rng.uniform(1, side, (count, 2))], 1).astype("f")


def test_anchors_stand_on_every_cell_row_by_row():
    base = np.array([[-1, -2, 1, 2], [-3, -1, 3, 1]], "f")
    found = grid_anchors(base, (2, 3), (8, 16))
    assert found.shape == (12, 4)
    np.testing.assert_array_equal(found[:2], base)
    np.testing.assert_array_equal(found[2], [7, -2, 9, 2])
    np.testing.assert_array_equal(found[6], [-1, 14, 1, 18])


def test_deltas_move_and_stretch_and_stay_in_the_picture():
    coder = {"means": [0, 0, 0, 0], "stds": [0.1, 0.1, 0.2, 0.2]}
    box = np.array([[10, 20, 30, 60]], "f")
    moved = decode_deltas(box, np.array([[1, -1, 0, 0]], "f"), coder, (100, 100))
    np.testing.assert_allclose(moved, [[12, 16, 32, 56]], rtol=1e-6)
    doubled = decode_deltas(box, np.array([[0, 0, np.log(2) / 0.2, 0]], "f"), coder, (100, 100))
    np.testing.assert_allclose(doubled, [[0, 20, 40, 60]], atol=1e-4)
    clipped = decode_deltas(box, np.array([[0, 0, 1e6, 1e6]], "f"), coder, (50, 45))
    np.testing.assert_array_equal(clipped, [[0, 0, 45, 50]])


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.7])
def test_suppression_is_that_of_the_operator(threshold):
    boxes = some_boxes(200, seed=1)
    scores = np.random.default_rng(2).uniform(size=200).round(1).astype("f")  # with ties
    expected = nms(torch.from_numpy(boxes), torch.from_numpy(scores), threshold, 0).numpy()
    np.testing.assert_array_equal(suppress(boxes, scores, threshold), expected)


def test_groups_do_not_suppress_each_other():
    boxes = np.repeat(np.array([[0, 0, 10, 10]], "f"), 3, axis=0)
    scores = np.array([0.5, 0.9, 0.7], "f")
    np.testing.assert_array_equal(
        suppress_by_group(boxes, scores, np.array([0, 1, 0]), 0.5), [1, 2]
    )
    assert suppress_by_group(boxes[:0], scores[:0], np.zeros(0), 0.5).shape == (0,)


def test_proposals_are_the_best_of_each_level_that_no_better_one_covers():
    settings = {
        "anchors": [[[-4, -4, 4, 4]], [[-8, -8, 8, 8]]],
        "strides": [[8, 8], [16, 16]],
        "means": [0] * 4,
        "stds": [1] * 4,
        "nms_pre": 2,
        "max_per_img": 3,
        "min_size": 0,
        "iou": 0.5,
    }
    fine = np.array([[0.1, 3.0], [2.0, 1.0]], "f")[..., None]
    coarse = np.array([[5.0]], "f")[..., None]
    deltas = [np.zeros((2, 2, 4), "f"), np.zeros((1, 1, 4), "f")]
    found = proposals([fine, coarse], deltas, settings, (16, 16))
    np.testing.assert_array_equal(found, [[0, 0, 8, 8], [4, 0, 12, 4], [0, 4, 4, 12]])


def test_detections_are_sure_boxes_of_the_first_classes():
    settings = {"means": [0] * 4, "stds": [1] * 4, "score_thr": 0.5, "max_per_img": 5, "iou": 0.5}
    rois = np.array([[0, 0, 10, 10], [0, 0, 10, 11], [20, 20, 30, 30]], "f")
    logits = np.array([[2, 0], [3, 0], [-1, 0]], "f")
    boxes, scores, labels = detections(rois, logits, np.zeros((3, 4), "f"), settings, (40, 40))
    np.testing.assert_array_equal(boxes, rois[1:2])
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-3)), rtol=1e-6)
    np.testing.assert_array_equal(labels, [0])


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("sampling_ratio", [0, 2])
def test_pooling_is_that_of_the_operator(aligned, sampling_ratio):
    level = np.random.default_rng(3).normal(size=(12, 17, 5)).astype("f")
    boxes = np.concatenate([some_boxes(30, seed=4, side=120), [[-90, -90, -50, -50]]]).astype("f")
    boxes = np.concatenate([boxes, [[5, 5, 5, 5]]]).astype("f")  # without area
    rois = torch.from_numpy(np.concatenate([np.zeros((len(boxes), 1), "f"), boxes], axis=1))
    expected = roi_align_forward(
        torch.from_numpy(level).permute(2, 0, 1)[None],
        rois,
        bins_hw=(3, 4),
        spatial_scale=1 / 8,
        sampling_ratio=sampling_ratio,
        aligned=aligned,
    )
    options = dict(size_hw=(3, 4), scale=1 / 8, sampling_ratio=sampling_ratio, aligned=aligned)
    found = roi_align(level, boxes, **options)
    np.testing.assert_allclose(found, expected.permute(0, 2, 3, 1), atol=1e-5)


def test_large_boxes_are_pooled_from_coarse_levels():
    levels = [np.full((64 // s, 64 // s, 1), s, "f") for s in (4, 8)]
    settings = dict(size=[2, 2], strides=[4, 8], finest_scale=10, sampling_ratio=2, aligned=True)
    boxes = np.array([[0, 0, 19, 19], [0, 0, 30, 30], [10, 10, 10, 10]], "f")
    assert pool_boxes(levels, boxes, settings)[:, 0, 0, 0].tolist() == [4, 8, 4]


MAPS = {"fine_segm": 25, "u": 25, "v": 25, "body_mask": 2, "coarse_segm": 15}
BOXES = np.array([[3.2, 1.5, 47.9, 90.3], [0, 0, 0.4, 0.6], [10, 10, 20, 12], [5, 5, 18, 18]], "f")


def raw_maps(count, side=14, seed=5):
    """Smooth maps, so that a rounding error moves few borders."""
    rng = np.random.default_rng(seed)
    return {
        name: torch.from_numpy(rng.normal(size=(count, channels, side, side)).astype("f"))
        for name, channels in MAPS.items()
    }


@pytest.mark.parametrize(
    ("source", "threshold"),
    [
        ("body_mask", 0.3),
        ("body_mask", 0.5),
        ("coarse_segm", 0.5),
        ("fine_segm", 0.5),
        ("body_mask", -1.0),
    ],
)
@pytest.mark.parametrize("windows", [None, BOXES + np.array([-3, -2, 5, 4], "f")])
def test_charts_are_those_of_the_decoder(source, threshold, windows):
    maps = raw_maps(len(BOXES))
    decoder = ChartDecoder(source, threshold, chart_confidence=True)
    there = None if windows is None else torch.from_numpy(windows).double()
    expected = decoder.decode(ChartOutput(maps), torch.from_numpy(BOXES), windows_xyxy=there)
    settings = {"mask_source": source, "mask_threshold": threshold, "confidence": True}
    read = {"fine_segm", "u", "v", source}
    for index, result in enumerate(expected):
        own = {name: values[index].numpy() for name, values in maps.items() if name in read}
        window = None if windows is None else windows[index]
        found, wanted = decode_charts(own, BOXES[index], settings, window), result.arrays()
        assert found.xy == wanted.xy
        assert (found.labels == wanted.labels).mean() >= 0.999
        same = found.labels == wanted.labels
        np.testing.assert_allclose(found.uv[:, same], wanted.uv[:, same], atol=1e-4)
        name = "chart_confidence"
        np.testing.assert_allclose(found.fields[name][same], wanted.fields[name][same], atol=1e-4)
        np.testing.assert_array_equal(found.iuv_uint8()[0], found.labels)


def test_keypoints_are_those_of_the_decoder():
    heat = torch.from_numpy(np.random.default_rng(6).normal(size=(4, 17, 14, 14)).astype("f"))
    decoder = KeypointDecoder()
    expected = decoder.decode(ChartOutput(keypoint_heatmaps=heat), torch.from_numpy(BOXES))
    for index, box in enumerate(BOXES):
        points, scores = decode_keypoints(heat[index].numpy(), box)
        np.testing.assert_allclose(points, expected["keypoints"][index], atol=1e-3)
        np.testing.assert_allclose(scores, expected["keypoint_scores"][index], rtol=1e-4)


def test_pictures_fit_into_two_sides_and_are_padded():
    wide = rescale(np.zeros((100, 400, 3), np.uint8), (384, 224))
    assert wide.shape == (96, 384, 3)
    assert rescale(np.zeros((5000, 1, 3), np.uint8), (384, 224)).shape == (384, 1, 3)
    settings = {"mean": [1, 2, 3], "std": [2, 2, 2], "rgb": True}
    pixel = normalise(np.array([[[7, 6, 5]]], np.uint8), settings)
    np.testing.assert_array_equal(pixel[:, 0, 0], [2, 2, 2])
    batch = batch_of([np.ones((3, 10, 40), "f"), np.ones((3, 33, 2), "f")], 32)
    assert batch.shape == (2, 3, 64, 64)
    assert batch.sum(axis=(1, 2, 3)).tolist() == [3 * 400, 3 * 66]


@pytest.mark.parametrize("indices", [True, False])
def test_crop_shows_the_middle_of_the_box_in_its_aspect(indices):
    image = np.zeros((80, 80, 3), np.uint8)
    image[20:40, 30:50] = 200
    settings = {"size": [20, 40], "padding": 1.0, "indices": indices}
    centre, scale = crop_place(np.array([30, 20, 50, 40], "f"), settings)
    assert centre.tolist() == [40, 30]
    assert scale.tolist() == [20, 40]
    cut = crop(image, centre, scale, settings)
    assert cut.shape == (40, 20, 3)
    assert (cut[12:28, 2:18] == 200).all()
    assert not cut[:8].any()
    assert not cut[32:].any()
