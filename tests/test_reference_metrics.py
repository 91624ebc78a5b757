"""The numbers of the official evaluators, case by case from the metric reference folder.

Cases come from the names in ``dp_outputs.json`` and ``kp_outputs.json``: other sets, levels and
categories of the same layout are tested without a change here.
"""

import math
import re

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from mmktn.evaluation.functional.densepose.gps import kappas
from mmktn.evaluation.functional.densepose.person_points import (
    place_points,
    points_in_boxes,
    search_vertices,
)
from mmktn.evaluation.functional.keypoints.ap import evaluate_keypoints
from mmktn.evaluation.functional.masks.ignore_regions import ignore_region_mask
from mmktn.evaluation.functional.masks.mask_iou import detection_mask, truth_mask
from mmktn.evaluation.functional.masks.part_masks import merged_part_masks, resize_part_mask
from tests.test_evaluation import reference_cases as ref
from tests.tool_modules import tool_module

_oracle = tool_module("projects/oracle/oracle.py")

DENSE_CASES = sorted(ref.densepose_outputs())
KEYPOINT_CASES = sorted(ref.keypoint_outputs())
MODES = {"GPS": "gps", "GPSM": "gpsm", "IOU": "iou"}
MIN_THRESHOLD = re.compile(r"min_threshold_(\d*\.\d+)")
ORACLE_MODES = {
    "IUV_GT": _oracle.Substitution(surface=True, u=True, v=True),
    "I_GT_UV_DT": _oracle.Substitution(surface=True),
}


def same(value, expected, scale=1.0):
    """Equal to 1e-6 of a fraction; -1, -100 and nan all say that there is no ground truth."""
    if expected is None or math.isnan(expected) or expected < 0:
        return value < 0 or math.isnan(value)
    return abs(value * scale - expected) <= ref.TOLERANCE * scale


def dense_tables():
    for case in DENSE_CASES:
        for group, modes in ref.densepose_outputs()[case].items():
            found = MIN_THRESHOLD.fullmatch(group)
            if found:
                yield from (
                    pytest.param(case, float(found[1]), mode, expected, id=f"{case}-{group}-{mode}")
                    for mode, expected in modes.items()
                )


@pytest.mark.parametrize(("case", "threshold", "mode", "expected"), list(dense_tables()))
def test_reference_densepose_columns(case, threshold, mode, expected):
    scores = ref.densepose_scores(*case.split("/"), threshold).values()
    wrong = {
        column: (scores[f"{MODES[mode]}/{column}"] * 100, value)
        for column, value in expected.items()
        if not same(scores[f"{MODES[mode]}/{column}"], value, scale=100.0)
    }
    assert not wrong


def oracle_tables():
    for case in DENSE_CASES:
        for mode, expected in ref.densepose_outputs()[case].get("data_modes_GPS", {}).items():
            if isinstance(expected, dict):
                yield pytest.param(case, mode, expected, id=f"{case}-{mode}")


@pytest.mark.parametrize(("case", "mode", "expected"), list(oracle_tables()))
def test_reference_oracle_modes(case, mode, expected):
    set_name, level = case.split("/")
    substitution = ORACLE_MODES[mode]
    scores = _oracle.evaluate_oracle(
        ref.densepose_truth(set_name),
        ref.densepose_detections(set_name, level),
        ref.reference_surface(),
        substitutions=[substitution],
        metrics=["gps"],
    )[substitution.name].values()
    wrong = {k: v for k, v in expected.items() if not same(scores[f"gps/{k}"], v, scale=100.0)}
    assert not wrong


@pytest.fixture(params=[c for c in DENSE_CASES if not c.endswith("/empty")])
def dense_case(request):
    set_name, level = request.param.split("/")
    detail = ref.Detail(f"dp_{set_name}_{level}_detail.npz")
    scores = ref.densepose_scores(set_name, level)
    pairs = {(p.image_id, p.category_id): k for k, p in enumerate(scores.pairs)}
    return detail, scores, pairs


def test_reference_instance_similarities(dense_case):
    detail, scores, places = dense_case
    compared = 0
    for k, key in enumerate(detail["pair_img_cat"]):
        gps, iou = detail.ragged("gps")[k], detail.ragged("mask_iou")[k]
        if not gps.size:
            continue
        pair = scores.pairs[places[tuple(key)]]
        assert pair.det_index.tolist() == detail.ragged("det_index")[k].reshape(-1).tolist()
        assert pair.gt_ids.tolist() == detail.ragged("gt_id")[k].reshape(-1).tolist()
        np.testing.assert_allclose(pair.similarities["gps"], gps, atol=ref.TOLERANCE)
        np.testing.assert_allclose(pair.similarities["iou"], iou, atol=ref.TOLERANCE)
        np.testing.assert_allclose(
            pair.similarities["gpsm"], np.sqrt(gps * iou), atol=ref.TOLERANCE
        )
        np.testing.assert_allclose(pair.box_iou, detail.ragged("box_iou")[k], atol=ref.TOLERANCE)
        compared += gps.size
    assert compared


