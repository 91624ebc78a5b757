from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from mmktn.stip import STIPLoss
from mmktn.stip.losses import half_weighted_mse
from tests.test_stip.small_models import random_feats, random_targets, small_head


def output_and_targets():
    with torch.no_grad():
        output = small_head().forward_maps(random_feats())
    return output, random_targets(output.final)


def test_half_weighted_mse_is_the_official_loop():
    generator = torch.Generator().manual_seed(0)
    maps, target = (torch.rand(2, 3, 4, 5, generator=generator) for _ in range(2))
    weights = torch.tensor([[1.0, 0.0, 0.5], [1.0, 2.0, 0.0]])
    expected = 0.0
    for k in range(3):
        w = weights[:, k, None, None]
        expected += 0.5 * ((w * maps[:, k] - w * target[:, k]) ** 2).mean()
    torch.testing.assert_close(half_weighted_mse(maps, target, weights), expected / 3)


def test_every_term_has_its_official_weight():
    output, targets = output_and_targets()
    losses = STIPLoss()(output, targets)
    mse = half_weighted_mse(output.spatial, targets.heatmaps, targets.keypoint_weights)
    assert losses["loss_spatial"] == pytest.approx(mse.item())
    mask = F.binary_cross_entropy(output.mask_logits.sigmoid(), targets.person_mask)
    assert losses["loss_mask"].item() == pytest.approx(0.0005 * mask.item(), rel=1e-5)
    presence = F.binary_cross_entropy(output.semantics_logits.sigmoid(), targets.keypoint_presence)
    assert losses["loss_semantics"].item() == pytest.approx(1e-5 * presence.item(), rel=1e-5)


@pytest.mark.parametrize(
    ("options", "missing"),
    [
        ({"instance_parsing": None}, {"loss_kernel"}),
        ({"semantic_transfer": None}, {"loss_semantics"}),
        ({}, set()),
    ],
    ids=["SaT", "IaP", "both"],
)
def test_a_part_that_is_off_has_no_term(options, missing):
    with torch.no_grad():
        output = small_head(**options).forward_maps(random_feats())
    everything = {"final", "initial", "kernel", "spatial", "mask", "semantics"}
    found = set(STIPLoss()(output, random_targets(output.final)))
    assert found == {f"loss_{name}" for name in everything} - missing


def test_unlabelled_keypoints_do_not_count():
    output, targets = output_and_targets()
    unlabelled = (targets.keypoint_weights == 0)[..., None, None]
    changed = replace(targets, heatmaps=torch.where(unlabelled, 7.0, targets.heatmaps))
    for name, value in STIPLoss()(output, targets).items():
        assert STIPLoss()(output, changed)[name] == value


def test_spatial_head_may_have_a_target_of_its_own():
    output, targets = output_and_targets()
    other = replace(targets, spatial_heatmaps=output.spatial)
    losses = STIPLoss()(output, other)
    assert losses["loss_spatial"] == 0
    assert losses["loss_final"] == STIPLoss()(output, targets)["loss_final"]


def test_kernel_term_can_be_left_out():
    output, targets = output_and_targets()
    assert "loss_kernel" not in STIPLoss(with_kernel_term=False)(output, targets)
