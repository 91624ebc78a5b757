"""Whole detectors: official state dict -> converter -> detections and decoded charts.

Every file of a whole detector in the reference folder (tests/reference_files.py) goes through the
command line of the converter, which finds the config and adapts it to the narrow widths.
"""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample

from mmktn.apis import convert_command
from mmktn.apis.model_loading import load_model
from mmktn.structures.box_grid import result_box_hw
from tests.reference_files import files

ROOT = Path(__file__).parents[1]
FILES = files("detector")

# Settings of reference/README.md; a file with more proposals or detections has a larger limit.
PRE_NMS, POST_NMS, DETECTIONS = 200, 60, 12
# Tolerances of reference/README.md.
BOX_PIXELS = 1e-2
SCORE = 1e-4
UV = 1e-3
LABELS_AGREEING = 0.999
MAP_RTOL = 1e-4
# The logit is recovered from a sigmoid in float32, which costs 1.2e-7 / (p (1 - p)).
SIGMOID_ROUNDING = 1.2e-7
# Proposals of equal score to this precision may change places.
TIE = 1e-4


class Run:
    """One file, its converted model and what the model makes of the image."""

    def __init__(self, path: Path, folder: Path):
        self.arrays = dict(np.load(path, allow_pickle=False))
        self.model = self._convert(folder)
        image = torch.from_numpy(self.arrays["image_bgr"]).permute(2, 0, 1).contiguous()
        size = tuple(image.shape[1:])
        sample = DetDataSample(
            metainfo={"img_shape": size, "ori_shape": size, "scale_factor": (1.0, 1.0)}
        )
        with torch.inference_mode():
            data = self.model.data_preprocessor({"inputs": [image], "data_samples": [sample]})
            self.levels = self.model.extract_feat(data["inputs"])
            self.proposals = self.model.rpn_head.predict(
                self.levels, data["data_samples"], rescale=False
            )[0]
            self.detections = self.model.predict(data["inputs"], data["data_samples"])[
                0
            ].pred_instances

    def _convert(self, folder: Path):
        """Through a pickle as in the model zoo, and the converter's command line."""
        params = {
            name.removeprefix("param/"): array.astype(np.float32)
            for name, array in self.arrays.items()
            if name.startswith("param/")
        }
        source, target, config = folder / "official.pkl", folder / "ours.pth", folder / "config.py"
        source.write_bytes(pickle.dumps({"model": params, "__author__": "test"}))
        convert_command.main([str(source), str(target), "--out-config", str(config)])
        proposals = len(self.arrays["out/proposal_boxes"])
        boxes = len(self.arrays["out/boxes"])
        options = {
            "model.test_cfg.rpn.nms_pre": PRE_NMS,
            "model.test_cfg.rpn.max_per_img": max(POST_NMS, proposals),
            "model.test_cfg.rcnn.max_per_img": max(DETECTIONS, boxes),
        }
        return load_model(config, target, device="cpu", cfg_options=options)

    def official(self, name: str) -> torch.Tensor:
        return torch.from_numpy(self.arrays[f"out/{name}"])


@pytest.fixture(scope="module", params=FILES, ids=lambda path: path.stem)
def run(request, tmp_path_factory):
    return Run(request.param, tmp_path_factory.mktemp(request.param.stem))


def order_of(ours: torch.Tensor, theirs: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Index into ours for each of theirs (boxes (N, 4)): the identity up to ties of the scores."""
    assert len(ours) == len(theirs)
    distance = (theirs[:, None] - ours[None]).abs().amax(dim=-1)
    index = torch.arange(len(theirs))
    displaced = distance.diagonal() > BOX_PIXELS
    index[displaced] = distance[displaced].argmin(dim=1)
    assert len(index.unique()) == len(index)
    assert (scores[index] - scores).abs().max() <= TIE
    return index


@pytest.mark.parametrize(("name", "level"), [("p2", 0), ("p5", 3)])
def test_pyramid_equals_the_reference(run, name, level):
    ours, theirs = run.levels[level], run.official(f"{name}/value")
    assert list(ours.shape) == run.official(f"{name}/shape").tolist()
    found = ours.flatten()[run.official(f"{name}/index").long()]
    assert (found - theirs).abs().max() <= MAP_RTOL * theirs.abs().max()


def test_proposals_equal_the_reference(run):
    boxes, logits = run.official("proposal_boxes"), run.official("objectness_logits")
    index = order_of(run.proposals.bboxes, boxes, logits)
    assert (run.proposals.bboxes[index] - boxes).abs().max() <= BOX_PIXELS
    probability = logits.double().sigmoid()
    rounding = SIGMOID_ROUNDING / (probability * (1 - probability))
    error = (run.proposals.scores[index].double().logit() - logits).abs()
    assert (error <= SCORE + rounding).all()


def test_detections_equal_the_reference(run):
    boxes, scores = run.official("boxes"), run.official("scores")
    index = order_of(run.detections.bboxes, boxes, scores)
    assert (run.detections.bboxes[index] - boxes).abs().max() <= BOX_PIXELS
    assert (run.detections.scores[index] - scores).abs().max() <= SCORE


def test_decoded_charts_equal_the_reference(run):
    boxes = run.official("boxes")
    index = order_of(run.detections.bboxes, boxes, run.official("scores"))
    sizes = result_box_hw(run.detections.bboxes[index])
    agreeing = pixels = 0
    for number, (position, size) in enumerate(zip(index.tolist(), sizes.tolist(), strict=True)):
        result = run.detections.densepose[position]
        labels, stored = run.official(f"labels/{number}"), run.arrays[f"out/uv/{number}"]
        if tuple(labels.shape) != tuple(size):
            # A side within rounding of a whole number: the same chart, one pixel more or less.
            side = run.detections.bboxes[position, 2:] - run.detections.bboxes[position, :2]
            assert (side - side.round()).abs().min() <= BOX_PIXELS
            continue
        same = result.labels == labels
        agreeing, pixels = agreeing + int(same.sum()), pixels + same.numel()
        # U and V are stored as float16: half a step of it on top of the tolerance.
        allowed = UV + torch.from_numpy(np.abs(np.spacing(stored)).astype(np.float32)) / 2
        error = (result.uv - torch.from_numpy(stored.astype(np.float32))).abs()
        assert (error <= allowed)[:, same].all(), f"detection {number}"
    assert pixels > 0
    assert agreeing >= LABELS_AGREEING * pixels
