"""Masks, keypoints, single tasks and the segmentor beside or instead of the charts."""

import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from torch import nn

from mmktn.models.rcnn.person_masks import person_mask_target, segmentor_loss
from mmktn.registry import MODELS
from mmktn.utils.setup_env import register_all_modules
from tests.test_models.test_rcnn.small_models import batch_of, build, losses_of, predict

BOX_LOSSES = {"loss_rpn_cls", "loss_rpn_bbox", "loss_cls", "loss_bbox", "acc"}
CHART_LOSSES = {"loss_fine_segm", "loss_u", "loss_v", "loss_coarse_segm"}
MASK, KEYPOINT = "cascade/densepose-rcnn-mask_r18_fpn", "cascade/densepose-rcnn-kpt_r18_fpn"


@pytest.fixture(autouse=True)
def _registered():
    register_all_modules(init_default_scope=False)
    init_default_scope("mmdet")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (MASK, CHART_LOSSES | {"loss_mask"}),
        (KEYPOINT, CHART_LOSSES | {"loss_keypoint"}),
        ("tasks/body-seg_r18_fpn-mid1", {"loss_body_mask"}),
        ("tasks/part-seg_r18_fpn", {"loss_coarse_segm"}),
        ("tasks/keypoints_r18_fpn-mid2", {"loss_keypoint"}),
    ],
)
def test_losses_of_every_task_reach_all_parameters(name, expected):
    model = build(name)
    losses = losses_of(model, batch_of())
    assert set(losses) == BOX_LOSSES | expected
    assert all(losses[key] > 0 for key in expected)
    model.parse_losses(losses)[0].backward()
    assert [n for n, p in model.roi_head.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("name", [MASK, KEYPOINT, "tasks/keypoints_r18_fpn"])
def test_nobody_to_learn_from_gives_zeros_that_reach_all_parameters(name):
    model, batch = build(name), batch_of()
    for sample in batch["data_samples"]:
        sample.gt_instances = sample.gt_instances[:0]
    losses = losses_of(model, batch)
    for key in set(losses) - BOX_LOSSES:
        assert losses[key] == 0, key
    model.parse_losses(losses)[0].backward()
    heads = [
        m for n, m in model.roi_head.named_children() if n.endswith("head") and "bbox" not in n
    ]
    assert heads
    assert all(p.grad is not None for head in heads for p in head.parameters())


def test_keypoints_are_learned_from_people_without_dense_pose():
    model, batch = build(KEYPOINT), batch_of()
    for sample in batch["data_samples"]:
        truth = sample.gt_instances
        sample.gt_instances = truth[~truth.densepose.valid]
    losses = losses_of(model, batch)
    assert losses["loss_keypoint"] > 0
    assert losses["loss_u"] == losses["loss_coarse_segm"] == 0


def test_unlabelled_keypoints_teach_nothing():
    model, batch = build(KEYPOINT), batch_of()
    for sample in batch["data_samples"]:
        for person in sample.gt_instances.densepose:
            person.keypoint_visible.zero_()
    losses = losses_of(model, batch)
    assert losses["loss_keypoint"] == 0
    assert losses["loss_u"] > 0


def test_masks_lie_in_the_image_and_leave_charts_alone():
    plain, enlarged = build(MASK), build(MASK)
    once, twice = predict(plain)[0], predict(enlarged, scale=0.5)[0]
    assert once.masks.shape == (len(once), 96, 128)
    assert twice.masks.shape == (len(once), 192, 256)
    torch.testing.assert_close(twice.bboxes, once.bboxes * 2)
    # mmdet scales the boxes it pastes in place; the charts must not be pooled from those.
    without = build(MASK)
    without.roi_head.mask_head = None
    charts = predict(without, scale=0.5)[0].densepose
    for a, b in zip(twice.densepose, charts, strict=True):
        assert torch.equal(a.labels, b.labels)
    x0, y0, x1, y1 = twice.bboxes[0].tolist()
    outside = twice.masks[0].clone()
    outside[max(int(y0) - 1, 0) : int(y1) + 2, max(int(x0) - 1, 0) : int(x1) + 2] = False
    assert not outside.any()


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_keypoints_lie_in_their_boxes_in_image_pixels(scale):
    people = predict(build(KEYPOINT), scale=scale)[0]
    assert people.keypoints.shape == (len(people), 17, 2)
    assert people.keypoint_scores.shape == (len(people), 17)
    low, high = people.bboxes[:, None, :2], people.bboxes[:, None, 2:]
    points = people.keypoints + 0.5  # indices of pixels, whose centres lie half a pixel on
    assert ((points > low) & (points < high)).all()


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        (MASK, {"densepose", "masks"}),
        (KEYPOINT, {"densepose", "keypoints", "keypoint_scores"}),
        ("tasks/body-seg_r18_fpn", {"body_segmentation"}),
        ("tasks/part-seg_r18_fpn", {"part_segmentation"}),
        ("tasks/keypoints_r18_fpn", {"keypoints", "keypoint_scores"}),
    ],
)
def test_no_detection_gives_empty_results_of_every_task(name, fields):
    people = predict(build(name), score_thr=1.1)[0]
    assert set(people.keys()) == fields | {"bboxes", "scores", "labels"}
    assert all(len(people[field]) == 0 for field in fields)


