import pytest
import torch
import torch.nn.functional as F

from mmktn.models.necks import MultiInstanceDecoderV2

GN4 = {"type": "GN", "num_groups": 4}


def levels(channels=8, num=4, hw=(16, 24)):
    generator = torch.Generator().manual_seed(0)
    return tuple(
        torch.rand(1, channels, hw[0] // 2**i, hw[1] // 2**i, generator=generator).double()
        for i in range(num)
    )


def folded(x):
    return torch.cat([x[..., r::2, c::2] for r in (0, 1) for c in (0, 1)], dim=1)


def enhance(decoder, inputs):
    enhanced = [inputs[0]]
    for level, adapt in zip(inputs[1:], decoder.adaptations, strict=True):
        enhanced.append(level + F.relu(adapt.conv(folded(enhanced[-1]))))
    return enhanced


def inverse(step, x):
    return F.pixel_shuffle(F.relu(step.expand.conv(F.relu(step.conv.conv(x)))), 2)


def close(decoder, x):
    branches = [F.relu(branch.norm(branch.conv(x))) for branch in decoder.dilated_branches or []]
    return decoder.output(torch.cat(branches, dim=1) if branches else x)


@pytest.mark.parametrize(("num_levels", "parameters"), [(4, 14_887_680), (5, 20_660_224)])
def test_parameter_counts_of_the_released_code(num_levels, parameters):
    with torch.device("meta"):
        decoder = MultiInstanceDecoderV2(num_levels=num_levels)
    assert sum(p.numel() for p in decoder.parameters()) == parameters
    assert sum(p.numel() for p in decoder.adaptations[0].parameters()) == 2_359_552


@pytest.mark.parametrize("num_levels", [4, 5])
@pytest.mark.parametrize("with_multi_dilation", [True, False])
def test_independent_equals_its_definition(num_levels, with_multi_dilation):
    """Every level through its own chain to stride 4, one sum."""
    torch.manual_seed(0)
    decoder = MultiInstanceDecoderV2(
        8, num_levels, with_multi_dilation=with_multi_dilation, branch_norm_cfg=GN4
    ).double()
    inputs = levels(num=num_levels, hw=(16, 32))
    enhanced = enhance(decoder, inputs)
    total = F.relu(decoder.finest_conv.conv(enhanced[0]))
    for x, steps in zip(enhanced[1:], decoder.inverse_adaptations, strict=True):
        for step in steps:
            x = inverse(step, x)
        total = total + x
    (y,) = decoder(inputs)
    torch.testing.assert_close(y, close(decoder, total))
    with torch.inference_mode():
        torch.testing.assert_close(decoder(inputs)[0], y)


def test_a_narrow_decoder_is_a_decoder_of_reduced_levels():
    torch.manual_seed(0)
    decoder = MultiInstanceDecoderV2(8, inner_channels=4, branch_norm_cfg=GN4).double()
    inner = MultiInstanceDecoderV2(4, branch_norm_cfg=GN4).double()
    inner.output = decoder.output
    inner.load_state_dict(decoder.state_dict(), strict=False)  # all but the reductions
    reduced = tuple(f(x) for f, x in zip(decoder.reductions, levels(), strict=True))
    (y,) = decoder(levels())
    assert y.shape[1] == 8
    torch.testing.assert_close(y, inner(reduced)[0])


def test_half_the_channels_take_a_quarter_of_the_parameters_and_reductions():
    with torch.device("meta"):
        decoder = MultiInstanceDecoderV2(inner_channels=128)
    # Per level 1 x 1 to 128: 131 584; adaptations 1 769 856, finest 147 584, inverse 1 281 792,
    # branches 459 776, output 131 328.
    assert sum(p.numel() for p in decoder.parameters()) == 3_921_920


def test_cascade_equals_its_definition():
    """T_last = L_last, T_i = L_i + IFA(T_{i+1})."""
    torch.manual_seed(0)
    decoder = MultiInstanceDecoderV2(8, topdown="cascade", branch_norm_cfg=GN4).double()
    enhanced = enhance(decoder, levels())
    x = enhanced[3]
    for index in (2, 1, 0):
        x = enhanced[index] + inverse(decoder.inverse_adaptations[index][0], x)
    expected = close(decoder, F.relu(decoder.finest_conv.conv(x)))
    torch.testing.assert_close(decoder(levels())[0], expected)


def test_norm_option_works_in_every_adaptation():
    """The official norm option crashes in the 1 x 1 to four times the channels."""
    decoder = MultiInstanceDecoderV2(8, norm_cfg=GN4, branch_norm_cfg=GN4).double()
    step = decoder.inverse_adaptations[0][0]
    assert step.expand.gn.num_channels == 32
    assert decoder(levels())[0].shape == (1, 8, 16, 24)


def test_dilated_branches_keep_the_default_initialisation():
    """Uniform between +-1 / sqrt(fan-in), where the others are normal."""
    torch.manual_seed(0)
    decoder = MultiInstanceDecoderV2(32)
    bound = (32 * 9) ** -0.5
    weight = decoder.dilated_branches[1].conv.weight
    assert weight.abs().max() <= bound
    assert decoder.finest_conv.conv.weight.abs().max() > 2 * bound


def test_sizes_that_do_not_halve_are_named():
    decoder = MultiInstanceDecoderV2(8, with_multi_dilation=False)
    with pytest.raises(ValueError, match=r"level 1 is 9 x 12 but level 2 is 4 x 6.*multiple of 32"):
        decoder(levels(hw=(18, 24)))


def test_too_few_levels_and_unknown_topdown_are_errors():
    with pytest.raises(ValueError, match="3 levels given, 4 needed"):
        MultiInstanceDecoderV2(8, with_multi_dilation=False)(levels(num=3))
    with pytest.raises(ValueError, match=r"topdown.*'sum'"):
        MultiInstanceDecoderV2(8, topdown="sum")


def test_every_parameter_learns():
    decoder = MultiInstanceDecoderV2(8, branch_norm_cfg=GN4).double()
    decoder(levels())[0].square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in decoder.parameters())
