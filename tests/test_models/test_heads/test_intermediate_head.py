import numpy as np
import pytest
import torch

from mmktn.models.heads import DensePoseHead, IntermediateDensePoseHead, SupervisedOutput
from mmktn.registry import MODELS
from mmktn.utils.setup_env import register_all_modules
from tests.fake_annotations import fake_annotations

TRUNK = {"type": "mmktn.MultiPathTrunk", "in_channels": 4, "channels": 8, "num_convs": 1}
PREDICTOR = {
    "type": "mmktn.KTMv1ChartPredictor",
    "keypoint_upscale": None,
    "in_channels": 8,
    "conv_kernel": 3,
    "coarse_channels": 15,
    "with_body_mask": True,
    "upscale": 1,
}
PLAIN = {**PREDICTOR, "type": "mmktn.ChartPredictor"}
BOXES = torch.tensor([[0.0, 0.0, 60.0, 80.0], [10.0, 5.0, 70.0, 90.0]])


@pytest.fixture(autouse=True)
def _registered():
    register_all_modules(init_default_scope=False)


def head(**options):
    torch.manual_seed(0)
    return IntermediateDensePoseHead(TRUNK, PREDICTOR, intermediate_predictor=PLAIN, **options)


def paths(n=2):
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.rand(n, 4, size, size, generator=generator) for size in (8, 4, 4, 2))


def annotations():
    return fake_annotations(np.random.default_rng(0), 3)[[0, 2]]


def test_intermediate_predictors_learn_the_same_targets_with_their_weight():
    module, people = head().train(), annotations()
    output = module(paths())
    losses = module.loss_by_feat(output, BOXES, BOXES, people)
    plain = DensePoseHead.loss_by_feat
    for index, maps in enumerate(output.intermediate):
        expected = plain(module, maps, BOXES, BOXES, people)
        assert "loss_keypoint" not in expected
        for name, value in expected.items():
            torch.testing.assert_close(losses[f"inter{index}.{name}"], 0.1 * value)
    sum(losses.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in module.parameters())


def test_final_maps_do_not_depend_on_the_supervision():
    module, plain = head(), DensePoseHead(TRUNK, PREDICTOR)
    plain.load_state_dict(
        {k: v for k, v in module.state_dict().items() if not k.startswith("intermediate")}
    )
    training = module.train()(paths())
    assert isinstance(training, SupervisedOutput)
    evaluated = module.eval()(paths())
    for (name, a), (_, b) in zip(evaluated.items(), plain.eval()(paths()).items(), strict=True):
        assert torch.equal(a, b), name
    torch.testing.assert_close(training.final["fine_segm"], evaluated["fine_segm"])
    assert evaluated["fine_segm"].shape == (2, 25, 16, 16)


def test_no_box_gives_zero_losses_connected_to_all_parameters():
    module = head().train()
    losses = module.loss_by_feat(module(paths(0)), BOXES[:0], BOXES[:0], annotations()[:0])
    assert all(float(loss.detach()) == 0 for loss in losses.values())
    sum(losses.values()).backward()
    assert all(p.grad is not None for p in module.parameters())


def test_parameters_of_the_transfer_machine_on_this_host():
    """Phi of AMA-net, rows of 256 x 3 x 3."""
    with torch.device("meta"):
        predictor = MODELS.build({**PREDICTOR, "in_channels": 256})
    machine = predictor.convs["fine_segm"].machine
    assert sum(p.numel() for p in machine.transformer.parameters()) == 10_621_440


def test_trunk_without_stages_is_refused():
    trunk = {"type": "mmktn.ConvTrunk", "in_channels": 4, "channels": 8, "num_convs": 1}
    with pytest.raises(ValueError, match="ConvTrunk has no `stages`"):
        IntermediateDensePoseHead(trunk, PREDICTOR, intermediate_predictor=PLAIN)