def test_given_boxes_get_charts_and_keypoints():
    model = build(KEYPOINT).eval()
    levels = model.extract_feat(torch.rand(1, 3, 96, 128))
    boxes = torch.tensor([[10.0, 10, 60, 80], [0, 0, 100, 90]])
    results = model.roi_head.predict_densepose(levels, [boxes], [InstanceData(bboxes=boxes)])
    assert len(results[0].densepose) == len(results[0].keypoints) == 2


def test_two_sources_of_keypoints_are_refused():
    with pytest.raises(ValueError, match=r"both make \['keypoint_heatmaps'\]"):
        build(KEYPOINT, **{"model.roi_head.densepose_head.predictor.num_keypoints": 17})


def sample_with(masks: list[torch.Tensor], crowd: torch.Tensor, padded: tuple[int, int]):
    """A sample with person masks (H, W) and one ignored crowd."""
    sample = DetDataSample(metainfo={"batch_input_shape": padded})
    height, width = crowd.shape
    for name, group in (("gt_instances", masks), ("ignored_instances", [crowd])):
        stacked = torch.stack(group).numpy().astype("uint8")
        boxes = torch.zeros(len(group), 4)
        truth = InstanceData(bboxes=boxes, masks=BitmapMasks(stacked, height, width))
        setattr(sample, name, truth)
    return sample


def test_segmentor_target_is_the_union_of_persons_by_hand():
    # 8 x 12 image in a batch of 8 x 16: cells of 4 x 4 pixels, 2 x 4 of them.
    first, second, crowd = (torch.zeros(8, 12, dtype=torch.bool) for _ in range(3))
    first[:4, :4] = True  # cell (0, 0)
    second[4:, 4:7] = True  # three of four columns of cell (1, 1): its middle 2 x 2 is on
    crowd[:4, 8:12] = True  # cell (0, 2)
    sample = sample_with([first, second], crowd, (8, 16))
    expected = torch.tensor([[1, 0, 1, 0], [0, 1, 0, 0]])
    assert torch.equal(person_mask_target(sample, (2, 4)), expected)
    right = torch.stack([1.0 - expected, expected.float()])[None] * 100
    assert segmentor_loss(right, [sample]) < 1e-6
    assert segmentor_loss(torch.zeros(1, 2, 2, 4), [sample]).item() == pytest.approx(0.6931472)


def test_segmentor_of_the_neck_adds_its_loss_at_training_alone():
    model = build("tasks/body-seg_r18_fpn-mid1")
    before = losses_of(model, batch_of())
    segmentor = {"type": "mmktn.PanopticFPNDecoder", "in_channels": 64, "channels": 8}
    neck = model.roi_head.densepose_neck
    neck.segmentor = MODELS.build(segmentor | {"out_channels": 2})
    neck.segmentor_weight = 0.5
    losses = losses_of(model, batch_of())
    assert set(losses) == set(before) | {"loss_segmentor"}
    losses["loss_segmentor"].backward()
    assert all(p.grad is not None for p in neck.segmentor.parameters())
    neck.segmentor_weight = 1.0
    doubled = losses_of(model, batch_of())["loss_segmentor"]
    torch.testing.assert_close(doubled, 2 * losses["loss_segmentor"])
    neck.segmentor.forward = nn.Identity()  # would fail in `[0]` of a prediction
    predict(model)


def test_segmentor_without_masks_names_the_transform():
    sample = sample_with([torch.ones(4, 4).bool()], torch.ones(4, 4).bool(), (4, 4))
    del sample.gt_instances.masks
    with pytest.raises(KeyError, match="with_mask=True"):
        person_mask_target(sample, (1, 1))
