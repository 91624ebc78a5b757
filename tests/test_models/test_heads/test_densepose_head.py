import pytest
import torch

from mmktn.models.heads import DensePoseHead
from mmktn.registry import MODELS
from mmktn.structures import DensePoseAnnotation, DensePoseAnnotations

TRUNK = {"type": "mmktn.KTNTrunk", "in_channels": 32, "channels": 32, "num_convs": 1}
KTM = {
    "type": "mmktn.KTMv2ChartPredictor",
    "in_channels": 32,
    "box_dim": 6,
    "graph": {"relation_source": "random"},
}
KTN_DECODER = {"type": "mmktn.ChartDecoder", "mask_source": "body_mask", "mask_threshold": 0.3}
BOXES = torch.tensor([[0.0, 0.0, 20.0, 40.0], [5.0, 5.0, 35.5, 25.0], [1.0, 2.0, 30.0, 30.0]])


def make_head(predictor=None, **options):
    torch.manual_seed(0)
    options.setdefault("decoder", KTN_DECODER if predictor is None else None)
    return MODELS.build(
        {"type": "mmktn.DensePoseHead", "trunk": TRUNK, "predictor": predictor or KTM, **options}
    )


def plain(**options):
    return {"type": "mmktn.ChartPredictor", "in_channels": 32, **options}


def box_weights():
    generator = torch.Generator().manual_seed(0)
    return {
        "cls": torch.rand(2, 6, generator=generator, requires_grad=True),
        "reg": torch.rand(4, 6, generator=generator, requires_grad=True),
    }


def annotations(n):
    generator = torch.Generator().manual_seed(0)
    return DensePoseAnnotations(
        DensePoseAnnotation(
            point_xy=0.1 + 0.8 * torch.rand(6, 2, generator=generator),
            point_charts=torch.randint(1, 25, (6,), generator=generator),
            point_uv=torch.rand(6, 2, generator=generator),
            coarse_map=torch.randint(0, 15, (256, 256), generator=generator).to(torch.uint8),
            keypoint_xy=torch.rand(17, 2, generator=generator),
            keypoint_visible=torch.full((17,), 2),
        )
        for _ in range(n)
    )


@pytest.fixture(scope="module")
def features():
    return torch.rand(3, 32, 7, 7, generator=torch.Generator().manual_seed(2))


def test_one_step_of_training_reaches_every_parameter(features):
    head = make_head()
    given = box_weights()
    losses = head.loss_by_feat(head(features, given), BOXES, BOXES, annotations(3))
    assert set(losses) == {
        "loss_fine_segm",
        "loss_u",
        "loss_v",
        "loss_coarse_segm",
        "loss_body_mask",
        "loss_keypoint",
    }
    sum(losses.values()).backward()
    assert [name for name, p in head.named_parameters() if p.grad is None] == []
    assert given["cls"].grad is None


def test_no_roi_gives_zeros_that_reach_every_parameter():
    """Distributed training: every process has to take part in every reduction."""
    head = make_head()
    output = head(torch.zeros(0, 32, 7, 7), box_weights())
    empty = torch.zeros(0, 4)
    losses = head.loss_by_feat(output, empty, empty, DensePoseAnnotations())
    assert sum(losses.values()).item() == 0
    sum(losses.values()).backward()
    assert [name for name, p in head.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize("chunk_size", [1, 2, 10])
def test_chunks_do_not_change_the_result(features, chunk_size):
    head = make_head(chunk_size=chunk_size).eval()
    expected = head.predict_by_feat(head(features, box_weights()), BOXES)
    found = head.predict(features, BOXES, box_weights())
    for a, b in zip(found, expected, strict=True):
        assert torch.equal(a.labels, b.labels)
        torch.testing.assert_close(a.uv, b.uv, rtol=0, atol=1e-5)


def test_features_may_be_pooled_chunk_by_chunk(features):
    head, asked = make_head(chunk_size=2).eval(), []

    def pool(part):
        asked.append((part.start, part.stop))
        return features[part]

    found = head.predict(pool, BOXES, box_weights())
    expected = head.predict(features, BOXES, box_weights())
    assert asked == [(0, 2), (2, 4)]
    assert all(torch.equal(a.uv, b.uv) for a, b in zip(found, expected, strict=True))


def test_no_box_asks_for_no_features():
    def pool(part):
        raise AssertionError("nothing to pool")

    assert len(make_head().eval().predict(pool, BOXES[:0], box_weights())) == 0


def test_permuting_rois_permutes_the_maps(features):
    head, order = make_head().eval(), [2, 0, 1]
    with torch.no_grad():
        before = head(features, box_weights())
        after = head(features[order], box_weights())
    for (_, a), (_, b) in zip(before.items(), after.items(), strict=True):
        torch.testing.assert_close(b, a[order])


def test_folding_leaves_the_predictions_alone(features):
    head = make_head().eval()
    before = head.predict(features, BOXES, box_weights())
    head.fold(box_weights())
    after = head.predict(features, BOXES)
    for a, b in zip(before, after, strict=True):
        assert torch.equal(a.labels, b.labels)
        torch.testing.assert_close(a.uv, b.uv, rtol=0, atol=1e-5)
    folded = make_head({**KTM, "folded": True}, decoder=KTN_DECODER)
    folded.load_state_dict(head.state_dict())


def test_plain_heads_have_nothing_to_fold(features):
    head = make_head(plain()).eval()
    before = {k: v.clone() for k, v in head.state_dict().items()}
    head.fold()
    assert all(torch.equal(v, before[k]) for k, v in head.state_dict().items())


def test_keypoints_are_not_made_for_decoding(features):
    """They are a training signal; at inference their deconvolution is left out."""
    head, made = make_head().eval(), []
    head.predictor.register_forward_hook(lambda *args: made.append(args[-1]))
    head.predict(features, BOXES, box_weights())
    assert made[0].names() == ["fine_segm", "u", "v", "body_mask"]


def test_parts_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"predictor\.in_channels=16 but the trunk has 32"):
        make_head(plain(in_channels=16))
    with pytest.raises(ValueError, match=r"mask_source='body_mask' reads \['body_mask'\]"):
        make_head(plain(), decoder=KTN_DECODER)


def test_defaults_are_those_of_densepose_rcnn():
    head = DensePoseHead(TRUNK, plain())
    assert head.decoder.mask_source == "coarse_segm"
    assert head.decoder.mask_threshold == 0.5
    assert (head.chart_loss.weight("coarse_segm"), head.chart_loss.weight("u")) == (5.0, 0.01)


def test_autocast_step_in_bfloat16_is_finite(features):
    head = make_head()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = head(features, box_weights())
        losses = head.loss_by_feat(output, BOXES, BOXES, annotations(3))
    sum(losses.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in head.parameters())


@pytest.mark.slow
def test_one_person_can_be_learned(features):
    """Fifty steps on one annotated person bring the chart loss well below chance (3.2)."""
    head = make_head(plain(num_keypoints=17))
    optimizer = torch.optim.Adam(head.parameters(), lr=3e-3)
    for _ in range(50):
        losses = head.loss_by_feat(head(features[:1]), BOXES[:1], BOXES[:1], annotations(1))
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
    assert losses["loss_fine_segm"].item() < 1.0
