"""Settings of the full-size configs, key by key, beside those of the code they follow.

`settings_of` reads a config; `official_settings` says what the released code has: detectron2's
DensePose, KTN v1 and v2, Parsing R-CNN, AMA-net, DensePose of 2018, STIP and HRNet. What no code
was released for has no official settings; those configs take the settings of the nearest system.
"""

from typing import Any

from mmengine.config import Config

Settings = dict[str, Any]


def _step(pipeline: list, kind: str) -> Any:
    return next((item for item in pipeline if item["type"].split(".")[-1] == kind), None)


def _training_sets(dataset: Any) -> list:
    return list(dataset.get("datasets") or [dataset])


def _solver(cfg: Config) -> Settings:
    optim = cfg.optim_wrapper
    warm_up = next((item for item in cfg.param_scheduler if item.type == "LinearLR"), None)
    steps = next((item for item in cfg.param_scheduler if item.type == "MultiStepLR"), None)
    clip = optim.get("clip_grad")
    found = {
        "optimizer": optim.optimizer.type,
        "lr": optim.optimizer.lr,
        "momentum": optim.optimizer.get("momentum"),
        "weight decay": optim.optimizer.get("weight_decay", 0),
        "weight decay of norms": optim.optimizer.get("weight_decay", 0)
        * optim.get("paramwise_cfg", {}).get("norm_decay_mult", 1),
        "groups": optim.get("paramwise_cfg", {}).get("custom_keys"),
        "batch": cfg.get("auto_scale_lr", {}).get("base_batch_size"),
        "length": cfg.train_cfg.get("max_iters") or cfg.train_cfg.get("max_epochs"),
        "steps": list(steps.milestones) if steps else None,
        "gamma": steps.gamma if steps else None,
        "warm-up factor": warm_up.start_factor if warm_up else None,
        # The full rate is reached at the last iteration of LinearLR, end - 1.
        "warm-up length": warm_up.end - 1 if warm_up else None,
        "clipping": None,
    }
    if clip:
        each = optim.get("constructor") == "mmktn.TensorClipConstructor"
        value = clip.get("clip_value") if clip.get("type") == "value" else clip.get("max_norm")
        kind = clip.get("type", "norm")
        scope = "tensor" if each or kind == "value" else "model"
        found["clipping"] = f"{kind} {value:g} of each {scope}"
    return found


def _detector(cfg: Config) -> Settings:
    model = cfg.model
    train, test, roi = model.train_cfg, model.test_cfg, model.roi_head
    found = {
        "mean": list(model.data_preprocessor.mean),
        "std": list(model.data_preprocessor.std),
        "padding": model.data_preprocessor.pad_size_divisor,
        "frozen stages": model.backbone.get("frozen_stages"),
        "norm is trained": model.backbone.norm_cfg.get("requires_grad"),
        "rpn samples": (train.rpn.sampler.num, train.rpn.sampler.pos_fraction),
        "rpn IoU": (train.rpn.assigner.pos_iou_thr, train.rpn.assigner.neg_iou_thr),
        "rpn least IoU": train.rpn.assigner.min_pos_iou,
        "proposals in training": (train.rpn_proposal.nms_pre, train.rpn_proposal.max_per_img),
        "proposals at test": (test.rpn.nms_pre, test.rpn.max_per_img),
        "proposal NMS": (train.rpn_proposal.nms.iou_threshold, test.rpn.nms.iou_threshold),
        "roi samples": (train.rcnn.sampler.num, train.rcnn.sampler.pos_fraction),
        "roi IoU": train.rcnn.assigner.pos_iou_thr,
        "DensePose IoU": train.rcnn.get("densepose_fg_iou"),
        "detections": (test.rcnn.score_thr, test.rcnn.nms.iou_threshold, test.rcnn.max_per_img),
        "box loss": roi.bbox_head.loss_bbox.type.split(".")[-1],
        "box RoIAlign": _pooling(roi.bbox_roi_extractor.roi_layer),
    }
    head = roi.get("densepose_head")
    if head is not None:
        extractor = roi.densepose_roi_extractor
        layer = extractor.get("roi_layer")
        found["DensePose RoIAlign"] = _pooling(layer) if layer else list(extractor.output_sizes)
        found["DensePose RoIs"] = train.rcnn.get("densepose_max_rois")
        decoder = head.get("decoder") or {}
        found["mask threshold"] = decoder.get("mask_threshold")
        found |= {f"weight {k}": v for k, v in (head.get("loss", {}).get("weights", {})).items()}
        found["images of U and V"] = head.get("loss", {}).get("uv_reference_images")
    return found