def ids_of(match, ids):
    """Match indices as annotation ids (or list positions + 1), 0 for none."""
    return np.where(match >= 0, np.append(ids, 0)[match], 0)


@pytest.mark.parametrize("mode", list(MODES))
def test_reference_matches(dense_case, mode):
    detail, scores, places = dense_case
    m = scores.names.index(MODES[mode])
    images, categories = detail["img_ids"], detail["cat_ids"]
    none = detail[f"{mode}_none"].reshape(len(categories), -1, len(images))
    lists = {
        name: detail.ragged(f"{mode}_{name}")
        for name in ("dt_match", "dt_ignore", "gt_match", "gt_ignore", "gt_id")
    }
    for entry, (c, a, i) in enumerate(np.ndindex(none.shape)):
        key = (images[i], categories[c])
        if none[c, a, i]:
            assert key not in places
            continue
        pair, match = scores.pairs[places[key]], scores.matches[places[key]]
        order = np.argsort(match.gt_ignored[a], kind="stable")
        dt_match = ids_of(match.dt_match[m, a], pair.gt_ids)
        gt_match = ids_of(match.gt_match[m, a], pair.det_index + 1)[:, order]
        assert np.array_equal(dt_match, lists["dt_match"][entry])
        assert np.array_equal(match.dt_ignored[m, a], lists["dt_ignore"][entry])
        assert np.array_equal(gt_match, lists["gt_match"][entry])
        assert np.array_equal(match.gt_ignored[a][order], lists["gt_ignore"][entry].reshape(-1))
        assert np.array_equal(pair.gt_ids[order], lists["gt_id"][entry].reshape(-1))


def test_reference_curves(dense_case):
    detail, scores, _ = dense_case
    order = [scores.names.index(name) for name in MODES.values()]
    curves = scores.curves
    assert curves.category_ids.tolist() == detail["cat_ids"].tolist()
    np.testing.assert_allclose(
        curves.precision[order], detail["precision"][..., -1], atol=ref.TOLERANCE
    )
    np.testing.assert_allclose(curves.recall[order], detail["recall"][..., -1], atol=ref.TOLERANCE)
    np.testing.assert_allclose(curves.thresholds, detail["iou_thrs"], atol=1e-12)


def test_reference_nearest_vertices():
    steps, atlas = ref.Detail("dp_steps.npz"), ref.reference_surface().atlas
    found = atlas.nearest_vertex(steps["cv_I"], steps["cv_U"], steps["cv_V"])
    expected = steps["cv_subdiv_1based"]
    assert np.array_equal(np.where(found >= 0, found + 1, -1), expected)
    unique = np.where(found >= 0, atlas.mesh_vertex[found] + 1, 0)
    assert np.array_equal(unique, steps["cv_unique_1based"])


def test_reference_geodesics():
    steps = ref.Detail("dp_steps.npz")
    a, b = steps["gd_a"].astype(int), steps["gd_b"].astype(int)
    found = ref.reference_surface().geodesics.distance(a[a > 0] - 1, b[a > 0] - 1)
    np.testing.assert_allclose(found, steps["gd_dist_for_a_nonzero"], atol=ref.TOLERANCE)


def case_of_pairs(pairs):
    """The set and level whose annotations and detections the step file speaks of."""
    wanted = set(pairs[:, 1].tolist())
    cases = sorted(DENSE_CASES, key=lambda name: name != "main/mixed")
    for case in cases:
        set_name, level = case.split("/")
        ids = {p.annotation_id for p in ref.densepose_truth(set_name).all_persons()}
        if wanted <= ids and len(ref.densepose_detections(set_name, level)) > pairs[:, 0].max():
            return set_name, level
    return pytest.skip("no set of this folder has the annotations of dp_steps.npz")


