"""The adapter to mmdet: which boxes train the branch, what is decoded in which pixels."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmktn.formats.distinct_people import distinct_people
from mmktn.registry import MODELS
from mmktn.utils.setup_env import register_all_modules
from tests.fake_annotations import fake_batch

SMOKE = Path(__file__).parents[3] / "configs/densepose/smoke"
DENSEPOSE_KEYS = {"loss_fine_segm", "loss_u", "loss_v"}


@pytest.fixture(autouse=True)
def _registered():
    register_all_modules(init_default_scope=False)
    init_default_scope("mmdet")


def build(name: str = "ktn2_r18_fpn_smoke_dp-synth", **options):
    cfg = Config.fromfile(str(SMOKE / f"{name}.py"))
    cfg.merge_from_dict(options)
    torch.manual_seed(0)
    return MODELS.build(cfg.model)


def losses_of(model, batch) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    data = model.data_preprocessor(batch, training=True)
    return model(**data, mode="loss")


def scalar(value) -> float:
    return float(sum(value) if isinstance(value, list) else value)


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("ktn2_r18_fpn_smoke_dp-synth", {"loss_coarse_segm", "loss_body_mask", "loss_keypoint"}),
        ("densepose-rcnn_r18_fpn_smoke_dp-synth", {"loss_coarse_segm"}),
        ("densepose-rcnn-legacy_r18_fpn_smoke_dp-synth", {"loss_coarse_segm"}),
    ],
)
def test_losses_of_every_branch_reach_the_parameters(name, extra):
    model = build(name).train()
    losses = losses_of(model, fake_batch(2, image_hw=(96, 128)))
    boxes = {"loss_rpn_cls", "loss_rpn_bbox", "loss_cls", "loss_bbox", "acc"}
    assert set(losses) == boxes | DENSEPOSE_KEYS | extra
    model.parse_losses(losses)[0].backward()
    for part in ("densepose_head", "bbox_head"):
        grads = [p.grad for p in getattr(model.roi_head, part).parameters()]
        assert all(g is not None and torch.isfinite(g).all() for g in grads)
    # Ground-truth boxes are among the proposals, so the branch had something to learn from.
    assert scalar(losses["loss_u"]) > 0


def test_no_annotated_person_gives_zero_losses_connected_to_all_parameters():
    model = build().train()
    batch = fake_batch(1, image_hw=(96, 128))
    truth = batch["data_samples"][0].gt_instances
    batch["data_samples"][0].gt_instances = truth[~truth.densepose.valid]
    losses = losses_of(model, batch)
    for key in DENSEPOSE_KEYS | {"loss_body_mask", "loss_coarse_segm"}:
        assert scalar(losses[key]) == 0
    model.parse_losses(losses)[0].backward()
    assert all(p.grad is not None for p in model.roi_head.densepose_head.parameters())


def test_only_boxes_above_the_overlap_train_the_branch():
    # Nothing overlaps a person by more than 1: even the ground-truth boxes are left out.
    model = build().train()
    model.roi_head.train_cfg.densepose_fg_iou = 1.0
    losses = losses_of(model, fake_batch(2, image_hw=(96, 128)))
    assert scalar(losses["loss_u"]) == 0


def test_missing_annotation_names_the_transforms():
    model = build().train()
    batch = fake_batch(1, image_hw=(96, 128))
    del batch["data_samples"][0].gt_instances.densepose
    with pytest.raises(KeyError, match="LoadDensePoseAnnotations"):
        losses_of(model, batch)


def test_box_head_gets_no_gradient_from_the_surface_classifier():
    # The location source is read without gradient.
    model = build().train()
    losses = losses_of(model, fake_batch(2, image_hw=(96, 128)))
    losses["loss_fine_segm"].backward()
    assert model.roi_head.bbox_head.fc_cls.weight.grad is None
    transformer = model.roi_head.densepose_head.predictor.deconvs["fine_segm"].machine
    assert all(p.grad.abs().sum() > 0 for p in transformer.parameters())


def predict(model, batch, scale: float = 1.0, score_thr: float = 0.0):
    model.eval()
    model.roi_head.test_cfg.score_thr = score_thr
    for sample in batch["data_samples"]:
        height, width = sample.img_shape[:2]
        ori_shape = (int(height / scale), int(width / scale))
        sample.set_metainfo(dict(scale_factor=(scale, scale), ori_shape=ori_shape))
    with torch.no_grad():
        data = model.data_preprocessor(batch, training=False)
        return model(**data, mode="predict")


def test_results_have_the_size_of_their_boxes_in_image_pixels():
    model = build()
    for sample in predict(model, fake_batch(2, image_hw=(96, 128)), scale=0.5):
        people = sample.pred_instances
        assert len(people) > 0
        boxes = people.bboxes
        assert (boxes[:, 2:] <= torch.tensor([256.0, 192.0])).all()
        sizes = (boxes[:, 2:] - boxes[:, :2]).int().clamp(min=1)
        for result, (width, height) in zip(people.densepose, sizes.tolist(), strict=True):
            assert tuple(result.labels.shape) == (height, width)
            assert tuple(result.uv.shape) == (2, height, width)


def test_scaling_the_image_back_scales_boxes_alone():
    model = build()
    once = predict(model, fake_batch(1, image_hw=(96, 128)), scale=1.0)[0].pred_instances
    twice = predict(model, fake_batch(1, image_hw=(96, 128)), scale=0.5)[0].pred_instances
    torch.testing.assert_close(twice.bboxes, once.bboxes * 2)
    torch.testing.assert_close(twice.scores, once.scores)


def test_no_detection_gives_empty_results():
    model = build()
    people = predict(model, fake_batch(1, image_hw=(96, 128)), score_thr=1.1)[0].pred_instances
    assert len(people) == 0
    assert len(people.densepose) == 0


def test_people_who_are_somebody_else_once_more_are_dropped():
    model = build()
    everybody = predict(model, fake_batch(2, image_hw=(96, 128)))
    model.roi_head.test_cfg["max_body_overlap"] = 0.5
    distinct = predict(model, fake_batch(2, image_hw=(96, 128)))
    dropped = 0
    for before, after in zip(everybody, distinct, strict=True):
        people = before.pred_instances
        keep = distinct_people(list(people.densepose), people.scores.numpy(), 0.5)
        torch.testing.assert_close(after.pred_instances.bboxes, people.bboxes[keep])
        assert len(after.pred_instances.densepose) == keep.sum()
        dropped += int((~keep).sum())
    assert dropped > 0


def test_batching_images_changes_nothing():
    model = build()
    batch = fake_batch(2, image_hw=(96, 128))
    together = predict(model, batch)
    for index in range(2):
        single = {k: [v[index]] for k, v in fake_batch(2, image_hw=(96, 128)).items()}
        alone = predict(model, single)[0].pred_instances
        both = together[index].pred_instances
        torch.testing.assert_close(alone.bboxes, both.bboxes, rtol=1e-4, atol=1e-3)
        pairs = zip(alone.densepose, both.densepose, strict=True)
        same = torch.cat([(a.labels == b.labels).flatten().float() for a, b in pairs])
        # Random weights leave many near ties between charts; sums in another order flip some.
        assert same.mean() > 0.98


def test_densepose_branch_needs_a_box_head():
    cfg = Config.fromfile(str(SMOKE / "ktn2_r18_fpn_smoke_dp-synth.py")).model.roi_head
    cfg.pop("bbox_head")
    cfg.pop("bbox_roi_extractor")
    with pytest.raises(ValueError, match="bbox_head"):
        MODELS.build(cfg)


@pytest.mark.cuda
def test_amp_training_step_and_prediction_on_cuda():
    model = build().cuda().train()
    with torch.autocast("cuda", torch.float16):
        losses = losses_of(model, fake_batch(2, image_hw=(96, 128)))
    model.parse_losses(losses)[0].backward()
    assert all(torch.isfinite(torch.as_tensor(scalar(v))) for v in losses.values())
    people = predict(model, fake_batch(1, image_hw=(96, 128)))[0].pred_instances
    assert people.bboxes.is_cuda
    assert people.densepose[0].labels.is_cuda


def test_bfloat16_training_step_on_the_cpu():
    model = build().train()
    with torch.autocast("cpu", torch.bfloat16):
        losses = losses_of(model, fake_batch(2, image_hw=(96, 128)))
    total = model.parse_losses(losses)[0]
    total.backward()
    exact = losses_of(build().train(), fake_batch(2, image_hw=(96, 128)))
    # Eight bits of mantissa through some twenty layers: percents, not digits.
    assert float(total) == pytest.approx(float(model.parse_losses(exact)[0]), rel=0.05)