def _pooling(layer: Any) -> Any:
    return (layer.output_size, layer.sampling_ratio, layer.aligned)


def _detector_data(cfg: Config) -> Settings:
    sets = _training_sets(cfg.train_dataloader.dataset)
    pipeline, test = sets[0].pipeline, cfg.test_dataloader.dataset.pipeline
    choice, resize = _step(pipeline, "RandomChoiceResize"), _step(test, "Resize")
    return {
        "sizes in training": [tuple(sorted(scale)) for scale in choice.scales],
        "flip": _step(pipeline, "DensePoseRandomFlip").prob,
        "other augmentation": [
            item.type.split(".")[-1]
            for item in pipeline
            if item.type.split(".")[-1].startswith("Random")
            and item.type.split(".")[-1] != "RandomChoiceResize"
        ],
        "size at test": tuple(sorted(resize.scale)),
        "resized by": (choice.backend, resize.backend),
        "images with DensePose only": sets[0].get("only_densepose_images"),
    }


def _topdown(cfg: Config) -> Settings:
    pipeline = _training_sets(cfg.train_dataloader.dataset)[0].pipeline
    jitter, half = _step(pipeline, "ClippedBoxJitter"), _step(pipeline, "RandomHalfBody")
    crop = next(item for item in pipeline if item.type.split(".")[-1].endswith("CenterScale"))
    return {
        "mean": list(cfg.model.data_preprocessor.mean),
        "std": list(cfg.model.data_preprocessor.std),
        "crop": crop.type.split(".")[-1],
        "scale, rotation": (jitter.scale_deviation, jitter.rotation_deviation),
        "upper body": half.upper_prioritized_prob if half else None,
        "flip": "RandomFlip" if _step(pipeline, "RandomFlip") else None,
        "flip test": cfg.model.test_cfg.get("flip_test"),
        "shift": cfg.model.test_cfg.get("shift_heatmap"),
        "batch of a GPU": cfg.train_dataloader.batch_size,
        "sigma": cfg.model.head.get("decoder", {}).get("sigma"),
        "maps": tuple(cfg.model.head.get("decoder", {}).get("heatmap_size", ())),
    }


def settings_of(cfg: Config) -> Settings:
    """Read every compared setting of a config."""
    found = _solver(cfg)
    if "rpn_head" in cfg.model:
        return found | _detector(cfg) | _detector_data(cfg)
    return found | _topdown(cfg)


