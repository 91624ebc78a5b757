import copy

import numpy as np
import pytest
import torch
from mmengine.structures import InstanceData, PixelData
from mmpose.models.utils.tta import flip_heatmaps
from mmpose.structures import PoseDataSample

from mmktn.stip import STIPFeaturePyramid, STIPHead
from tests.test_stip.small_models import random_feats, random_targets, small_head
from tests.tool_modules import tool_module

_direct_stip = tool_module("projects/benchmark/direct_stip.py")
_peak_memory = tool_module("projects/benchmark/peak_memory.py")
direct_forward_maps = _direct_stip.direct_forward_maps
PeakMemoryMeter = _peak_memory.PeakMemoryMeter

FLIP = [1, 0, 2, 4, 3]
DECODER = {
    "type": "mmktn.RefinedHeatmap",
    "input_size": (16, 24),
    "heatmap_size": (8, 12),
    "sigma": 1.5,
}


def samples(maps, **fields):
    """Training samples made of random targets of the maps' size."""
    targets = random_targets(maps)
    found = []
    for i in range(len(maps)):
        sample = PoseDataSample(metainfo={"flip_indices": FLIP, "dataset_name": "toy"})
        sample.gt_fields = PixelData(
            heatmaps=targets.heatmaps[i], person_mask=targets.person_mask[i], **fields
        )
        sample.gt_instance_labels = InstanceData(
            keypoint_weights=targets.keypoint_weights[i : i + 1],
            keypoint_presence=targets.keypoint_presence[i : i + 1],
        )
        found.append(sample)
    return found, targets


def test_every_map_equals_the_direct_implementation():
    head, feats = small_head(), random_feats()
    with torch.no_grad():
        found, expected = head.forward_maps(feats), direct_forward_maps(head, feats)
    for name, value in vars(expected).items():
        # Linear maps and enlargement are swapped: rounding only.
        torch.testing.assert_close(getattr(found, name), value, rtol=1e-5, atol=1e-5, msg=name)


def test_gradients_equal_the_direct_implementation():
    def gradients(forward):
        head = small_head().train()
        output = forward(head, random_feats())
        losses = head.loss_module(output, random_targets(output.final))
        (losses["loss_final"] + losses["loss_kernel"] + losses["loss_initial"]).backward()
        return {n: p.grad for n, p in head.named_parameters() if p.grad is not None}

    found = gradients(lambda head, feats: head.forward_maps(feats))
    expected = gradients(direct_forward_maps)
    assert set(found) == set(expected)
    for name, grad in expected.items():
        limit = 1e-4 * grad.abs().max().item() + 1e-8
        torch.testing.assert_close(found[name], grad, rtol=0, atol=limit, msg=name)


@pytest.mark.parametrize("train", [False, True], ids=["prediction", "training step"])
def test_head_needs_half_the_memory_of_the_direct_implementation(train):
    torch.manual_seed(0)
    head = STIPHead(16, 14, semantic_transfer={}, instance_parsing={}).train(train)
    feats = [
        f.contiguous(memory_format=torch.channels_last)
        for f in random_feats(hw=(32, 24), channels=16)
    ]

    def peak(forward):
        head.zero_grad()
        with PeakMemoryMeter() as meter, torch.set_grad_enabled(train):
            output = forward(feats)
            if train:
                sum(head.loss_module(output, random_targets(output.final)).values()).backward()
        return meter.peak_bytes

    ours = peak(head.forward_maps if train else head)
    assert ours <= 0.5 * peak(lambda feats: direct_forward_maps(head, feats))


@pytest.mark.parametrize(
    ("options", "kernel", "semantics"),
    [
        ({}, True, True),
        ({"instance_parsing": None}, False, True),
        ({"semantic_transfer": None}, True, False),
    ],
    ids=["both", "SaT", "IaP"],
)
def test_prediction_is_the_final_map_of_training(options, kernel, semantics):
    head, feats = small_head(**options), random_feats()
    with torch.no_grad():
        output = head.forward_maps(feats)
        torch.testing.assert_close(head(feats), output.final)
    assert output.final.shape == (2, 5, 12, 8)
    assert (output.kernel is not None) == kernel
    assert (output.semantics_logits is not None) == semantics
    assert output.kernel_energy.shape == (2,)