def test_reference_points_of_pairs():
    steps = ref.Detail("dp_steps.npz")
    set_name, level = case_of_pairs(steps["pp_pair"])
    truth, detections = ref.densepose_truth(set_name), ref.densepose_detections(set_name, level)
    persons = {p.annotation_id: p for p in truth.all_persons()}
    surface = ref.reference_surface()
    ends = {
        n: np.cumsum([0, *steps[f"{n}_n"]])
        for n in ("pp_px", "pp_py", "pp_outside", "pp_dist", "pp_kappa")
    }

    def part(name, k):
        return steps[name][ends[name][k] : ends[name][k + 1]]

    for k, (position, annotation) in enumerate(steps["pp_pair"]):
        person = [persons[annotation]]
        points = place_points(person, search_vertices(person, surface))
        box = detections.boxes_xywh[position]
        pixels, inside = points_in_boxes(points, box[None])
        assert np.array_equal(pixels[0, :, 0], part("pp_px", k))
        assert np.array_equal(pixels[0, :, 1], part("pp_py", k))
        assert np.array_equal(~inside[0], part("pp_outside", k) == -1)
        read = detections.iuv(int(position))[:, pixels[0, :, 1], pixels[0, :, 0]].astype(int)
        read[0, ~inside[0]] = 0
        nearest = surface.atlas.nearest_vertex_uint8(*read)
        vertex = np.where(nearest >= 0, surface.atlas.mesh_vertex[nearest], -1)
        valid = points.vertex >= 0
        distance = surface.geodesics.distance(points.vertex[valid], vertex[valid])
        np.testing.assert_allclose(distance, part("pp_dist", k), atol=ref.TOLERANCE)
        kappa = kappas(points.charts[valid], "per_part")
        np.testing.assert_allclose(kappa, part("pp_kappa", k), atol=1e-12)


def rle_area(rle):
    return coco_mask.decode(rle).astype(bool)


def mask_entries():
    for group, entries in ref.read_json("dp_masks.json").items():
        if isinstance(entries, dict):
            yield from (
                pytest.param(group, name, value, id=f"{group}-{name}")
                for name, value in entries.items()
                if group != "gt"
            )
            if group == "gt":
                for set_name, masks in entries.items():
                    yield pytest.param(group, set_name, masks, id=f"gt-{set_name}")


@pytest.mark.parametrize(("group", "name", "expected"), list(mask_entries()))
def test_reference_masks(group, name, expected):
    if group == "gt":
        truth = ref.densepose_truth(name)
        persons = {str(p.annotation_id): p for p in truth.all_persons()}
        for annotation, rle in expected.items():
            person = persons[annotation]
            image = truth.images[person.image_id]
            found = truth_mask(person, image).full(image.height, image.width)
            assert np.array_equal(found, rle_area(rle)), annotation
    elif group == "ignore_region":
        for image_id, rle in expected.items():
            region = ignore_region_mask(ref.densepose_truth(name).images[int(image_id)])
            assert np.array_equal(region, rle_area(rle))
    elif group.startswith("det_"):
        set_name, level = group.removeprefix("det_").rsplit("_", 1)
        truth, dets = ref.densepose_truth(set_name), ref.densepose_detections(set_name, level)
        k = int(name)
        image = truth.images[int(dets.image_ids[k])]
        found = detection_mask(dets.iuv(k), dets.boxes_xywh[k], image)
        assert np.array_equal(found.full(image.height, image.width), rle_area(expected))


def test_reference_mask_resizing():
    masks = ref.read_json("dp_masks.json")
    for name in [n for n in masks if n.startswith("zoom_ann_")]:
        annotation = int(name.removeprefix("zoom_ann_"))
        sets = sorted({c.split("/")[0] for c in DENSE_CASES}, key=lambda s: s != "main")
        person = next(
            p
            for s in sets
            for p in ref.densepose_truth(s).all_persons()
            if p.annotation_id == annotation
        )
        grid = merged_part_masks(person.part_masks, name)
        for case in masks[name]:
            h, w = (round(max(case[side], 1)) for side in "hw")
            found = resize_part_mask(grid, h, w)
            assert np.array_equal(found, rle_area(case["rle"]).astype(bool)), case
    full = np.ones((256, 256), dtype=np.uint8)
    for width, out, kept in masks["zoom_ones_width_outwidth_kept"]:
        found = resize_part_mask(full, 256, round(width))
        assert found.shape[1] == out
        assert found[0].sum() == kept


def test_reference_raw_outputs_give_the_decoded_labels():
    sample_bilinear = _oracle.sample_bilinear
    raw = ref.Detail("dp_raw_outputs.npz")
    for k in range(len(raw["boxes_xywh"])):
        expected = raw[f"result_{k}"]
        y, x = (grid.reshape(-1) for grid in np.indices(expected.shape[1:]))
        hw = expected.shape[1:]
        fine = sample_bilinear(raw[f"fine_segm_{k}"], x, y, output_hw=hw)
        coarse = sample_bilinear(raw[f"coarse_segm_{k}"], x, y, output_hw=hw)
        person = coarse.argmax(axis=0) > 0
        labels = (fine.argmax(axis=0) * person).reshape(hw)
        # Two logits may tie to float32 rounding: a pixel in a thousand is allowed to differ.
        assert (labels == expected[0]).mean() >= 0.999
        assert (person.reshape(hw) == raw[f"coarse_mask_{k}"].astype(bool)).mean() >= 0.999
        channel = labels.reshape(-1)
        for name, row in (("u", 1), ("v", 2)):
            values = sample_bilinear(raw[f"{name}_{k}"], x, y, output_hw=hw)
            values = np.where(channel > 0, values[channel, np.arange(len(x))], 0).reshape(hw)
            byte = np.clip(values * 255, 0, 255).astype(np.uint8)
            agree = labels == expected[0]
            assert np.abs(byte.astype(int) - expected[row].astype(int))[agree].max(initial=0) <= 1
            assert (byte == expected[row])[agree].mean() >= 0.99