_D2: Settings = {
    "optimizer": "SGD",
    "lr": 0.01,
    "momentum": 0.9,
    "weight decay": 1e-4,
    "weight decay of norms": 0,
    "groups": None,
    "batch": 16,
    "length": 130000,
    "steps": [100000, 120000],
    "gamma": 0.1,
    "warm-up factor": 0.1,
    "warm-up length": 1000,
    "clipping": None,
    "mean": [103.53, 116.28, 123.675],
    "std": [1.0, 1.0, 1.0],
    "padding": 32,
    "frozen stages": 1,
    "norm is trained": False,
    "rpn samples": (256, 0.5),
    "rpn IoU": (0.7, 0.3),
    "rpn least IoU": 0,
    "proposals in training": (2000, 1000),
    "proposals at test": (1000, 1000),
    "proposal NMS": (0.7, 0.7),
    "roi samples": (512, 0.25),
    "roi IoU": 0.5,
    "DensePose IoU": 0.7,
    "detections": (0.05, 0.5, 100),
    "box loss": "L1Loss",
    "box RoIAlign": (7, 2, False),
    "DensePose RoIAlign": (28, 2, False),
    "DensePose RoIs": None,
    "mask threshold": 0.5,
    "weight fine_segm": 1.0,
    "weight u": 0.01,
    "weight v": 0.01,
    "weight coarse_segm": 5.0,
    "images of U and V": 2,
    "sizes in training": [(size, 1333) for size in (640, 672, 704, 736, 768, 800)],
    "flip": 0.5,
    "other augmentation": [],
    "size at test": (800, 1333),
    "resized by": ("pillow", "pillow"),
    "images with DensePose only": True,
}
_POOLED_14 = {"DensePose RoIAlign": (14, 2, False)}
_LEGACY_WEIGHTS = {
    "weight fine_segm": 0.3,
    "weight u": 0.1,
    "weight v": 0.1,
    "weight coarse_segm": 2.0,
}
_LEGACY = _D2 | _POOLED_14 | _LEGACY_WEIGHTS | {"lr": 0.002}
_HRFPN: Settings = {
    "lr": 0.03,
    "clipping": "norm 1 of each tensor",
    # Nothing is padded but to the largest picture of a batch.
    "padding": 1,
    "frozen stages": None,
    "norm is trained": True,
}
_K1: Settings = {
    "lr": 0.002,
    "batch": 8,
    "length": 260000,
    "steps": [200000, 240000],
    "proposals in training": (1200, 1000),
}
# Its maps have no 15-way coarse segmentation.
_STAR = {name: value for name, value in (_D2 | _K1).items() if name != "weight coarse_segm"} | {
    "mask threshold": 0.3,
    "weight body_mask": 5.0,
}
_STAR_14 = _STAR | _POOLED_14 | {"weight fine_segm": 0.3, "weight u": 0.1, "weight v": 0.1}
_STAR_14 |= {"weight body_mask": 2.0}
_KTN2 = _D2 | {
    "DensePose IoU": 0.65,
    "mask threshold": 0.3,
    "weight coarse_segm": 2.0,
    "weight body_mask": 5.0,
    "weight keypoint_heatmaps": 0.1,
    "images of U and V": 4,
}
_D1_TASKS: Settings = {
    "lr": 0.002,
    "batch": 8,
    "length": 230000,
    "steps": [150000, 200000],
    "warm-up factor": 1e-7,
    "warm-up length": 3000,
    "detections": (0.05, 0.5, 20),
    "box RoIAlign": (14, 2, False),
    "images of U and V": 1,
}
_PARSING = _LEGACY | {
    "warm-up length": 500,
    "mean": [102.9801, 115.9465, 122.7717],
    "detections": (0.05, 0.5, 20),
    "DensePose RoIAlign": (32, 2, False),
    "DensePose RoIs": 32,
    "sizes in training": [(size, 1400) for size in (512, 640, 704, 768, 800, 864)],
}
_AMA = _LEGACY | {
    "batch": 8,
    "length": 260000,
    "steps": [200000, 240000],
    "roi samples": (384, 0.25),
    "DensePose RoIAlign": [28, 14, 14, 7],
    "weight body_mask": 2.0,
}
_KEYPOINTS_FIRST: Settings = {
    **{name: value for name, value in (_D2 | _K1).items() if not name.startswith("weight ")},
    "weight decay": 1e-4,
    "box loss": "SmoothL1Loss",
    "proposals in training": (1200, 1500),
    "images with DensePose only": None,
    "weight decay of norms": 0,
}
for _name in ("mask threshold", "images of U and V", "DensePose RoIAlign"):
    del _KEYPOINTS_FIRST[_name]
