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


@pytest.mark.parametrize("mode", ["code", "figure"])
def test_segmentor_reads_every_level_and_leaves_the_decoder_alone(mode):
    torch.manual_seed(0)
    options = {} if mode == "code" else {"norm_cfg": GN4}
    mid = MultiInstanceDecoderV1(
        8, mode, segmentor={"hidden_channels": 4, "norm_cfg": GN4}, **options
    ).double()
    plain = MultiInstanceDecoderV1(8, mode, **options).double()
    assert plain.segmentor is None
    plain.load_state_dict({k: v for k, v in mid.state_dict().items() if "segmentor" not in k})
    assert torch.equal(mid(levels())[0], plain(levels())[0])

    given = tuple(level.requires_grad_() for level in levels())
    (logits,) = mid.segmentor(given)
    assert logits.shape == (1, 2, 16, 16)
    logits[:, 1].sum().backward()
    assert all(level.grad.any() for level in given)


def test_parameters_of_the_segmentor():
    """1, 1, 2, 3 convolutions a level without bias but norms, then 1 x 1 to 2."""
    with torch.device("meta"):
        mid = MultiInstanceDecoderV1(segmentor={})
    count = sum(p.numel() for p in mid.segmentor.parameters())
    assert count == 7 * (9 * 256**2 + 2 * 256) + 2 * 256 + 2