def test_resnet_variant_reads_the_pyramid():
    head = small_head(
        semantic_transfer={"with_graph": False},
        deconv_out_channels=(8, 8),
        scale=1,
        with_refine=False,
    )
    feats = [torch.randn(2, 8, *hw) for hw in ((24, 16), (12, 8), (6, 4))]
    with torch.no_grad():
        output = head.forward_maps(feats)
    assert output.final.shape == output.spatial.shape == (2, 5, 24, 16)
    assert output.mask_logits.shape == (2, 1, 24, 16)
    assert output.graph is None


@pytest.mark.parametrize(
    ("options", "channels"),
    [
        ({}, None),
        ({"instance_parsing": None}, None),
        ({"semantic_transfer": None, "instance_parsing": {"with_coords": True}}, None),
        (
            {
                "semantic_transfer": {"with_graph": False},
                "scale": 1,
                "with_refine": False,
                "deconv_out_channels": (8, 8, 8),
                "loss": {"type": "mmktn.STIPLoss", "with_kernel_term": False},
            },
            (4, 4, 4, 4),
        ),
    ],
    ids=["both", "SaT", "IaP", "ResNet"],
)
def test_every_parameter_is_trained(options, channels):
    # A parameter without gradient stops distributed training.
    head = small_head(**options).train()
    modules, feats = [head], random_feats()
    if channels:
        neck = STIPFeaturePyramid(channels, 8)
        modules.append(neck)
        feats = neck([torch.randn(2, 4, 32 // 2**i, 16 // 2**i) for i in range(4)])
    output = head.forward_maps(feats)
    sum(head.loss_module(output, random_targets(output.final)).values()).backward()
    for module in modules:
        for name, parameter in module.named_parameters():
            assert parameter.grad is not None, name


def test_both_parts_off_is_refused():
    with pytest.raises(ValueError, match=r"use mmpose\.HeatmapHead"):
        STIPHead(8, 5)


def test_weights_start_as_published():
    head = STIPHead(32, 14, semantic_transfer={}, instance_parsing={})
    head.init_weights()
    for name, module in head.named_modules():
        if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
            # 448 weights or more: the sample deviation is within 15 % of 0.001.
            assert module.weight.std().item() == pytest.approx(1e-3, rel=0.2), name
            assert module.bias is None or module.bias.abs().max() == 0


def test_loss_terms_of_a_batch():
    head, feats = small_head(), random_feats()
    maps = head(feats)
    batch, targets = samples(maps)
    losses = head.loss(feats, batch)
    expected = head.loss_module(head.forward_maps(feats), targets)
    for name, value in expected.items():
        torch.testing.assert_close(losses[name], value)
    assert set(losses) - set(expected) == {"acc_pose", "kernel_energy"}
    assert "acc_pose" not in head.loss(feats, batch, train_cfg={"compute_acc": False})


def test_spatial_target_of_all_persons_is_used_where_present():
    head, feats = small_head(), random_feats()
    batch, _ = samples(head(feats), spatial_heatmaps=torch.full((5, 12, 8), 0.5))
    plain, _ = samples(head(feats))
    changed = head.loss(feats, batch)
    same = head.loss(feats, plain)
    assert changed["loss_spatial"] != same["loss_spatial"]
    assert changed["loss_final"] == same["loss_final"]


def test_flip_test_averages_the_final_maps_shifted_by_one_cell():
    head = small_head(decoder=DECODER)
    feats, flipped = random_feats(seed=1), random_feats(seed=2)
    batch, _ = samples(head(feats))
    options = {"flip_test": True, "shift_heatmap": True, "output_heatmaps": True}
    with torch.no_grad():
        _, fields = head.predict([feats, flipped], batch, test_cfg=options)
        mirrored = head(flipped)[:, FLIP].flip(-1)
        mirrored[..., 1:] = mirrored[..., :-1].clone()
        expected = (head(feats) + mirrored) / 2
    torch.testing.assert_close(torch.stack([f.heatmaps for f in fields]), expected)
    torch.testing.assert_close(
        flip_heatmaps(head(flipped), FLIP, shift_heatmap=True), mirrored, rtol=1e-5, atol=1e-6
    )


def test_prediction_is_decoded_by_the_codec():
    head = small_head(decoder=copy.deepcopy(DECODER))
    feats = random_feats()
    batch, _ = samples(head(feats))
    with torch.no_grad():
        found = head.predict(feats, batch)
        maps = head(feats).numpy()
    for instance, heatmaps in zip(found, maps, strict=True):
        keypoints, scores = head.decoder.decode(heatmaps)
        np.testing.assert_allclose(instance.keypoints, keypoints)
        np.testing.assert_allclose(instance.keypoint_scores, scores)


def test_prediction_carries_the_presence_of_the_key_points():
    head, feats, flipped = small_head(decoder=DECODER), random_feats(seed=1), random_feats(seed=2)
    with torch.no_grad():
        batch, _ = samples(head(feats))
        logits, mirrored = (head.forward_maps(f).semantics_logits for f in (feats, flipped))
        single = head.predict(feats, batch)
        double = head.predict([feats, flipped], batch, test_cfg={"flip_test": True})
        pair = head.predict(feats, batch, test_cfg={"output_heatmaps": True})
    found = np.concatenate([instance.keypoint_presence for instance in single])
    np.testing.assert_allclose(found, logits.sigmoid(), rtol=1e-5)
    assert np.ptp(found) > 0.01
    assert (np.concatenate([i.keypoint_presence for i in pair[0]]) == found).all()
    found = np.concatenate([instance.keypoint_presence for instance in double])
    expected = (logits.sigmoid() + mirrored.sigmoid()[:, FLIP]) / 2
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_no_presence_without_semantic_transfer():
    head, feats = small_head(semantic_transfer=None, decoder=DECODER), random_feats()
    with torch.no_grad():
        batch, _ = samples(head(feats))
        assert "keypoint_presence" not in head.predict(feats, batch)[0]


@pytest.mark.parametrize(
    "decoder",
    [
        {"type": "UDPHeatmap", "input_size": (16, 24), "heatmap_size": (8, 12), "sigma": 1.5},
        {**DECODER, "type": "MSRAHeatmap", "unbiased": True},
        {**DECODER, "type": "MSRAHeatmap"},
    ],
    ids=["UDP", "DARK", "plain"],
)
def test_decoders_of_mmpose_can_take_the_place_of_ours(decoder):
    head, feats = small_head(decoder=decoder), random_feats()
    batch, _ = samples(head(feats))
    with torch.no_grad():
        found = head.predict(feats, batch)
        maps = head(feats).numpy()
    for instance, heatmaps in zip(found, maps, strict=True):
        np.testing.assert_allclose(instance.keypoints, head.decoder.decode(heatmaps)[0])
        assert type(head.decoder).__name__ == decoder["type"]


def test_messages_for_data_that_does_not_fit():
    head, feats = small_head(decoder=DECODER), random_feats()
    maps = head(feats)
    batch, _ = samples(torch.rand(2, 7, 12, 8))
    with pytest.raises(ValueError, match="toy has 7 keypoints but the head has out_channels=5"):
        head.loss(feats, batch)
    batch, _ = samples(torch.rand(2, 5, 24, 16))
    with pytest.raises(ValueError, match=r"are \(24, 16\).*heatmap_size to \(8, 12\)"):
        head.loss(feats, batch)
    batch, _ = samples(maps)
    del batch[0].gt_fields.person_mask
    with pytest.raises(ValueError, match=r"put mmktn\.SemanticTargets after"):
        head.loss(feats, batch)
    batch, _ = samples(maps)
    batch[0].set_metainfo({"flip_indices": list(range(17))})
    with pytest.raises(ValueError, match="toy has 17 keypoints"):
        head.predict(feats, batch)


def test_training_step_under_bfloat16_autocast_is_close_to_float32():
    def step(enabled):
        head = small_head().train()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            output = head.forward_maps(random_feats())
            loss = sum(head.loss_module(output, random_targets(output.final)).values())
        loss.backward()
        return loss.item(), head.instance_parsing.kernel_generator.weight.grad

    (plain, _), (mixed, grad) = step(False), step(True)
    # bfloat16 has eight bits; a loss of squares averages most of the rounding away.
    assert mixed == pytest.approx(plain, rel=0.03)
    assert torch.isfinite(grad).all()
    assert grad.abs().sum() > 0
