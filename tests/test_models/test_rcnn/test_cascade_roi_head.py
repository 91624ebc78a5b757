"""Cross-cascade: deep supervision, its start as two plain stages, and results of the second."""

import pytest
import torch
from mmengine.registry import init_default_scope

from mmktn.utils.setup_env import register_all_modules
from tests.test_models.test_rcnn.small_models import batch_of, build, losses_of, predict

CHARTS = {"loss_fine_segm", "loss_u", "loss_v", "loss_coarse_segm"}
SYSTEMS = {
    "cascade/densepose-cascade_r18_fpn": CHARTS,
    "cascade/densepose-cascade-mask_r18_fpn": CHARTS | {"loss_mask"},
    "cascade/densepose-cascade-kpt_r18_fpn": CHARTS | {"loss_keypoint"},
}
PLAIN = {
    "cascade/densepose-cascade-mask_r18_fpn": "cascade/densepose-rcnn-mask_r18_fpn",
    "cascade/densepose-cascade-kpt_r18_fpn": "cascade/densepose-rcnn-kpt_r18_fpn",
}


@pytest.fixture(autouse=True)
def _registered():
    register_all_modules(init_default_scope=False)
    init_default_scope("mmdet")


def stage(losses: dict[str, torch.Tensor], number: int) -> dict[str, torch.Tensor]:
    prefix = f"s{number}."
    return {k.removeprefix(prefix): v for k, v in losses.items() if k.startswith(prefix)}


def share_weights(head) -> None:
    """Give the second stage the weights of the first."""
    first, second = head.stages
    for task in ("densepose", "mask", "keypoint"):
        if getattr(first, task) is not None:
            getattr(second, task).load_state_dict(getattr(first, task).state_dict())


@pytest.mark.parametrize("name", SYSTEMS)
def test_both_stages_are_supervised_and_every_parameter_learns(name):
    model = build(name)
    losses = losses_of(model, batch_of())
    assert set(stage(losses, 1)) == set(stage(losses, 2)) == SYSTEMS[name]
    total, logged = model.parse_losses(losses)
    parts = sum(v for k, v in losses.items() if "loss" in k)
    torch.testing.assert_close(total, parts.sum())
    total.backward()
    head = model.roi_head
    assert [n for n, p in head.named_parameters() if p.grad is None] == []
    assert head.fusion.output.weight.grad.abs().sum() > 0
    assert logged.keys() >= {"s1.loss_u", "s2.loss_u"}


@pytest.mark.parametrize("name", SYSTEMS)
def test_with_shared_weights_and_fusion_at_zero_the_stages_are_one(name):
    model = build(name)
    share_weights(model.roi_head)
    losses = losses_of(model, batch_of())
    first, second = stage(losses, 1), stage(losses, 2)
    for key in SYSTEMS[name]:
        torch.testing.assert_close(second[key], first[key], msg=key)


@pytest.mark.parametrize("name", PLAIN)
def test_one_stage_is_the_multi_task_system(name):
    """Charts and keypoints of the first stage, from the same weights, have the plain losses."""
    cascade, plain = build(name), build(PLAIN[name])
    weights = {k: v for k, v in cascade.state_dict().items() if k in plain.state_dict()}
    plain.load_state_dict(weights)
    first = stage(losses_of(cascade, batch_of()), 1)
    expected = losses_of(plain, batch_of())
    for key in SYSTEMS[name]:
        torch.testing.assert_close(first[key], expected[key], rtol=1e-4, atol=1e-6, msg=key)


def test_fusion_carries_gradients_of_the_second_stage_into_the_first():
    model = build("cascade/densepose-cascade-kpt_r18_fpn")
    torch.nn.init.normal_(model.roi_head.fusion.output.weight, std=0.1)
    losses = losses_of(model, batch_of())
    sum(stage(losses, 2).values()).backward()
    first = model.roi_head.stages[0]
    for head in (first.densepose, first.keypoint):
        assert all(p.grad.abs().sum() > 0 for p in head.predictor.parameters())


