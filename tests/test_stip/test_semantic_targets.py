import numpy as np
import pytest
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope

import mmktn.datasets.transforms.box_jitter  # noqa: F401  (registers ClippedBoxJitter)
from mmktn.stip import RefinedHeatmap
from mmktn.stip.keypoint_datasets import CheckedCrowdPoseDataset
from mmktn.stip.semantic_targets import SemanticTargets
from tests.test_stip.tiny_crowd import write_crowd

CODEC = {
    "type": "mmktn.RefinedHeatmap",
    "input_size": (48, 64),
    "heatmap_size": (24, 32),
    "sigma": 2,
}


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    init_default_scope("mmpose")
    folder = tmp_path_factory.mktemp("crowd")
    write_crowd(folder)
    return CheckedCrowdPoseDataset(
        ann_file=str(folder / "crowd.json"), data_prefix={"img": str(folder / "images")}
    )


def run(crowd, index, *, flip=0.0, pack=False, **options):
    steps = [
        {"type": "LoadImage"},
        {"type": "GetBBoxCenterScale"},
        {"type": "RandomFlip", "prob": flip, "direction": "horizontal"},
        {"type": "mmktn.ClippedBoxJitter"},
        {"type": "TopdownAffine", "input_size": (48, 64)},
        {"type": "GenerateTarget", "encoder": CODEC},
        {"type": "mmktn.SemanticTargets", **options},
    ]
    if pack:
        steps.append({"type": "PackPoseInputs"})
    np.random.seed(0)  # noqa: NPY002
    return Compose(steps)({**crowd.get_data_info(index), "dataset": crowd})


def test_mask_and_presence_follow_the_heatmaps(crowd):
    results = run(crowd, 0)
    mask = (results["heatmaps"] > 0.3).any(0)
    np.testing.assert_array_equal(results["person_mask"], mask[None].astype(np.float32))
    peaks = results["heatmaps"].reshape(14, -1).max(1)
    np.testing.assert_array_equal(results["keypoint_presence"][0], (peaks > 0))


def test_mask_of_one_keypoint_is_a_disc_of_the_known_radius():
    # exp(-r^2 / (2 * 3^2)) > 0.3 for r < 4.65.
    codec = RefinedHeatmap(input_size=(96, 128), heatmap_size=(48, 64), sigma=3)
    encoded = codec.encode(np.array([[[40.0, 60.0]]]), np.ones((1, 1)))
    tables = {"field_mapping_table": {}, "label_mapping_table": {}}
    mask = SemanticTargets().transform({**encoded, **tables})["person_mask"][0]
    rows, columns = np.mgrid[:64, :48]
    np.testing.assert_array_equal(mask, np.hypot(columns - 20, rows - 30) < 4.65)


def test_targets_arrive_in_the_packed_sample(crowd):
    sample = run(crowd, 0, pack=True, spatial="all", encoder=CODEC)["data_samples"]
    assert sample.gt_fields.person_mask.shape == (1, 32, 24)
    assert sample.gt_fields.spatial_heatmaps.shape == (14, 32, 24)
    assert sample.gt_instance_labels.keypoint_presence.shape == (1, 14)
    # The codec's own tables are shared by all samples: they must not grow.
    assert set(RefinedHeatmap.field_mapping_table) == {"heatmaps"}


@pytest.mark.parametrize("flip", [0.0, 1.0], ids=["plain", "flipped"])
def test_other_persons_are_placed_by_the_map_of_the_crop(crowd, flip):
    # Person 1 seen in the crop of person 0 must lie where person 0's own pipeline would put it.
    results = run(crowd, 0, flip=flip, spatial="all", encoder=CODEC)
    other = crowd.get_data_info(1)
    assert other["img_id"] == results["img_id"]
    steps = Compose(
        [
            {"type": "LoadImage"},
            {"type": "GetBBoxCenterScale"},
            {"type": "RandomFlip", "prob": flip, "direction": "horizontal"},
        ]
    )
    moved = steps({**other, "dataset": crowd})
    moved["bbox_center"], moved["bbox_scale"] = results["bbox_center"], results["bbox_scale"]
    moved["bbox_rotation"] = results["bbox_rotation"]
    rest = Compose(
        [
            {"type": "TopdownAffine", "input_size": (48, 64)},
            {"type": "GenerateTarget", "encoder": CODEC},
        ]
    )
    expected = np.maximum(results["heatmaps"], 0.5 * rest(moved)["heatmaps"])
    assert (expected != results["heatmaps"]).any()
    np.testing.assert_allclose(results["spatial_heatmaps"], expected, atol=1e-6)


def test_wrong_options_are_named():
    with pytest.raises(ValueError, match="spatial must be 'person' or 'all', got 'both'"):
        SemanticTargets(spatial="both")
    with pytest.raises(ValueError, match="needs encoder=codec"):
        SemanticTargets(spatial="all")
