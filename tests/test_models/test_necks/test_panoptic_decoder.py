import pytest
import torch
import torch.nn.functional as F

from mmktn.models.necks import PanopticFPNDecoder


def levels(channels=8, num=4, hw=(16, 24), dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    return tuple(
        torch.rand(2, channels, hw[0] // 2**i, hw[1] // 2**i, generator=generator, dtype=dtype)
        for i in range(num)
    )


def test_parameter_count_of_the_released_code():
    with torch.device("meta"):
        decoder = PanopticFPNDecoder()
    assert sum(p.numel() for p in decoder.parameters()) == 4_196_352


def test_equals_its_definition():
    """Level by level: n x [conv, ReLU, bilinear x2], sum, 1 x 1."""
    decoder = PanopticFPNDecoder(8, 8, out_channels=8).double()
    total = 0
    for index, (x, head) in enumerate(zip(levels(), decoder.scale_heads, strict=True)):
        for block in head:
            x = F.relu(block.conv(x))
            if index:
                x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        total = total + x
    (y,) = decoder(levels())
    torch.testing.assert_close(y, decoder.output(total))
    with torch.inference_mode():
        torch.testing.assert_close(decoder(levels())[0], y)


def test_further_levels_are_ignored():
    decoder = PanopticFPNDecoder(8, 8, out_channels=4).double()
    assert torch.equal(decoder(levels())[0], decoder(levels(num=5))[0])


def test_norm_option_replaces_the_bias():
    norm = {"type": "GN", "num_groups": 4}
    decoder = PanopticFPNDecoder(8, 8, out_channels=8, norm_cfg=norm).double()
    assert decoder.scale_heads[0][0].conv.bias is None
    assert decoder(levels())[0].shape == (2, 8, 16, 24)


def test_odd_level_is_named():
    odd = (*levels()[:2], torch.zeros(2, 8, 5, 6), torch.zeros(2, 8, 3, 3))
    with pytest.raises(ValueError, match=r"level 1 is 8 x 12 but level 2 is 5 x 6.*multiple of 32"):
        PanopticFPNDecoder(8, 8, out_channels=8)(odd)
