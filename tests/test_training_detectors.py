"""Training steps of whole detectors against the official code, in float64.

Weights go through the converter, which finds the config; model, optimiser and schedule are those of
the config, built by mmengine. What a file cuts short (iterations, sample sizes) is cut here too.
"""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.config import Config
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS, DefaultScope
from mmengine.structures import InstanceData

from mmktn.apis import convert_command
from mmktn.datasets.transforms import LoadDensePoseAnnotations
from mmktn.registry import MODELS
from mmktn.structures import DensePoseAnnotation, DensePoseAnnotations
from tests.training_reference import DETECTOR_FILES, TrainingReference

ROOT = Path(__file__).parents[1]
LOSSES = {
    "loss_cls": "loss_cls",
    "loss_box_reg": "loss_bbox",
    "loss_densepose_U": "loss_u",
    "loss_densepose_V": "loss_v",
    "loss_densepose_I": "loss_fine_segm",
    "loss_densepose_S": "loss_coarse_segm",
    "loss_densepose_M": "loss_body_mask",
    "loss_keypoint": "loss_keypoint",
    "loss_rpn_cls": "loss_rpn_cls",
    "loss_rpn_loc": "loss_rpn_bbox",
}
WARM_UP = 1000


def build_schedulers(configs, wrapper):
    return [PARAM_SCHEDULERS.build(dict(item, optimizer=wrapper)) for item in configs]


class Training:
    """One file, the model of our config with its start weights, optimiser and schedule."""

    def __init__(self, path: Path, folder: Path) -> None:
        self.reference = TrainingReference(path)
        source = folder / "official.pkl"
        weights = {k: v.astype(np.float32) for k, v in self.reference.weights().items()}
        source.write_bytes(pickle.dumps({"model": weights, "__author__": "test"}))
        outcome = convert_command.convert(source)
        self.official_of = outcome.conversion.official_of
        self.config = self._config(outcome.config, outcome.config_name)
        self.model = self._model(outcome.conversion.state_dict)
        self.optim = build_optim_wrapper(self.model, self.config.optim_wrapper)
        self.schedulers = build_schedulers(self.config.param_scheduler, self.optim)
        self.parameters = {
            self.official_of[name]: parameter for name, parameter in self.model.named_parameters()
        }
        self.data = self._data()

    def _config(self, narrow: Config, name: str) -> Config:
        """The shipped config with the file's widths, sample sizes and number of iterations."""
        cfg = Config.fromfile(ROOT / "configs" / "densepose" / name.split()[0])
        cfg.model = narrow.model
        wanted = self.reference.settings
        train = cfg.model.train_cfg
        train.rpn.sampler.update(
            num=wanted["rpn_batch_size_per_image"], pos_fraction=wanted["rpn_positive_fraction"]
        )
        train.rcnn.sampler.update(
            num=wanted["roi_batch_size_per_image"], pos_fraction=wanted["roi_positive_fraction"]
        )
        train.rpn_proposal.update(
            nms_pre=wanted["rpn_pre_nms_topk"], max_per_img=wanted["rpn_post_nms_topk"]
        )
        warm_up, steps = cfg.param_scheduler
        warm_up.end += wanted["warmup_iters"] - WARM_UP
        steps.update(milestones=wanted["steps"], end=wanted["max_iter"])
        # The weights of U and V belong to the images that the official run had on a GPU.
        cfg.model.roi_head.densepose_head.loss.uv_reference_images = self.num_images
        return cfg

    @property
    def num_images(self) -> int:
        return sum(name.startswith("image/") for name in self.reference.arrays)

    def _model(self, weights: dict[str, torch.Tensor]) -> torch.nn.Module:
        self.config.model.backbone.init_cfg = None
        with DefaultScope.overwrite_default_scope("mmdet"):
            model = MODELS.build(self.config.model)
        model.load_state_dict({k: torch.as_tensor(v) for k, v in weights.items()}, strict=False)
        return model.double().train()

    def _data(self) -> dict:
        arrays = self.reference.arrays
        inputs, samples = [], []
        for n in range(self.num_images):
            image = torch.from_numpy(arrays[f"image/{n}"])
            inputs.append(image.permute(2, 0, 1).contiguous())
            boxes = arrays[f"gtbox/{n}"].astype(np.float64)
            size = tuple(image.shape[:2])
            sample = DetDataSample(
                metainfo={"img_shape": size, "ori_shape": size, "scale_factor": (1.0, 1.0)}
            )
            sample.gt_instances = InstanceData(
                bboxes=torch.from_numpy(boxes),
                labels=torch.zeros(len(boxes), dtype=torch.long),
                densepose=self._people(n, boxes),
            )
            sample.ignored_instances = InstanceData(bboxes=torch.zeros(0, 4).double())
            samples.append(sample)
        return {"inputs": inputs, "data_samples": samples}

    def _people(self, n: int, boxes: np.ndarray) -> DensePoseAnnotations:
        """Through our loader, from what COCO's file would say; only masks are not coded again."""
        arrays = self.reference.arrays
        instances = []
        for k, box in enumerate(boxes):
            instances.append({"bbox": box.tolist()})
            if f"keypoint/{n}" in arrays:
                rows = arrays[f"keypoint/{n}"][k].astype(np.float64)
                instances[k]["keypoints"] = (rows - (0.5, 0.5, 0)).ravel().tolist()
        bare = LoadDensePoseAnnotations().transform({"instances": instances})["gt_densepose"]
        people = []
        for k, person in enumerate(bare):
            if f"gt/{n}/{k}/x" not in arrays:
                people.append(person)
                continue
            x, y, charts, u, v, parts = (
                torch.from_numpy(arrays[f"gt/{n}/{k}/{field}"])
                for field in ("x", "y", "i", "u", "v", "segm")
            )
            people.append(
                DensePoseAnnotation(
                    point_xy=torch.stack((x, y), dim=1).double() / 256,
                    point_charts=charts.long(),
                    point_uv=torch.stack((u, v), dim=1).double(),
                    coarse_map=parts,
                    keypoint_xy=person.keypoint_xy,
                    keypoint_visible=person.keypoint_visible,
                )
            )
        return DensePoseAnnotations(people)

    def step(self) -> tuple[dict[str, float], dict[str, float]]:
        """One iteration as mmengine's loop does it: losses, norms of gradients before clipping."""
        with DefaultScope.overwrite_default_scope("mmdet"):
            data = self.model.data_preprocessor(self.data, training=True)
            total, logs = self.model.parse_losses(self.model(**data, mode="loss"))
        self.optim.backward(total)
        gradients = {
            name: float(p.grad.norm()) for name, p in self.parameters.items() if p.requires_grad
        }
        self.optim.step()
        self.optim.zero_grad()
        for scheduler in self.schedulers:
            scheduler.step()
        return {name: float(value.detach()) for name, value in logs.items()}, gradients


