"""STIP against the released code: training steps in float64, crops and targets of persons."""

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS, DefaultScope
from mmengine.structures import InstanceData, PixelData
from mmpose.datasets.transforms import GenerateTarget, TopdownAffine
from mmpose.models import TopdownPoseEstimator
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample

from mmktn.stip.checkpoint_keys import check_fit, convert_stip_state_dict
from mmktn.stip.codec import KEYPOINT_CODECS
from mmktn.stip.released_box import ReleasedBoxCenterScale, released_box
from mmktn.stip.semantic_targets import SemanticTargets
from tests.narrow_hrnet import hrnet_extra
from tests.training_reference import CROP_FILES, STIP_FILES, TrainingReference

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "configs" / "stip" / "stip_hrnet-w32_4xb64-210e_crowdpose-256x192.py"
# The released settings; the config's milestones are one less (configs/_base_/schedules).
RELEASED_STEPS = (170, 200)
LOSSES = {
    "pose_0": "loss_final",
    "pose_1": "loss_initial",
    "pose_2": "loss_kernel",
    "sp_pose": "loss_spatial",
    "mask": "loss_mask",
    "semantics_0": "loss_semantics",
    "total loss": "loss",
}


class Training:
    """One file, the model of our config with its start weights, optimiser and schedule."""

    def __init__(self, path: Path) -> None:
        self.reference = TrainingReference(path)
        weights = {
            name: torch.from_numpy(array.astype(np.float64) if array.ndim else array)
            for name, array in self.reference.weights().items()
        }
        conversion = convert_stip_state_dict(weights)
        self.config = self._config(weights, conversion)
        with DefaultScope.overwrite_default_scope("mmpose"):
            self.model = MODELS.build(self.config.model).double().train()
        self._exact_normalisation()
        check_fit(conversion, self.model.state_dict())
        self.model.load_state_dict(conversion.state_dict, strict=False)
        self.optim = build_optim_wrapper(self.model, self.config.optim_wrapper)
        self.schedulers = [
            PARAM_SCHEDULERS.build(dict(item, optimizer=self.optim))
            for item in self.config.param_scheduler
        ]
        ours = dict(self.model.named_parameters())
        self.parameters = {
            name: ours[target] for name, target in conversion.renamed.items() if target in ours
        }
        # The released network carries HRNet's last layer along and never runs it.
        unused = [name for name in conversion.unused if name in self._names("param_names")]
        self.unused = {name: weights[name] for name in unused}
        self.data = self._data()

    def _names(self, key: str) -> list[str]:
        return self.reference.arrays[key].tolist()

    def _config(self, weights, conversion) -> Config:
        """The shipped config with the file's widths, crops and epochs."""
        cfg, wanted = Config.fromfile(CONFIG), self.reference.settings
        cfg.model.backbone.update(extra=hrnet_extra(weights), init_cfg=None)
        cfg.model.head.update(in_channels=conversion.width, out_channels=conversion.num_keypoints)
        cfg.model.head.decoder.update(
            input_size=wanted["image_size"], heatmap_size=wanted["heatmap_size"]
        )
        (steps,) = cfg.param_scheduler
        cut = zip(steps.milestones, RELEASED_STEPS, wanted["lr_step"], strict=True)
        steps.update(
            milestones=[ours - released + step for ours, released, step in cut],
            end=wanted["epochs"],
        )
        return cfg

    def _exact_normalisation(self) -> None:
        """Mean and deviation of the pixels as numbers of float64, not rounded to float32."""
        wanted, found = self.config.model.data_preprocessor, self.model.data_preprocessor
        for name in ("mean", "std"):
            getattr(found, name)[:, 0, 0] = torch.tensor(wanted[name], dtype=torch.float64)

    def _data(self) -> dict:
        arrays = self.reference.arrays
        inputs, samples = [], []
        for n, crop in enumerate(arrays["crops_rgb"]):
            # Pictures come as BGR to the preprocessor.
            inputs.append(torch.from_numpy(crop[..., ::-1].copy()).permute(2, 0, 1))
            fields = PixelData(
                heatmaps=torch.from_numpy(arrays["target"][n]).double(),
                person_mask=torch.from_numpy(arrays["mask_target"][n]).double(),
            )
            labels = InstanceData(
                keypoint_weights=torch.from_numpy(arrays["target_weight"][n, :, 0])[None].double(),
                keypoint_presence=torch.from_numpy(arrays["semantic_target"][n])[None].double(),
            )
            sample = PoseDataSample(metainfo={"img_shape": crop.shape[:2]})
            sample.gt_fields, sample.gt_instance_labels = fields, labels
            samples.append(sample)
        return {"inputs": inputs, "data_samples": samples}

    def step(self) -> tuple[float, dict[str, float], dict[str, float]]:
        """One iteration as mmengine's loop does it: rate, losses, norms of gradients."""
        rate = self.optim.get_lr()["lr"][0]
        data = self.model.data_preprocessor(self.data, training=True)
        total, logs = self.model.parse_losses(self.model(**data, mode="loss"))
        self.optim.backward(total)
        gradients = {name: float(p.grad.norm()) for name, p in self.parameters.items()}
        self.optim.step()
        self.optim.zero_grad()
        return rate, {name: float(value.detach()) for name, value in logs.items()}, gradients

    def end_epoch(self) -> None:
        for scheduler in self.schedulers:
            scheduler.step()