_POSE: Settings = {
    "optimizer": "Adam",
    "lr": 1e-3,
    "weight decay": 0,
    "groups": None,
    "length": 210,
    # 170 and 200 in the released settings, whose scheduler is stepped at the start of an epoch.
    "steps": [169, 199],
    "gamma": 0.1,
    "warm-up factor": None,
    "clipping": None,
    "mean": [123.675, 116.28, 103.53],
    "std": [58.395, 57.12, 57.375],
    "crop": "ReleasedBoxCenterScale",
    "scale, rotation": (0.35, 45),
    "upper body": 0.69,
    "flip": "RandomFlip",
    "flip test": True,
    "shift": True,
}
_POSE_MAPS = {
    ("stip", "256x192"): {"sigma": 3, "maps": (96, 128)},
    ("td-hm", "256x192"): {"sigma": 2, "maps": (48, 64)},
    ("td-hm", "384x288"): {"sigma": 3, "maps": (72, 96)},
}
_WITH_KEYPOINTS = {"weight keypoint_heatmaps": 0.5}
_KTN1 = _STAR | {"lr": 0.01, "DensePose IoU": 0.65} | _WITH_KEYPOINTS
_PARSING_K1 = _D2 | _K1 | _LEGACY_WEIGHTS
_NAMED: dict[str, Settings] = {
    "densepose-rcnn_r50_fpn_s1x_dp-coco": _D2,
    "densepose-rcnn_r101_fpn_s1x_dp-coco": _D2,
    "densepose-rcnn-dl_r50_fpn_s1x_dp-coco": _D2,
    "densepose-rcnn-dl_r101_fpn_s1x_dp-coco": _D2,
    "densepose-rcnn-legacy_r50_fpn_s1x_dp-coco": _LEGACY,
    "densepose-rcnn-legacy_r101_fpn_s1x_dp-coco": _LEGACY,
    "densepose-rcnn_hrnet-w32_hrfpn_s1x_dp-coco": _D2 | _HRFPN,
    "densepose-rcnn_hrnet-w40_hrfpn_s1x_dp-coco": _D2 | _HRFPN,
    "densepose-rcnn_hrnet-w48_hrfpn_s1x_dp-coco": _D2 | _HRFPN,
    "densepose-rcnn-star_r50_fpn_260k_dp-coco": _STAR_14,
    "densepose-rcnn-star_r50_fpn-mid1_260k_dp-coco": _STAR,
    "densepose-rcnn-star_r50_fpn_ktm1_260k_dp-coco": _STAR_14
    | _WITH_KEYPOINTS
    | {"box loss": "SmoothL1Loss"},
    "ktn1_r50_fpn_260k_dp-coco": _KTN1,
    "ktn2_r50_fpn_s1x_dp-coco": _KTN2,
    "ktn2_hrnet-w32_hrfpn_s1x_dp-coco": _KTN2 | _HRFPN,
    "ama-net_r50_fpn_260k_dp-coco": _AMA,
    "ama-net_r50_fpn_ktm1_260k_dp-coco": _AMA | _WITH_KEYPOINTS,
    "parsing-rcnn_r50_fpn_s1x_dp-coco": _PARSING,
    "parsing-rcnn-k1_r50_fpn-mid1_ktm1_260k_dp-coco": _PARSING_K1 | _WITH_KEYPOINTS,
    "keypoints_r50_fpn_260k_coco-kpt": _KEYPOINTS_FIRST,
    "densepose-rcnn-legacy_r50_fpn_230k_dp-coco": _LEGACY | _D1_TASKS,
    "densepose-rcnn-legacy_r101_fpn_230k_dp-coco": _LEGACY | _D1_TASKS,
    "densepose-rcnn-mask_r50_fpn_230k_dp-coco": _LEGACY | _D1_TASKS,
    "densepose-rcnn-kpt_r50_fpn_230k_dp-coco": _LEGACY | _D1_TASKS,
}

DIFFERENCES = {
    "rpn least IoU": "0 in detectron2, where the best anchor of a person counts whatever its "
    "overlap: with a person that no anchor touches all anchors of the picture",
}
"""Keys that stay different in every detector, with the reason (docs/results.md)."""


def official_settings(name: str) -> Settings | None:
    """What the released code has for a config.

    Args:
        name: Basename of the config, without `.py`.

    Returns:
        Official settings by the names of `settings_of`, those that the sources state; None where no
        code or configuration was released.
    """
    algorithm, *words = name.split("_")
    if algorithm in ("stip", "td-hm") and "210e" in words[1]:
        data, size = words[2].rsplit("-", 1)
        gpus, batch = words[1].split("-")[0].split("xb")
        # No code for 384x288 and for ResNet as STIP's backbone.
        maps = _POSE_MAPS.get((algorithm, size), {}) if words[0].startswith("hrnet") else {}
        batches = {"batch of a GPU": int(batch), "batch": int(gpus) * int(batch)}
        return _POSE | maps | batches if data in ("coco", "crowdpose") else None
    if "-wc" in algorithm and name.endswith("_s1x_dp-coco"):
        plain = {key: value for key, value in _D2.items() if key not in ("weight u", "weight v")}
        deep_lab = "-dl-" in algorithm
        by_norm = algorithm.endswith("-wc1m") and not deep_lab and words[0] == "r50"
        return plain | {
            "warm-up factor": 0.1 if deep_lab else 0.025,
            "clipping": "norm 100 of each tensor" if by_norm else "value 1 of each tensor",
        }
    return _NAMED.get(name)
