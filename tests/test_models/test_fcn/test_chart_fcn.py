"""DP-FCN: losses and results against the shared parts, by hand where they are new."""

import copy

import numpy as np
import pytest
import torch
from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData, PixelData

from mmktn.models.fcn.chart_fcn import background_pixels, scaled_hw
from mmktn.models.fcn.person_views import covered_window, cut_result, given_boxes
from mmktn.models.flip_rules import surface_flip_rules
from mmktn.models.targets import build_chart_targets
from mmktn.registry import MODELS
from mmktn.structures import ChartResult, DensePoseAnnotations
from mmktn.utils.setup_env import register_all_modules
from tests.fake_annotations import fake_annotation, fake_annotations

HW = (48, 64)


@pytest.fixture(scope="module")
def model():
    register_all_modules(init_default_scope=False)
    torch.manual_seed(0)
    config = {
        "type": "mmktn.ChartFCN",
        "backbone": {
            "type": "mmdet.ResNet",
            "depth": 18,
            "base_channels": 8,
            "stem_channels": 8,
            "out_indices": (3,),
            "strides": (1, 2, 1, 1),
            "dilations": (1, 1, 2, 4),
        },
        "chart_head": {
            "type": "mmktn.DensePoseHead",
            "trunk": {
                "type": "mmktn.SummedASPPTrunk",
                "in_channels": 64,
                "channels": 8,
                "rates": (1, 2),
            },
            "predictor": {
                "type": "mmktn.ChartPredictor",
                "in_channels": 8,
                "conv_kernel": 1,
                "coarse_channels": 15,
                "upscale": 8,
            },
            "loss": {
                "type": "mmktn.ChartLoss",
                "weights": {"u": 10.0, "v": 10.0},
                "uv_reduction": "mean",
                "half_pixel": True,
            },
            "decoder": {"type": "mmktn.ChartDecoder", "mask_source": "fine_segm"},
        },
    }
    return MODELS.build(config).eval()


@pytest.fixture(autouse=True)
def _plain(model):
    model.train_cfg, model.test_cfg = {}, {}


def make_sample(seed=0, *, num_persons=2, seg_map=None, **meta):
    rng = np.random.default_rng(seed)
    sample = DetDataSample(metainfo={"img_id": seed, "ori_shape": HW, "img_shape": HW, **meta})
    low = rng.uniform((2, 2), (20, 15), (num_persons, 2))
    boxes = np.concatenate((low, low + rng.uniform(15, 28, (num_persons, 2))), axis=1)
    sample.gt_instances = InstanceData(
        bboxes=torch.from_numpy(boxes.astype(np.float32)),
        labels=torch.zeros(num_persons).long(),
        densepose=DensePoseAnnotations(fake_annotation(rng, 12 + i) for i in range(num_persons)),
    )
    if seg_map is not None:
        sample.gt_sem_seg = PixelData(sem_seg=torch.as_tensor(seg_map, dtype=torch.uint8)[None])
    return sample


def images(count=1, seed=0):
    return torch.randn(count, 3, *HW, generator=torch.Generator().manual_seed(seed))


def test_maps_have_the_size_of_the_input(model):
    output = model(images(2))
    assert output["fine_segm"].shape == (2, 25, *HW)
    assert model.extract_feat(images()).shape[-2:] == (6, 8)


def test_losses_are_those_of_the_head_on_the_whole_input(model):
    """One person per image, no background: the RoI path with the input as RoI."""
    model.train_cfg = {"background_ratio": 0.0}
    samples = [make_sample(i, num_persons=1) for i in range(2)]
    found = model.loss(images(2), samples)
    rois = torch.tensor([[0.0, 0.0, HW[1], HW[0]]]).expand(2, -1)
    expected = model.chart_head.loss_by_feat(
        model(images(2)),
        rois,
        torch.cat([s.gt_instances.bboxes for s in samples]),
        DensePoseAnnotations.cat([s.gt_instances.densepose for s in samples]),
    )
    assert set(found) == {"loss_fine_segm", "loss_u", "loss_v", "loss_coarse_segm"}
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)


def test_loss_of_one_point_by_hand(model):
    """A point at the centre of pixel (x 20, y 10) reads exactly that pixel."""
    model.train_cfg = {"background_ratio": 0.0}
    sample = make_sample(num_persons=1)
    sample.gt_instances.bboxes = torch.tensor([[0.0, 0.0, HW[1], HW[0]]])
    person = sample.gt_instances.densepose[0]
    person.point_xy = torch.tensor([[20.5 / 64, 10.5 / 48]])
    person.point_charts, person.point_uv = torch.tensor([7]), torch.tensor([[0.25, 0.5]])
    output, found = model(images()), model.loss(images(), [sample])
    logs = output["fine_segm"][0, :, 10, 20].log_softmax(dim=0)
    torch.testing.assert_close(found["loss_fine_segm"], -logs[7], rtol=1e-4, atol=1e-5)
    off = float(output["u"][0, 7, 10, 20].detach()) - 0.25
    expected = 10 * (0.5 * off**2 if abs(off) < 1 else abs(off) - 0.5)
    assert float(found["loss_u"]) == pytest.approx(expected, rel=1e-3)