PROTOCOLS = {"pycocotools": "", "crowdposetools": "", "xtcocotools": "_xtcocotools"}


def keypoint_protocol_name(set_name, implementation):
    family = "crowdpose" if ref.is_crowd_set(set_name) else "coco"
    return family + PROTOCOLS[implementation]


def keypoint_tables():
    for case in KEYPOINT_CASES:
        for implementation, expected in ref.keypoint_outputs()[case].items():
            if isinstance(expected, dict):
                yield pytest.param(case, implementation, expected, id=f"{case}-{implementation}")


@pytest.mark.parametrize(("case", "implementation", "expected"), list(keypoint_tables()))
def test_reference_keypoint_metric_columns(case, implementation, expected):
    set_name, level = case.split("/")
    scores = evaluate_keypoints(
        ref.keypoint_truth(set_name),
        ref.keypoint_detections(set_name, level),
        protocol=keypoint_protocol_name(set_name, implementation),
    ).values()
    split = {f"AP{part}": f"AP{part}_code0.2-0.8" for part in ("easy", "medium", "hard")}
    for column, value in expected.items():
        found = scores[f"oks/{split.get(column, column)}"]
        # Splits count cells without ground truth as -1, so a split may be a negative number.
        if column in split:
            assert found == pytest.approx(value, abs=ref.TOLERANCE)
        else:
            assert same(found, value), column


@pytest.mark.parametrize("case", [c for c in KEYPOINT_CASES if not c.endswith("/empty")])
def test_reference_keypoint_metric_details(case):
    set_name, level = case.split("/")
    detail = ref.Detail(f"kp_{set_name}_{level}_detail.npz")
    detections = ref.keypoint_detections(set_name, level)
    scores = evaluate_keypoints(
        ref.keypoint_truth(set_name), detections, protocol=keypoint_protocol_name(
            set_name, "crowdposetools")
    )  # fmt: skip
    np.testing.assert_allclose(detections.areas, detail["det_area"], rtol=1e-9)
    np.testing.assert_allclose(
        scores.curves.precision[0], detail["precision"][..., -1], atol=ref.TOLERANCE
    )
    np.testing.assert_allclose(
        scores.curves.recall[0], detail["recall"][..., -1], atol=ref.TOLERANCE
    )
    images = detail["img_ids"]
    categories = scores.curves.category_ids
    places = {(p.category_id, p.image_id): k for k, p in enumerate(scores.pairs)}
    keys = [(c, i) for c in categories for i in images]
    for k, key in enumerate(keys):
        oks = detail.ragged("oks")[k]
        if not oks.size:
            continue
        pair = scores.pairs[places[key]]
        assert pair.det_index.tolist() == detail.ragged("det_index")[k].reshape(-1).tolist()
        assert pair.gt_ids.tolist() == detail.ragged("gt_id")[k].reshape(-1).tolist()
        np.testing.assert_allclose(pair.similarities["oks"], oks, atol=ref.TOLERANCE)
    none = detail["none"].reshape(len(categories), -1, len(images))
    lists = {n: detail.ragged(n) for n in ("dt_match", "dt_ignore", "gt_ignore", "gt_id_sorted")}
    for entry, (c, a, i) in enumerate(np.ndindex(none.shape)):
        key = (categories[c], images[i])
        if none[c, a, i]:
            assert key not in places
            continue
        if key not in places:
            # Nothing to compare: no person and no detection.
            assert not lists["dt_match"][entry].size
            continue
        pair, match = scores.pairs[places[key]], scores.matches[places[key]]
        order = np.argsort(match.gt_ignored[a], kind="stable")
        assert np.array_equal(ids_of(match.dt_match[0, a], pair.gt_ids), lists["dt_match"][entry])
        assert np.array_equal(match.dt_ignored[0, a], lists["dt_ignore"][entry])
        assert np.array_equal(match.gt_ignored[a][order], lists["gt_ignore"][entry].reshape(-1))
        assert np.array_equal(pair.gt_ids[order], lists["gt_id_sorted"][entry].reshape(-1))
