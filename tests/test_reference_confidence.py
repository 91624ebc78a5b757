"""Parity with detectron2's confidences: WC1, WC2, WC1M, WC2M and their DeepLab forms.

Every `d2_densepose_*WC*.npz` of MMKTN_CONFIDENCE_CSE_DIR is read, else the copy in
tests/data/reference/confidence_cse, whose features lie in a file beside it.
"""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from mmktn.models.losses.uv_likelihood import VARIANCE_FLOOR, uv_likelihood_terms, variance_of
from mmktn.models.maps.confidences import SEGM_FLOOR
from mmktn.models.postprocess import ChartDecoder
from mmktn.models.targets import build_chart_targets, sample_maps_at_points
from tests.reference_files import COPIES
from tests.test_reference_models import (
    CONFIDENCES,
    OUTPUT_RTOL,
    Reference,
    assert_gradient_norms_equal,
    assert_losses_equal,
    assert_outputs_equal,
    predict,
)

FOLDER = Path(os.environ.get("MMKTN_CONFIDENCE_CSE_DIR") or COPIES / "confidence_cse")
FILES = sorted(p for p in FOLDER.glob("d2_densepose_*WC*.npz") if ".features" not in p.suffixes)
# Share of pixels whose chart may differ: two logits nearly tie (README of the files).
LABEL_SHARE = 1e-3

each_file = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def test_confidence_reference_folder_has_files():
    assert FILES, f"no d2_densepose_*WC*.npz in {FOLDER}"


@each_file
def test_confidence_model_is_that_of_the_reference(path):
    reference = Reference(path)
    arrays, made = (
        reference.arrays,
        set(reference.model.roi_head.densepose_head.predictor.map_layers),
    )
    assert float(arrays["uv_epsilon"]) == VARIANCE_FLOOR
    assert float(arrays["segm_epsilon"]) == SEGM_FLOOR
    assert ("kappa_u" in made) == (str(arrays["uv_type"]) == "indep_aniso")
    assert ("fine_segm_confidence" in made) == bool(arrays["segm_confidence"])
    assert "sigma_2" in made


@each_file
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_confidence_outputs_equal_the_reference(path, training):
    reference = Reference(path)
    reference.model.train(training)
    with torch.no_grad():
        assert_outputs_equal(reference, reference.forward())


@each_file
def test_confidence_losses_equal_the_reference(path):
    assert_losses_equal(path)


@each_file
def test_confidence_gradient_norms_equal_the_reference(path):
    assert_gradient_norms_equal(path)


@each_file
def test_confidence_terms_of_every_point_equal_the_reference(path):
    reference = Reference(path)
    arrays = reference.arrays
    targets = build_chart_targets(
        reference.boxes("box"), reference.boxes("gtbox"), reference.annotations()
    )
    count = targets.num_surface_points
    assert len(targets.roi_index) == arrays["point/valid"].sum()
    assert count == arrays["point/used_by_uv"].sum()
    with torch.no_grad():
        output = reference.forward()["output"]
    grid = targets.point_grid(output.map_hw)[:count]
    charts, index = targets.point_charts[:count], targets.roi_index[:count]
    found = {
        name: sample_maps_at_points(output[name], index, grid, channels=charts)
        for name in ("u", "v", *CONFIDENCES[:3])
        if name in output
    }
    for name, values in found.items():
        theirs = torch.from_numpy(arrays[f"point/{name}"])
        assert (values - theirs).abs().max() <= OUTPUT_RTOL * theirs.abs().max(), name
    variance = variance_of(found["sigma_2"])
    np.testing.assert_allclose(variance, arrays["point/sigma_2_decoded"], rtol=1e-4)
    terms = uv_likelihood_terms(
        found["u"] - targets.point_uv[:count, 0],
        found["v"] - targets.point_uv[:count, 1],
        variance,
        (found["kappa_u"], found["kappa_v"]) if "kappa_u" in found else None,
    )
    theirs = arrays["point/uv_nll"]
    np.testing.assert_allclose(terms, theirs, atol=OUTPUT_RTOL * np.abs(theirs).max())


@each_file
def test_confidence_decoding_equals_the_reference(path):
    """Labels, U, V and every confidence of each box; one box is thinner than a pixel."""
    reference = Reference(path)
    reference.model.eval()
    arrays = reference.arrays
    compared = 0
    for image in reference.images:
        boxes = reference.tensor(f"det/{image}/box")
        with torch.inference_mode():
            results = ChartDecoder().decode(predict(reference, image, boxes), boxes)
        for k, result in enumerate(results):
            where = f"det/{image}/{k}"
            if f"{where}/labels" not in arrays:
                continue  # the shipped copy holds some boxes only
            compared += 1
            labels = arrays[f"{where}/labels"]
            assert result.hw == labels.shape
            agree = result.labels.numpy() == labels
            assert (~agree).mean() <= LABEL_SHARE
            official = {n: v for n, v in result.fields.items() if n in CONFIDENCES}
            assert set(official) == {n for n in CONFIDENCES if f"{where}/{n}/value" in arrays}
            for name, values in {**official, "u": result.uv[0], "v": result.uv[1]}.items():
                index = arrays[f"{where}/{name}/index"]
                theirs = arrays[f"{where}/{name}/value"]
                same = agree.reshape(-1)[index] | (name.endswith("segm_confidence"))
                error = np.abs(values.numpy().reshape(-1)[index] - theirs)[same]
                assert error.max(initial=0) <= OUTPUT_RTOL * max(np.abs(theirs).max(), 1e-3), name
            if f"{where}/iuv_uint8" in arrays:
                bytes_differ = np.abs(
                    result.iuv_uint8().astype(int) - arrays[f"{where}/iuv_uint8"]
                )[:, agree]
                assert bytes_differ.max() <= 1  # truncation of values that differ by 1e-7
    assert compared