def test_points_in_the_padding_of_a_batch_teach_nothing(model):
    """A crop of 40 of the 64 columns: points that it cut off at the right stay out."""
    model.train_cfg = {"background_ratio": 0.0}
    sample = make_sample(num_persons=1, img_shape=(HW[0], 40))
    sample.gt_instances.bboxes = torch.tensor([[0.0, 0.0, HW[1], HW[0]]])
    person = sample.gt_instances.densepose[0]
    person.point_xy = torch.tensor([[20.5 / 64, 10.5 / 48], [45.5 / 64, 10.5 / 48]])
    person.point_charts, person.point_uv = torch.tensor([7, 7]), torch.full((2, 2), 0.5)
    logs = model(images())["fine_segm"][0, :, 10, 20].log_softmax(dim=0)
    found = model.loss(images(), [sample])["loss_fine_segm"]
    torch.testing.assert_close(found, -logs[7], rtol=1e-4, atol=1e-5)


def test_background_pixels_teach_chart_0(model):
    seg_map = np.full(HW, 1)
    seg_map[3, 5] = 0
    sample = make_sample(seg_map=seg_map)
    output = model(images())
    losses = model.loss(images(), [sample])
    boxes = sample.gt_instances.bboxes
    targets = build_chart_targets(
        torch.tensor([[0.0, 0.0, HW[1], HW[0]]]), boxes, sample.gt_instances.densepose,
        roi_of_person=torch.zeros(2, dtype=torch.int64),
    )  # fmt: skip
    count = len(targets.roi_index)
    assert count == 25
    at_points = model.chart_head.chart_loss(output, targets)["loss_fine_segm"]
    at_pixel = -output["fine_segm"][0, :, 3, 5].log_softmax(dim=0)[0]
    torch.testing.assert_close(losses["loss_fine_segm"], (at_points + at_pixel) / 2)


def test_background_is_where_certainly_nobody_is():
    seg_map = np.zeros(HW)
    seg_map[:5] = 1
    seg_map[5:10] = 2
    seg_map[10:15] = 255
    padded = (56, 72)
    free = background_pixels([make_sample(seg_map=seg_map)], padded, torch.device("cpu"))
    assert free.shape == (1, *padded)
    assert free[0, 15:48, :64].all()
    assert int(free.sum()) == 33 * 64


def test_without_a_person_map_boxes_stand_for_persons():
    sample = make_sample(num_persons=1)
    sample.gt_instances.bboxes = torch.tensor([[10.2, 5.0, 20.0, 7.5]])
    sample.ignored_instances = InstanceData(bboxes=torch.tensor([[-3.0, 40.0, 4.0, 60.0]]))
    free = background_pixels([sample], HW, torch.device("cpu"))[0]
    assert not free[5:8, 10:21].any()
    assert not free[40:, :5].any()
    assert int((~free).sum()) == 3 * 11 + 8 * 5


def test_images_without_dense_pose_train_without_points(model):
    sample = make_sample()
    sample.gt_instances.densepose = fake_annotations(np.random.default_rng(0), 2)[[1, 1]]
    losses = model.loss(images(), [sample])
    assert float(losses["loss_u"]) == 0


def test_missing_dense_pose_says_what_to_load(model):
    sample = make_sample()
    del sample.gt_instances.densepose
    with pytest.raises(KeyError, match="LoadDensePoseAnnotations"):
        model.loss(images(), [sample])


def predict(model, sample, seed=0):
    with torch.no_grad():
        (found,) = model.predict(images(seed=seed), [copy.deepcopy(sample)])
    return found.pred_instances


def test_whole_image_result_is_the_plain_decoding(model):
    people = predict(model, make_sample())
    assert people.bboxes.tolist() == [[0, 0, 64, 48]]
    assert people.scores.tolist() == [1]
    output = model(images())
    labels = output["fine_segm"][0].argmax(dim=0)
    assert torch.equal(people.densepose[0].labels.long(), labels)
    expected = output["u"][0].gather(0, labels[None])[0] * (labels > 0)
    torch.testing.assert_close(people.densepose[0].uv[0], expected)


def test_fusing_one_scale_is_no_fusion(model):
    plain = predict(model, make_sample()).densepose[0]
    model.test_cfg = {"scales": (1.0, 1.0)}
    fused = predict(model, make_sample()).densepose[0]
    assert torch.equal(plain.labels, fused.labels)
    torch.testing.assert_close(plain.uv, fused.uv)


def test_scales_are_averaged(model):
    model.test_cfg = {"scales": (1.0, 0.5)}
    found = predict(model, make_sample()).densepose[0]
    small = torch.nn.functional.interpolate(images(), size=(24, 32), mode="bilinear")
    probabilities = model(images())["fine_segm"].softmax(dim=1)
    logits = torch.nn.functional.interpolate(model(small)["fine_segm"], size=HW, mode="bilinear")
    expected = (probabilities + logits.softmax(dim=1)).argmax(dim=1)[0]
    assert torch.equal(found.labels.long(), expected)
    assert scaled_hw((50, 64), 1.25) == (64, 80)