@pytest.mark.parametrize("name", SYSTEMS)
def test_no_box_to_learn_from_gives_zeros_that_reach_all_parameters(name):
    model, batch = build(name), batch_of()
    for sample in batch["data_samples"]:
        sample.gt_instances = sample.gt_instances[:0]
    losses = losses_of(model, batch)
    assert all(v == 0 for k, v in losses.items() if k.startswith("s"))
    model.parse_losses(losses)[0].backward()
    head = model.roi_head
    assert [n for n, p in head.named_parameters() if p.grad is None and "bbox" not in n] == []


def test_results_are_those_of_the_second_stage():
    model = build("cascade/densepose-cascade-kpt_r18_fpn")
    before = predict(model)[0]
    with torch.no_grad():
        for head in (model.roi_head.densepose_head, model.roi_head.keypoint_head):
            for parameter in head.predictor.parameters():
                parameter.zero_()
    # With the fusion at zero the first stage reaches no result.
    after = predict(model)[0]
    assert torch.equal(after.keypoints, before.keypoints)
    for a, b in zip(after.densepose, before.densepose, strict=True):
        assert torch.equal(a.labels, b.labels)


def test_chunks_change_nothing():
    model = build("cascade/densepose-cascade-mask_r18_fpn")
    torch.nn.init.normal_(model.roi_head.fusion.output.weight, std=0.1)
    whole = predict(model)[0]
    model.roi_head.refined_densepose_head.chunk_size = 2
    sizes = []
    model.roi_head.fusion.register_forward_pre_hook(lambda _, args: sizes.append(len(args[0])))
    parts = predict(model)[0]
    assert sizes == [2, 2, 1]
    assert (parts.masks == whole.masks).float().mean() > 0.999
    for a, b in zip(parts.densepose, whole.densepose, strict=True):
        # Sums in another order flip near ties of random weights.
        assert (a.labels == b.labels).float().mean() > 0.98


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("cascade/densepose-cascade_r18_fpn", {"densepose"}),
        ("cascade/densepose-cascade-mask_r18_fpn", {"densepose", "masks"}),
        ("cascade/densepose-cascade-kpt_r18_fpn", {"densepose", "keypoints", "keypoint_scores"}),
    ],
)
@pytest.mark.parametrize("score_thr", [0.0, 1.1])
def test_fields_of_results_with_and_without_detections(name, fields, score_thr):
    people = predict(build(name), score_thr=score_thr)[0]
    assert set(people.keys()) == fields | {"bboxes", "scores", "labels"}
    assert len(people) == (5 if score_thr == 0 else 0)


def test_branches_with_their_own_pooling_are_refused():
    extractor = {
        "_delete_": True,  # the config has None there, which mmengine does not merge into
        "type": "mmdet.SingleRoIExtractor",
        "roi_layer": {"type": "RoIAlign", "output_size": 14},
        "out_channels": 64,
        "featmap_strides": [4],
    }
    with pytest.raises(ValueError, match=r"mask_roi_extractor.* must be None"):
        build(
            "cascade/densepose-cascade-mask_r18_fpn",
            **{"model.roi_head.mask_roi_extractor": extractor},
        )


@pytest.mark.parametrize("name", SYSTEMS)
def test_bfloat16_training_step_on_the_cpu(name):
    model = build(name)
    with torch.autocast("cpu", torch.bfloat16):
        losses = losses_of(model, batch_of())
    total = model.parse_losses(losses)[0]
    total.backward()
    assert torch.isfinite(total)
    assert all(torch.isfinite(p.grad).all() for p in model.roi_head.parameters())


@pytest.mark.cuda
def test_training_step_and_prediction_on_cuda():
    model = build("cascade/densepose-cascade-mask_r18_fpn").cuda()
    with torch.autocast("cuda", torch.float16):
        losses = losses_of(model, batch_of())
    model.parse_losses(losses)[0].backward()
    people = predict(model)[0]
    assert people.masks.is_cuda
    assert people.densepose[0].labels.is_cuda
