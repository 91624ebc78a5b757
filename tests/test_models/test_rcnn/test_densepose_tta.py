"""Flips and scales: what must not change, and what must change with the image."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose, pseudo_collate
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData

from mmktn.models.rcnn import DensePoseTTA
from mmktn.registry import MODELS
from mmktn.structures import ChartOutput, ChartResult
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


def pipeline(scales=(HW[::-1],), flips=(0.0, 1.0), angles=None):
    cfg = Config.fromfile(str(CONFIGS / "_base_/tta_densepose.py"))
    steps = cfg.tta_pipeline
    steps[1].transforms[0] = [
        dict(type="mmdet.Resize", scale=scale, keep_ratio=True) for scale in scales
    ]
    steps[1].transforms[1] = [dict(type="mmdet.RandomFlip", prob=prob) for prob in flips]
    if angles is not None:
        turns = [dict(type="mmktn.TurnView", angle=angle) for angle in angles]
        steps[1].transforms.insert(2, turns)
    return Compose(steps)


def run(model, pictures, *names, **options):
    steps = pipeline(**options)
    items = [
        steps(dict(img_path=str(pictures / f"{name}.png"), img_id=k, instances=[]))
        for k, name in enumerate(names)
    ]
    return model.test_step(pseudo_collate(items))


class PictureReader(DensePoseTTA):
    """A host whose maps are the picture itself: U is red, V is green, in one chart."""

    chart = 7
    boxes = ((30.0, 20.0, 60.0, 80.0), (70.0, 10.0, 110.0, 40.0))

    def detect(self, batch):
        inputs, samples = batch["inputs"], batch["data_samples"]
        for sample in samples:
            boxes = torch.tensor(self.boxes)
            if sample.flip:
                boxes[:, [0, 2]] = sample.ori_shape[1] - boxes[:, [2, 0]]
            sample.pred_instances = InstanceData(
                bboxes=boxes, scores=torch.tensor([0.9, 0.8]), labels=torch.zeros(2).long()
            )
        return torch.stack([image.float() for image in inputs]), samples

    def box_maps(self, features, index, boxes_xyxy):
        size = features.shape[:-3:-1]
        shares = (torch.arange(56) + 0.5) / 56
        grid = torch.stack(torch.meshgrid(shares, shares, indexing="xy"), dim=-1)
        boxes = boxes_xyxy[:, None, None]
        points = boxes[..., :2] + grid * (boxes[..., 2:] - boxes[..., :2])
        grid = points / torch.tensor(size) * 2 - 1
        images = features[index].expand(len(boxes), -1, -1, -1)
        read = torch.nn.functional.grid_sample(images, grid, align_corners=False) / 255
        chart = torch.zeros(1, 25, 1, 1)
        chart[:, self.chart] = 9.0
        fine = chart.expand(len(boxes), -1, 56, 56)
        maps = ChartOutput(
            fine_segm=fine,
            coarse_segm=torch.tensor([0.0, 9.0]).view(1, 2, 1, 1).expand(len(boxes), -1, 56, 56),
            u=read[:, 2:].expand(-1, 25, -1, -1),
            v=read[:, 1:2].expand(-1, 25, -1, -1),
        )
        return [(self.module.roi_head.densepose_head, maps)]


@pytest.fixture(scope="module")
def module():
    return build().module


@pytest.mark.parametrize("angles", [(0, 25.0), (30.0, 0, -30.0), (0, 90.0), (0, 180.0, -100.0)])
def test_turned_views_show_the_same_charts_at_the_same_pixels(tmp_path, module, angles):
    """On a picture of ramps a model that reads them off must not notice the turns."""
    y, x = np.mgrid[: HW[0], : HW[1]]
    ramps = np.stack([0 * x, y * 2, x * 1.9], axis=-1)
    cv2.imwrite(str(tmp_path / "ramps.png"), np.rint(ramps).astype(np.uint8))
    settings = dict(nms=dict(type="nms", iou_threshold=0.5), max_per_img=4)
    model = PictureReader(tta_cfg=settings, surface=None, module=module)
    options = dict(flips=(0.0,), scales=((192, 144),))
    plain, turned = (
        run(model, tmp_path, "ramps", **options, angles=turns)[0].pred_instances
        for turns in ((0.0,), angles)
    )
    assert torch.equal(plain.bboxes, turned.bboxes)
    for a, b in zip(plain.densepose, turned.densepose, strict=True):
        assert torch.equal(a.labels, b.labels)
        assert (b.labels == 7).all()
        # Pictures hold whole numbers; each warp rounds once more.
        assert (a.uv - b.uv).abs().max() < 1.2 / 255
        assert np.ptp(b.uv[0].numpy()) > 0.1


def test_a_turned_view_alone_gives_no_boxes(pictures):
    with pytest.raises(ValueError, match="every view is turned"):
        run(build(), pictures, "plain", angles=(15.0,))


def test_vertices_of_a_mirrored_picture_are_mirrored(pictures):
    """With turns in the pipeline too: mirroring swaps the turns of both signs."""
    model = build(name="densepose/densepose-cse_r18_fpn_cpu_dp-synth")
    model.surface = None
    head = model.module.roi_head.densepose_head
    layer = head.predictor.map_layers["coarse_segm"]
    layer.weight.data.zero_()
    layer.bias.data = torch.tensor([0.0, 9.0])  # body everywhere
    (embedder,) = head.embedder.embedders.values()
    generator = torch.Generator().manual_seed(0)
    for values in (embedder.features, embedder.embeddings):
        values.data.normal_(generator=generator)
    plain, other = (
        in_order(run(model, pictures, name, angles=(0, 20, -20))[0].pred_instances)
        for name in ("plain", "mirrored")
    )
    boxes = other.bboxes.clone()
    boxes[:, [0, 2]] = HW[1] - boxes[:, [2, 0]]
    order = torch.cdist(plain.bboxes, boxes).argmin(dim=1)
    mirror = torch.from_numpy(head.embedder.mesh("human_7151").mirror)
    assert len(plain) > 0
    for a, k in zip(plain.vertices, order, strict=True):
        there = other.vertices[int(k)].vertex_map.flip(-1).long()
        there = torch.where(there < 0, there, mirror[there.clamp(min=0)])
        assert (a.vertex_map >= 0).all()
        # Vectors of random vertices lie close: float32 rounding decides some.
        assert (a.vertex_map == there).float().mean() > 0.97


def in_order(instances):
    """Boxes from left to right; scores of mirrored views tie, so their order says nothing."""
    return instances[torch.argsort(instances.bboxes[:, 0])]


def mirrored(result: ChartResult) -> tuple[torch.Tensor, np.ndarray]:
    """Labels and U, V of the mirrored result, by the surface's own tables."""
    labels, uv = result.labels.flip(-1), result.uv.clamp(0, 1).flip(-1).numpy()
    tables = load_surface(SURFACE).symmetry
    new_uv = np.stack(tables.flip_uv(labels.numpy(), uv[0], uv[1]))
    return torch.tensor(CHART_FLIP)[labels.long()], new_uv


@pytest.mark.parametrize("angles", [None, (0.0,)])
def test_one_identity_view_is_the_plain_prediction(pictures, angles):
    model = build()
    (found,) = run(model, pictures, "plain", flips=(0.0,), angles=angles)
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