def test_with_flips_a_mirrored_image_gives_the_mirrored_result(model):
    model.test_cfg = {"flip": True, "surface": "human"}
    with torch.no_grad():
        maps = model._maps(images(), [make_sample()])
        mirrored = model._maps(images().flip(-1), [make_sample()])
    back = mirrored.flip(surface_flip_rules("human"))
    torch.testing.assert_close(back["fine_segm"], maps["fine_segm"], atol=1e-4, rtol=1e-4)
    # Two look-ups in tables of 1/255, one of them in each of the two averaged views.
    torch.testing.assert_close(back["u"], maps["u"], atol=1.5 / 255, rtol=0)


def test_person_only_fills_the_person_and_nothing_else(model):
    seg_map = np.zeros(HW)
    seg_map[10:30, 20:40] = 1
    model.test_cfg = {"person_only": True}
    found = predict(model, make_sample(seg_map=seg_map)).densepose[0]
    assert torch.equal(found.labels > 0, torch.as_tensor(seg_map == 1))
    with pytest.raises(KeyError, match="LoadPersonMap"):
        predict(model, make_sample())


def test_given_boxes_are_cut_out_of_the_image(model):
    whole = predict(model, make_sample()).densepose[0]
    boxes = [[10.7, 5.2, 30.9, 25.0], [-4.0, -2.0, 8.0, 9.0], [50.0, 40.0, 70.0, 60.0]]
    people = predict(model, make_sample(given_boxes=boxes, given_scores=[0.5, 0.25, 0.125]))
    assert people.scores.tolist() == [0.5, 0.25, 0.125]
    np.testing.assert_allclose(people.bboxes, boxes)
    assert torch.equal(people.densepose[0].labels, whole.labels[5:24, 10:30])
    assert torch.equal(people.densepose[1].uv[:, 2:, 4:], whole.uv[:, :9, :8])
    assert not people.densepose[1].labels[:2].any()
    assert torch.equal(people.densepose[2].labels[:8, :14], whole.labels[40:, 50:])


def test_a_box_that_misses_the_image_is_background():
    image = ChartResult(torch.ones(4, 4, dtype=torch.uint8), torch.zeros(2, 4, 4))
    assert not cut_result(image, torch.tensor([10.0, 10.0, 14.0, 13.0])).labels.any()


def test_person_crops_give_results_in_their_box(model):
    """The crop covers (100, 50)..(228, 146) of the image in 64 x 48 pixels: scale 1/2."""
    meta = {
        "ori_shape": (300, 400),
        "crop_window": [100.0, 50.0, 228.0, 146.0],
        "person_box": [120.0, 60.0, 160.0, 100.0],
        "person_score": 0.75,
    }
    people = predict(model, make_sample(**meta))
    assert people.bboxes.tolist() == [[120, 60, 160, 100]]
    assert people.scores.tolist() == [0.75]
    result = people.densepose[0]
    assert result.hw == (40, 40)
    double = model(images()).map(
        lambda maps: torch.nn.functional.interpolate(maps, scale_factor=2, mode="bilinear")
    )
    labels = double["fine_segm"][0].argmax(dim=0)[10:50, 20:60]
    # Ties between rounded logits aside, the crop enlarged to image pixels.
    assert (result.labels.long() == labels).float().mean() > 0.99


def test_padding_widens_the_covered_window():
    sample = make_sample(ori_shape=(96, 128), scale_factor=(0.5, 0.5))
    assert covered_window(sample, (56, 64)).tolist() == [0, 0, 128, 112]
    assert covered_window(sample, (56, 64), rescale=False).tolist() == [0, 0, 64, 56]
    boxes, _ = given_boxes(sample, rescale=False)
    assert boxes.tolist() == [[0, 0, 64, 48]]


def test_labels_of_persons_cover_the_mask_in_the_box_grid(model):
    seg_map = np.zeros(HW)
    seg_map[8:40, 16:48] = 1
    meta = {
        "ori_shape": (300, 400),
        "crop_window": [100.0, 50.0, 228.0, 146.0],
        "person_box": [132.0, 66.0, 196.0, 130.0],  # exactly the mask
    }
    sample = make_sample(seg_map=seg_map, **meta)
    (labels,) = model.label_persons(images(), [sample])
    assert labels.shape == (4, 256, 256)
    assert labels.dtype == torch.uint8
    # Each pixel is 8 cells; logits are mixed across the mask's edge.
    assert (labels[0, 4:252, 4:252] > 0).all()
    output = model(images())
    chart = output["fine_segm"][0, 1:, 24, 32].argmax() + 1
    cell = labels[:, 131, 131]  # near the centre of pixel (32, 24)
    assert cell[0] == chart
    share = output["fine_segm"][0, 1:, 24, 32].softmax(dim=0).max()
    assert abs(cell[3] / 255 - share) < 0.05