@pytest.fixture(scope="module", params=DETECTOR_FILES, ids=lambda path: path.stem)
def run(request, tmp_path_factory):
    return Training(request.param, tmp_path_factory.mktemp("training"))


def test_training_settings_are_those_of_the_file(run):
    """What a file does not cut stands in the config as the official code had it."""
    wanted, cfg = run.reference.settings, run.config
    optim, loss = cfg.optim_wrapper, run.model.roi_head.densepose_head.chart_loss
    found = {
        "densepose_fg_iou": cfg.model.train_cfg.rcnn.densepose_fg_iou,
        "rpn_nms_thresh": cfg.model.train_cfg.rpn_proposal.nms.iou_threshold,
        "base_lr": optim.optimizer.lr,
        "momentum": optim.optimizer.momentum,
        "weight_decay": optim.optimizer.weight_decay,
        "weight_decay_norm": optim.optimizer.weight_decay * optim.paramwise_cfg.norm_decay_mult,
        "gamma": cfg.param_scheduler[1].gamma,
        "warmup_factor": cfg.param_scheduler[0].start_factor,
        "clip_gradients": "clip_grad" in optim,
        "freeze_at": cfg.model.backbone.frozen_stages + 1,
        "pixel_mean": list(cfg.model.data_preprocessor.mean),
        "pixel_std": list(cfg.model.data_preprocessor.std),
        "size_divisibility": cfg.model.data_preprocessor.pad_size_divisor,
        "keypoint_loss_weight": loss.weight("keypoint_heatmaps"),
    }
    assert {name: found[name] for name in found if name in wanted} == {
        name: wanted[name] for name in found if name in wanted
    }
    maps = {"points": "u", "part": "fine_segm", "index": "coarse_segm", "body_mask": "body_mask"}
    weights = {name: loss.weight(maps[name]) for name in wanted["loss_weights"]}
    assert weights == wanted["loss_weights"]


def test_training_rates_are_those_of_the_official_schedule(run):
    wrapper = OptimWrapper(torch.optim.SGD([torch.zeros(1)], lr=run.reference.settings["base_lr"]))
    schedulers = build_schedulers(run.config.param_scheduler, wrapper)
    found = []
    for _ in run.reference.arrays["lr"]:
        found.append(wrapper.get_lr()["lr"][0])
        wrapper.optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    np.testing.assert_allclose(found, run.reference.arrays["lr"], rtol=1e-12)


def test_training_of_detectors_follows_the_official_code(run):
    reference = run.reference
    trainable = reference.arrays["trainable_names"].tolist()
    assert {name for name, p in run.parameters.items() if p.requires_grad} == set(trainable)
    loss_names = [LOSSES[name] for name in reference.arrays["loss_names"].tolist()]
    for step in range(reference.steps):
        losses, gradients = run.step()
        norms = [gradients[name] for name in trainable]
        reference.assert_step_near(
            step,
            loss_values=[losses[name] for name in loss_names],
            grad_norms=norms,
            grad_norm=np.linalg.norm(norms),
        )
        if reference.has_parameters_after(step + 1):
            reference.assert_parameters_near(step + 1, run.parameters)
