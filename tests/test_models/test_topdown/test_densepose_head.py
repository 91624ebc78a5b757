"""The adapter to mmpose: a crop is a RoI, results lie in the person's box, flips are mirrors."""

from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample

from mmktn.models.flip_rules import surface_flip_rules
from mmktn.models.rcnn import DensePoseRoIHead
from mmktn.models.topdown import TopdownDensePoseHead
from mmktn.registry import MODELS
from mmktn.structures import DensePoseAnnotations
from mmktn.structures.box_grid import box_relative_to_image
from mmktn.utils.setup_env import register_all_modules
from tests.fake_annotations import fake_annotation

CONFIGS = Path(__file__).parents[3] / "configs"
CROP_WH = (48, 64)
SCALE = torch.tensor([60.0, 80.0])  # image pixels the crop covers; one crop pixel is 1.25 of them
CENTER = torch.tensor([50.0, 60.0])
BOX = torch.tensor([[30.0, 26.0, 69.5, 95.0]])


@pytest.fixture(autouse=True)
def _registered():
    register_all_modules(init_default_scope=False)
    init_default_scope("mmpose")


KTM_OPTIONS = {
    "ChartPredictor": {},
    "KTMv1ChartPredictor": {"num_keypoints": 17, "keypoint_upscale": None},
    "KTMv2ChartPredictor": {"num_keypoints": 17, "sources": ["keypoint", "part"]},
}


def densepose_head(predictor="ChartPredictor", **loss):
    return {
        "type": "mmktn.DensePoseHead",
        "trunk": {"type": "mmktn.DeconvTrunk", "in_channels": 8, "channels": (6,)},
        "predictor": {
            "type": f"mmktn.{predictor}",
            "in_channels": 6,
            "coarse_channels": 15,
            "with_body_mask": True,
            "conv_kernel": 1,
            **KTM_OPTIONS[predictor],
        },
        "loss": {"type": "mmktn.ChartLoss", "uv_reference_images": 4, **loss},
        "decoder": {"type": "mmktn.ChartDecoder", "mask_source": "body_mask"},
    }


def topdown_head(predictor="ChartPredictor", surface="human", **loss):
    torch.manual_seed(0)
    return TopdownDensePoseHead(densepose_head(predictor, **loss), surface=surface).eval()


def samples(count=2, *, boxes=BOX):
    """Crops of the same box, each of another person."""
    rng = np.random.default_rng(0)
    factor = torch.tensor(CROP_WH) / SCALE
    found = []
    for index in range(count):
        corners = (boxes.view(2, 2) - CENTER) * factor + torch.tensor(CROP_WH) / 2
        truth = InstanceData(
            bboxes=boxes.numpy(),
            bbox_scores=np.array([0.25 + index / 4], np.float32),
            crop_bboxes=corners.view(1, 4),
            densepose=DensePoseAnnotations([fake_annotation(rng)]),
        )
        meta = {
            "img_id": 5,
            "id": index,
            "ori_shape": (120, 100),
            "input_size": CROP_WH,
            "input_center": CENTER.numpy(),
            "input_scale": SCALE.numpy(),
        }
        found.append(PoseDataSample(gt_instances=truth, metainfo=meta))
    return found


