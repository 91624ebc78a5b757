"""Geometry of the HRFPN of detectron2 and KTN, against hand-computed cases."""

import pytest
import torch
from torch import nn

from mmktn.models.necks import KTNHRFPN

WIDTHS = [2, 3, 4, 5]


def branches(h=32, w=40, generator=None):
    generator = torch.Generator().manual_seed(0)
    return [
        torch.rand(1, c, h // 2**i, w // 2**i, generator=generator).double()
        for i, c in enumerate(WIDTHS)
    ]


def pyramid(**options):
    torch.manual_seed(0)
    return KTNHRFPN(WIDTHS, 6, **options).double().eval()


def tracer(stride_index=0, **options):
    """A pyramid that passes one branch of one channel through: enlarged by ones, then copied."""
    neck = KTNHRFPN([1, 1, 1, 1], 1, num_outs=1, **options).eval()
    for module in neck.modules():
        if isinstance(module, nn.ConvTranspose2d):
            nn.init.ones_(module.weight)
        elif isinstance(module, nn.Conv2d):
            nn.init.zeros_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            module.eps = 0.0
    neck.reductions[0][0].weight.data[0, stride_index] = 1
    neck.level_convs[0].weight.data[0, 0, 1, 1] = 1
    return neck


def one_hot_branches(index, row, column, h=32, w=32):
    maps = [torch.zeros(1, 1, h // 2**i, w // 2**i) for i in range(4)]
    maps[index][0, 0, row, column] = 1
    return maps


@pytest.mark.parametrize("index", range(4))
def test_released_geometry_writes_four_cells_from_the_cells_corner_on(index):
    """Transposed convolution without padding: cell i of stride s goes to cells s i ... s i + 3."""
    (level,) = tracer(index)(one_hot_branches(index, 2, 1))
    assert level.shape[-2:] == (28, 28)  # h - 4, what the branch of stride 8 has
    expected = torch.zeros(28, 28)
    stride = 2**index
    expected[2 * stride : 2 * stride + 4, stride : stride + 4] = 1
    assert torch.equal(level[0, 0], expected)


@pytest.mark.parametrize(("index", "first"), [(0, 4 - 1), (1, 8 - 1), (2, 16), (3, 32 + 2)])
def test_aligned_geometry_is_centred_on_the_cell(index, first):
    """Cell 4 covers 4 s ... 5 s - 1; the four cells written lie in its middle."""
    (level,) = tracer(index, aligned=True)(one_hot_branches(index, 4, 4, h=64, w=64))
    assert level.shape[-2:] == (64, 64)
    rows, columns = level[0, 0].nonzero(as_tuple=True)
    assert rows.unique().tolist() == columns.unique().tolist() == list(range(first, first + 4))


def test_released_geometry_leaves_three_quarters_of_the_coarsest_branch_empty():
    maps = [torch.ones(1, 1, 32 // 2**i, 32 // 2**i) for i in range(4)]
    (level,) = tracer(3)(maps)
    assert float(level.ne(0).float().mean()) == pytest.approx(0.25, abs=0.1)


def test_sizes_of_an_image_of_800_rows():
    """h = 200 -> 196 -> p5 of 12 -> p1 cropped to 192 rows."""
    with torch.device("meta"):
        maps = [torch.zeros(1, c, 200 // 2**i, 256 // 2**i) for i, c in enumerate(WIDTHS)]
        levels = KTNHRFPN(WIDTHS, 6)(maps)
    assert [level.shape[-2] for level in levels] == [192, 96, 48, 24, 12]
    assert [level.shape[-1] for level in levels] == [240, 120, 60, 30, 15]


def test_the_last_32_pixels_reach_no_level():
    neck, maps = pyramid(num_outs=2), branches()
    before = neck(maps)
    # Stride 4: cells from h - 4 on are cropped off; the map is 8 cells of 4 pixels short of them.
    maps[0][..., 28:, :] += 1
    assert all(torch.equal(a, b) for a, b in zip(before, neck(maps), strict=True))


def test_equals_its_definition():
    neck, maps = pyramid(num_outs=3), branches()
    nn.init.normal_(neck.enlargements[1][1].running_mean)
    nn.init.normal_(neck.reductions[2][1].weight)
    grown = [grow(x) for grow, x in zip(neck.enlargements, maps, strict=True)]
    assert [x.shape[-1] for x in grown] == [43, 42, 40, 36]
    joined = torch.cat([x[..., :28, :36] for x in grown], dim=1)
    # 28 x 36: levels 28 x 36, 14 x 18 and 7 x 9 are exact multiples, nothing else is cropped.
    expected = [
        conv(step(joined)) for conv, step in zip(neck.level_convs, neck.reductions, strict=True)
    ]
    for a, b in zip(neck(maps), expected, strict=True):
        torch.testing.assert_close(a, b)


def test_both_geometries_share_their_weights():
    released, aligned = pyramid(), pyramid(aligned=True)
    aligned.load_state_dict(released.state_dict())
    assert [level.shape[-1] for level in aligned(branches(64, 48))] == [48, 24, 12, 6, 3]


def test_parameters_of_the_full_size_pyramid():
    """Sum of the official key list: transposed kernels, norms, reductions, output convolutions."""
    widths = [32, 64, 128, 256]
    with torch.device("meta"):
        neck = KTNHRFPN(widths)
    enlargements = sum(16 * c * c + 2 * c for c in widths)
    reductions = sum(480 * 256 * 4**j + 3 * 256 for j in range(5))
    outputs = 5 * (9 * 256 * 256 + 256)
    count = sum(p.numel() for p in neck.parameters())
    assert count == enlargements + reductions + outputs


@pytest.mark.parametrize(
    ("options", "size", "message"),
    [
        ({}, (16, 64), "below 80 px.*stride 64"),
        ({"aligned": True}, (8, 64), "below 64 px"),
        ({"aligned": True}, (32, 40), "multiple of 64.*pad_size_divisor"),
    ],
)
def test_image_of_an_impossible_size_is_named(options, size, message):
    with pytest.raises(ValueError, match=message):
        pyramid(**options)(branches(*size))


def test_missing_branch_is_named():
    with pytest.raises(ValueError, match="3 branches given, 4 expected"):
        pyramid()(branches()[:3])