@pytest.mark.parametrize("path", STIP_FILES, ids=lambda path: path.stem)
def test_training_of_stip_follows_the_official_code(path):
    run = Training(path)
    reference = run.reference
    names = reference.arrays["trainable_names"].tolist()
    assert set(run.parameters) | set(run.unused) == set(names)
    for step in range(reference.steps):
        rate, losses, gradients = run.step()
        assert rate == pytest.approx(reference.arrays["lr"][step], rel=1e-12)
        norms = [gradients.get(name, 0.0) for name in names]
        reference.assert_step_near(
            step,
            loss_values=[losses[LOSSES[name]] for name in reference.arrays["loss_names"].tolist()],
            grad_norms=norms,
            grad_norm=np.linalg.norm(norms),
        )
        if reference.has_parameters_after(step + 1):
            reference.assert_parameters_near(step + 1, run.parameters | run.unused)
        if (step + 1) % reference.settings["iterations_per_epoch"] == 0:
            run.end_epoch()


@pytest.mark.parametrize("path", STIP_FILES, ids=lambda path: path.stem)
def test_training_settings_of_stip_are_those_of_the_file(path):
    wanted = TrainingReference(path).settings
    cfg = Config.fromfile(CONFIG)
    assert cfg.optim_wrapper.optimizer == {"type": "Adam", "lr": wanted["lr"]}
    assert cfg.param_scheduler[0].gamma == wanted["lr_factor"]
    assert cfg.model.head.loss.mask_weight == wanted["mask_loss_weight"]
    assert cfg.model.head.loss.semantics_weight == wanted["semantics_loss_weight"][0]
    assert cfg.model.head.decoder.sigma == wanted["sigma"]


def cases():
    for path in CROP_FILES:
        arrays = TrainingReference(path).arrays
        number = 0
        while f"case/{number}/bbox" in arrays:
            prefix = f"case/{number}/"
            case = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
            yield pytest.param(case, id=f"{path.stem}-{number}")
            number += 1


@pytest.fixture(scope="module")
def steps():
    """The released crop and STIP's targets as the config of the paper's row has them."""
    pipeline = Config.fromfile(CONFIG).train_dataloader.dataset.pipeline
    built = {"mmktn.ReleasedBoxCenterScale": ReleasedBoxCenterScale}
    built |= {"mmpose.TopdownAffine": TopdownAffine, "mmpose.GenerateTarget": GenerateTarget}
    built |= {"mmktn.SemanticTargets": SemanticTargets}
    arguments = {item.type: {k: v for k, v in item.items() if k != "type"} for item in pipeline}
    return [make(**arguments[name]) for name, make in built.items()]