def features(count=2, seed=1):
    """Stride 4 maps of the crops."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 8, CROP_WH[1] // 4, CROP_WH[0] // 4, generator=generator)


def roi_head(branch):
    """mmdet's adapter around the same branch, pooling whole crops cell by cell."""
    cfg = Config.fromfile(CONFIGS / "densepose/smoke/ktn2_r18_fpn_smoke_dp-synth.py")
    options = cfg.model.roi_head.to_dict() | {
        "train_cfg": cfg.model.train_cfg.rcnn,
        "test_cfg": cfg.model.test_cfg.rcnn,
        "densepose_neck": None,
        "densepose_head": densepose_head("ChartPredictor"),
        "densepose_roi_extractor": {
            "type": "mmdet.SingleRoIExtractor",
            "roi_layer": {
                "type": "RoIAlign",
                # One sample a bin, and bins as large as the cells: the map comes back as it is.
                "output_size": (CROP_WH[1] // 4, CROP_WH[0] // 4),
                "sampling_ratio": 1,
                "aligned": True,
            },
            "out_channels": 8,
            "featmap_strides": [4],
        },
    }
    options.pop("type")
    options["densepose_head"]["predictor"]["in_channels"] = 6
    head = DensePoseRoIHead(**options)
    head.densepose_head = branch
    return head.eval()


@pytest.mark.parametrize("half_pixel", [False, True])
@pytest.mark.parametrize("predictor", list(KTM_OPTIONS))
def test_losses_equal_those_of_the_roi_path_if_the_roi_is_the_crop(predictor, half_pixel):
    init_default_scope("mmdet")
    topdown = topdown_head(predictor, half_pixel=half_pixel)
    region = roi_head(topdown.densepose_head)
    region.train_cfg.densepose_fg_iou = 0.1
    given, x = samples(), features()
    crops = torch.tensor([[0.0, 0.0, *map(float, CROP_WH)]])
    truth, samplings = [], []
    for sample in given:
        box = sample.gt_instances.crop_bboxes
        truth.append(InstanceData(bboxes=box, densepose=sample.gt_instances.densepose))
        samplings.append(
            InstanceData(
                pos_priors=crops, pos_gt_bboxes=box, pos_assigned_gt_inds=torch.zeros(1).long()
            )
        )
    expected = region.branch_losses((x,), samplings, truth, bbox_feats=None)
    losses = topdown.loss((x,), given)
    assert set(losses) == set(expected)
    for name, loss in losses.items():
        # RoIAlign interpolates with weights 1 and 0; everything after it is the same code.
        torch.testing.assert_close(loss, expected[name], rtol=1e-5, atol=1e-6)
        assert float(loss) > 0


def test_decoding_equals_that_of_the_roi_path_if_the_roi_is_the_crop():
    init_default_scope("mmdet")
    topdown = topdown_head()
    region = roi_head(topdown.densepose_head)
    crop = torch.cat((CENTER - SCALE / 2, CENTER + SCALE / 2))[None]
    given, x = samples(1, boxes=crop), features(1)
    found = topdown.predict((x,), given)[0]
    rois = [torch.tensor([[0.0, 0.0, *map(float, CROP_WH)]])]
    expected = region.predict_densepose((x,), rois, [InstanceData(bboxes=crop)])[0]
    a, b = found.densepose[0], expected.densepose[0]
    assert a.hw == (80, 60)
    assert (a.labels != b.labels).float().mean() < 1e-3  # ties of RoIAlign's rounding
    same = a.labels == b.labels
    torch.testing.assert_close(a.uv[:, same], b.uv[:, same], rtol=0, atol=1e-4)


def test_result_lies_in_the_box_where_the_crop_shows_it():
    """A map that is a ramp in x gives every pixel its own place in the crop."""
    head = topdown_head()
    x = features(1)
    output = head((x,))
    h, w = output.map_hw
    ramp = ((torch.arange(w) + 0.5) / w).expand(1, 25, h, w)
    on = torch.zeros(1, 25, h, w)
    on[:, 7] = 1
    output = output.replace(u=ramp, v=ramp, fine_segm=on, body_mask=on[:, 6:8])
    head.densepose_head.forward = lambda *_, **__: output
    found = head.predict((x,), samples(1))[0]
    result = found.densepose[0]
    assert result.hw == (69, 39)  # int(95 - 26), int(69.5 - 30)
    assert (result.labels == 7).all()
    pixels = 30 + (torch.arange(39) + 0.5) * 39.5 / 39
    place = (pixels - (50 - 30)) / 60
    torch.testing.assert_close(result.uv[0], place.expand(69, 39), rtol=0, atol=1e-5)


def test_scores_are_those_of_the_boxes_and_boxes_are_clipped():
    outside = torch.tensor([[30.0, 26.0, 110.0, 130.0]])
    found = topdown_head().predict((features(),), samples(boxes=outside))
    assert [round(float(item.scores[0]), 3) for item in found] == [0.25, 0.5]
    assert found[0].bboxes.tolist() == [[30.0, 26.0, 100.0, 120.0]]
    assert found[0].densepose[0].hw == (94, 70)
    assert found[0].labels.tolist() == [0]


def test_chunks_change_nothing():
    head, given, x = topdown_head(), samples(5), features(5)
    whole = head.predict((x,), given)
    head.densepose_head.chunk_size = 2
    for a, b in zip(whole, head.predict((x,), given), strict=True):
        assert torch.equal(a.densepose[0].labels, b.densepose[0].labels)
        torch.testing.assert_close(a.densepose[0].uv, b.densepose[0].uv)


def test_flip_test_of_the_mirrored_crop_is_the_mirrored_result():
    """Swapping crop and mirror image mirrors every map, hence the results."""
    head, rules = topdown_head(), surface_flip_rules("human")
    crop = torch.cat((CENTER - SCALE / 2, CENTER + SCALE / 2))[None]
    given, x, y = samples(1, boxes=crop), features(1, seed=1), features(1, seed=2)
    with torch.no_grad():
        there = head._mean(head((x,)), head((y,))).flip(rules)
        back = head._mean(head((y,)), head((x,)))
    for name, maps in back.items():
        # Tables have 255 steps, and U, V go through one before or after the mean.
        atol = 2 / 255 if name in "uv" else 1e-5
        torch.testing.assert_close(there[name], maps, rtol=0, atol=atol)
    cfg = {"flip_test": True}
    one = head.predict([(x,), (y,)], given, test_cfg=cfg)[0].densepose[0]
    other = head.predict([(y,), (x,)], given, test_cfg=cfg)[0].densepose[0]
    charts = torch.as_tensor(rules.chart_flip)[one.labels.long()].flip(-1)
    assert (charts == other.labels).float().mean() > 0.999  # ties between averaged logits


def test_flip_test_needs_the_surface():
    head = topdown_head(surface=None)
    x = features(1)
    with pytest.raises(ValueError, match=r"flip_test=True needs head\.surface"):
        head.predict([(x,), (x,)], samples(1), test_cfg={"flip_test": True})


def test_missing_ground_truth_is_named():
    given = samples(1)
    del given[0].gt_instances.densepose
    with pytest.raises(KeyError, match=r"no 'densepose'.*LoadDensePoseAnnotations"):
        topdown_head().loss((features(1),), given)


def test_box_outside_its_image_is_an_error():
    outside = torch.tensor([[120.0, 10.0, 140.0, 40.0]])
    with pytest.raises(ValueError, match=r"image 5: box \[120.0, 10.0, 140.0, 40.0\].*100 x 120"):
        topdown_head().predict((features(1),), samples(1, boxes=outside))


@pytest.mark.parametrize("predictor", ["KTMv1ChartPredictor", "KTMv2ChartPredictor"])
def test_folding_keeps_the_predictions(predictor):
    head, given, x = topdown_head(predictor), samples(1), features(1)
    before = head.predict((x,), given)[0].densepose[0]
    size = sum(p.numel() for p in head.parameters())
    head.fold()
    after = head.predict((x,), given)[0].densepose[0]
    assert torch.equal(before.labels, after.labels)
    assert torch.equal(before.uv, after.uv)
    assert sum(p.numel() for p in head.parameters()) < size


def test_points_are_sampled_where_the_crop_shows_them():
    """Maps that are right at the points' cells give no loss of U."""
    head, given = topdown_head(half_pixel=True), samples(1)
    truth = given[0].gt_instances
    output = head((features(1),))
    h, w = output.map_hw
    annotation = truth.densepose[0]
    crop_xy = box_relative_to_image(annotation.point_xy, truth.crop_bboxes[0])
    annotation.point_uv[:, 0] = crop_xy[:, 0] / CROP_WH[0]
    output = output.replace(u=((torch.arange(w) + 0.5) / w).expand(1, 25, h, w))
    head.densepose_head.forward = lambda *_, **__: output
    # Within the outermost half cells the border value holds; no point of the box lies there.
    assert float(head.loss((features(1),), given)["loss_u"]) < 1e-8
    annotation.point_uv[:, 0] += 0.25
    assert float(head.loss((features(1),), given)["loss_u"]) > 1e-3


def test_whole_estimator_builds_from_mmpose_and_predicts():
    cfg = Config.fromfile(CONFIGS / "topdown/densepose-td_hrnet-w16n_ktm2_cpu_dp-synth.py")
    cfg.model.test_cfg.flip_test = True
    model = MODELS.build(cfg.model).eval()
    given = samples()
    inputs = [torch.randint(0, 256, (3, 128, 96), dtype=torch.uint8) for _ in given]
    with torch.no_grad():
        found = model.test_step({"inputs": inputs, "data_samples": given})
    for index, sample in enumerate(found):
        assert sample.pred_instances.densepose[0].hw == (69, 39)
        assert float(sample.pred_instances.bbox_scores[0]) == pytest.approx(0.25 + index / 4)
