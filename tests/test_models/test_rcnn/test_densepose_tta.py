"""Flips and scales: what must not change, and what must change with the image."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import init_default_scope

from mmktn.registry import MODELS
from mmktn.structures import ChartResult
from mmktn.surface import CHART_FLIP, load_surface
from mmktn.utils.setup_env import register_all_modules

CONFIGS = Path(__file__).parents[3] / "configs"
HW = (96, 128)
SURFACE = "human"


@pytest.fixture(autouse=True)
def _registered():
    register_all_modules(init_default_scope=False)
    init_default_scope("mmdet")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """A picture of coloured blocks and its mirror image, as files."""
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 256, (HW[0] // 8, HW[1] // 8, 3), dtype=np.uint8)
    picture = cv2.resize(blocks, HW[::-1], interpolation=cv2.INTER_NEAREST)
    names = {"plain": picture, "mirrored": picture[:, ::-1]}
    for name, pixels in names.items():
        cv2.imwrite(str(folder / f"{name}.png"), pixels)
    return folder


def build(*, name="densepose/smoke/densepose-rcnn_r18_fpn_smoke_dp-synth"):
    register_all_modules(init_default_scope=False)
    init_default_scope("mmdet")
    cfg = Config.fromfile(str(CONFIGS / f"{name}.py"))
    torch.manual_seed(0)
    module = MODELS.build(cfg.model)
    # Untrained weights: every proposal is kept as a person, and maps get contrast, so that no
    # argmax hangs on the last digit.
    module.roi_head.test_cfg.update(score_thr=0.0, max_per_img=4)
    for name, parameter in module.roi_head.densepose_head.predictor.named_parameters():
        parameter.data *= 30
        if name in ("deconvs.u.bias", "deconvs.v.bias"):
            parameter.data += 0.5  # inside [0, 1], where the tables are
        elif name in ("deconvs.u.weight", "deconvs.v.weight"):
            parameter.data /= 8
    return MODELS.build(
        dict(
            type="mmktn.DensePoseTTA",
            module=module,
            tta_cfg=dict(nms=dict(type="nms", iou_threshold=0.5), max_per_img=4),
            surface=SURFACE,
        )
    ).eval()


def pipeline(scales=(HW[::-1],), flips=(0.0, 1.0)):
    cfg = Config.fromfile(str(CONFIGS / "_base_/tta_densepose.py"))
    steps = cfg.tta_pipeline
    steps[1].transforms[0] = [
        dict(type="mmdet.Resize", scale=scale, keep_ratio=True) for scale in scales
    ]
    steps[1].transforms[1] = [dict(type="mmdet.RandomFlip", prob=prob) for prob in flips]
    return Compose(steps)


def run(model, pictures, *names, **options):
    steps = pipeline(**options)
    items = [
        steps(dict(img_path=str(pictures / f"{name}.png"), img_id=k, instances=[]))
        for k, name in enumerate(names)
    ]
    return model.test_step(pseudo_collate(items))


def in_order(instances):
    """Boxes from left to right; scores of mirrored views tie, so their order says nothing."""
    return instances[torch.argsort(instances.bboxes[:, 0])]


def mirrored(result: ChartResult) -> tuple[torch.Tensor, np.ndarray]:
    """Labels and U, V of the mirrored result, by the surface's own tables."""
    labels, uv = result.labels.flip(-1), result.uv.clamp(0, 1).flip(-1).numpy()
    tables = load_surface(SURFACE).symmetry
    new_uv = np.stack(tables.flip_uv(labels.numpy(), uv[0], uv[1]))
    return torch.tensor(CHART_FLIP)[labels.long()], new_uv


def test_one_identity_view_is_the_plain_prediction(pictures):
    model = build()
    (found,) = run(model, pictures, "plain", flips=(0.0,))
    batch = pseudo_collate(
        [pipeline(flips=(0.0,))(dict(img_path=str(pictures / "plain.png"), img_id=0, instances=[]))]
    )
    single = {key: value[0] for key, value in batch.items()}
    (plain,) = model.module.test_step(single)
    assert len(found.pred_instances) == len(plain.pred_instances) > 0
    for name in ("bboxes", "scores", "labels"):
        torch.testing.assert_close(found.pred_instances[name], plain.pred_instances[name])
    for a, b in zip(found.pred_instances.densepose, plain.pred_instances.densepose, strict=True):
        assert torch.equal(a.labels, b.labels)
        # The boxes went through the original frame and back: RoIs differ in the last digit.
        torch.testing.assert_close(a.uv, b.uv, rtol=0, atol=1e-3)


