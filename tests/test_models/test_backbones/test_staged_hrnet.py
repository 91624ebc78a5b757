import torch
from mmpose.models.backbones import HRNet

from mmktn.models.backbones.staged_hrnet import StagedHRNet
from tests.test_stip.small_models import small_extra


def twins():
    """A staged HRNet and the host's with the same weights."""
    torch.manual_seed(0)
    staged, host = StagedHRNet(small_extra()).eval(), HRNet(small_extra())
    host.eval()  # returns None
    host.load_state_dict(staged.state_dict(), strict=True)
    return staged, host


def test_last_map_is_what_the_host_returns():
    staged, host = twins()
    images = torch.randn(2, 3, 64, 32)
    with torch.no_grad():
        # Layouts differ, so sums are taken in another order.
        torch.testing.assert_close(staged(images)[2], host(images)[0], rtol=1e-5, atol=1e-6)


def test_intermediate_maps_are_those_entering_the_next_transition():
    staged, host = twins()
    seen = []
    host.transition2[2].register_forward_pre_hook(lambda _m, args: seen.append(args[0]))
    host.stage3[0].branches[0].register_forward_pre_hook(lambda _m, args: seen.append(args[0]))
    host.stage4[0].branches[0].register_forward_pre_hook(lambda _m, args: seen.append(args[0]))
    images = torch.randn(1, 3, 64, 32)
    with torch.no_grad():
        early, middle, _ = staged(images)
        host(images)
    # Branch 0 keeps its width, so stage 2's and 3's map enters the next stage as it is.
    torch.testing.assert_close(early, seen[1], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(middle, seen[2], rtol=1e-5, atol=1e-6)


def test_layout_changes_no_number():
    staged, _ = twins()
    plain = StagedHRNet(small_extra(), channels_last=False).eval()
    plain.load_state_dict(staged.state_dict())
    images = torch.randn(1, 3, 32, 32)
    with torch.no_grad():
        for one, other in zip(staged(images), plain(images), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-6)
    assert staged(images)[2].is_contiguous(memory_format=torch.channels_last)
    assert plain(images)[2].is_contiguous()


def test_taps_are_removed_after_each_pass_and_after_an_error():
    staged, _ = twins()
    staged(torch.randn(1, 3, 32, 32))
    try:
        staged(torch.randn(1, 4, 32, 32))
    except RuntimeError:
        pass
    else:
        raise AssertionError("four channels were accepted")
    assert not staged.stage2._forward_hooks
    assert not staged.stage3._forward_hooks


def test_gradient_reaches_the_stem_from_every_map():
    staged, _ = twins()
    for index in range(3):
        staged.zero_grad()
        staged(torch.randn(1, 3, 32, 32))[index].sum().backward()
        assert staged.conv1.weight.grad.abs().sum() > 0