def prepare(case, steps, **box):
    """One person through the steps; `box` replaces the annotation."""
    height, width = case["image_hw"]
    keypoints = case["keypoints"].astype(np.float32)[None]
    results = {
        "img": np.zeros((height, width, 3), np.uint8),
        "bbox": np.zeros((1, 4), np.float32),
        "keypoints": keypoints[..., :2],
        "keypoints_visible": np.minimum(1, keypoints[..., 2]),
        "dataset_keypoint_weights": np.ones(keypoints.shape[1], np.float32),
        **(box or {"raw_ann_info": {"bbox": case["bbox"].tolist()}}),
    }
    for step in steps:
        results = step.transform(results)
    return results


@pytest.mark.parametrize("case", list(cases()))
def test_training_crops_and_targets_equal_the_official_ones(case, steps):
    results = prepare(case, steps)
    np.testing.assert_array_equal(results["input_center"], case["center"])
    # Float32 of numbers up to some hundreds.
    np.testing.assert_allclose(results["input_scale"], 200 * case["scale"], rtol=2e-7)
    labelled = case["keypoints"][:, 2] > 0
    moved = results["transformed_keypoints"][0]
    np.testing.assert_allclose(moved[labelled], case["joints"][labelled], atol=1e-4)
    # To the last bit.
    np.testing.assert_array_equal(results["heatmaps"], case["target"])
    np.testing.assert_array_equal(results["keypoint_weights"][0], case["target_weight"][:, 0])
    np.testing.assert_array_equal(results["person_mask"][0], case["mask"])
    np.testing.assert_array_equal(results["keypoint_presence"][0], case["semantics"])


def official_map_to_image(center, scale, map_wh):
    """The released affine map from the cells of a heat-map to the image: three points, float32."""

    def corners(middle, width):
        steps = [[0, 0], [0, -width / 2], [-width / 2, -width / 2]]
        return np.add(middle, steps).astype(np.float32)

    source = corners(center, 200 * scale[0])
    return cv2.getAffineTransform(corners(np.array(map_wh) / 2, map_wh[0]), source)


@pytest.mark.parametrize("case", list(cases()))
def test_decoded_keypoints_go_back_into_the_image_as_in_the_official_code(case, steps):
    """Crop, targets, decoding and the way back, with the targets in place of a network's maps."""
    results = prepare(case, steps)
    decoder = KEYPOINT_CODECS.build(Config.fromfile(CONFIG).model.head.decoder)
    keypoints, scores = decoder.decode(results["heatmaps"])
    sample = PoseDataSample(
        metainfo={name: results[name] for name in ("input_center", "input_scale", "input_size")}
    )
    sample.gt_instances = InstanceData(bboxes=np.zeros((1, 4)), bbox_scores=np.ones(1))
    found = InstanceData(keypoints=keypoints.copy(), keypoint_scores=scores)
    estimator = SimpleNamespace(test_cfg={})
    TopdownPoseEstimator.add_pred_to_datasample(estimator, [found], None, [sample])
    width, height = decoder.heatmap_size
    cells = keypoints[0] / decoder.scale_factor
    to_image = official_map_to_image(case["center"], case["scale"], (width, height))
    expected = cells @ to_image[:, :2].T + to_image[:, 2]
    np.testing.assert_allclose(sample.pred_instances.keypoints[0], expected, rtol=0, atol=1e-3)
    # A cell of the map in image pixels: the targets round to whole cells.
    shown = case["target_weight"][:, 0] > 0
    cell = 200 * case["scale"][0] / width
    truth = case["keypoints"][:, :2]
    inside = shown & (case["target"].max((1, 2)) == 1)
    assert inside.any()
    assert np.abs(expected - truth)[inside].max() <= 1.01 * cell


def test_boxes_of_a_detector_are_taken_whole(steps):
    case = {"image_hw": (100, 80), "keypoints": np.zeros((14, 3))}
    box = np.array([[-10, 20, 30, 100]], np.float32)
    results = prepare(case, steps[:1], bbox=box)
    assert results["bbox_center"].tolist() == [[10, 60]]
    assert results["bbox_scale"].tolist() == [[50, 100]]


def test_annotated_boxes_without_area_give_a_crop_of_one_pixel():
    low, size = released_box([5, 6, 0, 1], (80, 100))
    assert (low.tolist(), size.tolist()) == ([5, 6], [1, 1])
