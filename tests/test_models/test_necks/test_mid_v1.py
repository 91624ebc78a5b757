import pytest
import torch
import torch.nn.functional as F

from mmktn.models.necks import MultiInstanceDecoderV1, PanopticFPNDecoder

GN4 = {"type": "GN", "num_groups": 4}


def levels():
    generator = torch.Generator().manual_seed(0)
    return tuple(
        torch.rand(1, 8, 16 // 2**i, 16 // 2**i, generator=generator).double() for i in range(4)
    )


def test_mode_code_is_the_panoptic_decoder():
    torch.manual_seed(0)
    mid = MultiInstanceDecoderV1(8).double()
    assert isinstance(mid.decoder, PanopticFPNDecoder)
    assert torch.equal(mid(levels())[0], mid.decoder(levels())[0])
    with torch.device("meta"):
        count = sum(p.numel() for p in MultiInstanceDecoderV1().parameters())
    assert count == 4_196_352


def test_mode_figure_resizes_then_convolves_with_each_dilation():
    torch.manual_seed(0)
    mid = MultiInstanceDecoderV1(8, "figure", norm_cfg=GN4).double()
    total = 0
    convs = zip(levels(), mid.decoder.level_convs, (1, 16, 32, 64), strict=True)
    for level, block, dilation in convs:
        x = F.interpolate(level, size=(16, 16), mode="bilinear", align_corners=False)
        y = F.conv2d(x, block.conv.weight, padding=dilation, dilation=dilation)
        total = total + F.relu(block.gn(y))
    torch.testing.assert_close(mid(levels())[0], mid.decoder.output(total))


def test_unknown_mode_is_an_error():
    with pytest.raises(ValueError, match=r"mode.*'paper'"):
        MultiInstanceDecoderV1(8, "paper")