def test_mirroring_the_image_mirrors_the_result(pictures):
    model = build()
    plain, other = (
        in_order(run(model, pictures, name)[0].pred_instances) for name in ("plain", "mirrored")
    )
    other = other[torch.arange(len(other)).flip(0)]
    assert len(plain) == len(other) > 0
    boxes = other.bboxes.clone()
    boxes[:, [0, 2]] = HW[1] - boxes[:, [2, 0]]
    order = torch.cdist(plain.bboxes, boxes).argmin(dim=1)
    torch.testing.assert_close(plain.bboxes, boxes[order], rtol=0, atol=1e-3)
    torch.testing.assert_close(plain.scores, other.scores[order], rtol=0, atol=1e-5)
    compared = 0
    for a, k in zip(plain.densepose, order, strict=True):
        labels, uv = mirrored(other.densepose[int(k)])
        assert labels.shape == a.labels.shape
        same = labels == a.labels
        # The maps are the same numbers but for float32 rounding, which decides ties at borders.
        assert same.float().mean() > 0.995
        on_body = (same & (labels > 0)).numpy()
        if on_body.any():
            inside = (a.uv[:, on_body] > 0.02) & (a.uv[:, on_body] < 0.98)
            compared += int(inside.all(dim=0).sum())
            error = np.abs(uv - a.uv.clamp(0, 1).numpy())[:, on_body]
            # One half of the mean went through the tables, steps of 1/255, and here the other.
            assert error.max() < 1.5 / 255
    assert compared > 100


def test_views_of_a_batch_do_not_mix(pictures):
    model = build()
    options = dict(scales=(HW[::-1], (160, 120)))
    together = run(model, pictures, "plain", "mirrored", **options)
    alone = [run(model, pictures, name, **options)[0] for name in ("plain", "mirrored")]
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(
            a.pred_instances.bboxes, b.pred_instances.bboxes, rtol=1e-4, atol=1e-3
        )
        for one, two in zip(a.pred_instances.densepose, b.pred_instances.densepose, strict=True):
            assert one.labels.shape == two.labels.shape
            assert (one.labels == two.labels).float().mean() > 0.99
    height, width = together[0].ori_shape
    assert (together[0].pred_instances.bboxes <= torch.tensor([width, height] * 2)).all()


def test_nothing_found_gives_empty_results(pictures):
    model = build()
    model.module.roi_head.test_cfg.update(score_thr=1.1)
    (found,) = run(model, pictures, "plain")
    assert len(found.pred_instances.bboxes) == len(found.pred_instances.densepose) == 0


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("densepose/smoke/ktn2_r18_fpn_smoke_dp-synth", {"densepose"}),
        ("cascade/densepose-cascade-kpt_r18_fpn_cpu_dp-synth", {"densepose", "keypoints"}),
        ("cascade/densepose-rcnn-mask_r18_fpn_cpu_dp-synth", {"densepose"}),
    ],
)
def test_other_systems_give_what_their_heads_decode(pictures, name, fields):
    (found,) = run(build(name=name), pictures, "plain")
    instances = found.pred_instances
    assert fields <= set(instances.keys())
    assert "masks" not in instances
    assert all(len(instances[field]) == len(instances.bboxes) > 0 for field in fields)


def test_missing_meta_key_is_named(pictures):
    model = build()
    steps = pipeline()
    packing = steps.transforms[1].subroutines[0].transforms[-1]
    assert "flip" in packing.meta_keys
    for routine in steps.transforms[1].subroutines:
        routine.transforms[-1].meta_keys = ("img_id", "ori_shape", "img_shape", "scale_factor")
    item = steps(dict(img_path=str(pictures / "plain.png"), img_id=0, instances=[]))
    with pytest.raises(KeyError, match="meta_keys"):
        model.test_step(pseudo_collate([item]))
