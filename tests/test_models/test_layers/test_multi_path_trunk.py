import pytest
import torch
import torch.nn.functional as F

from mmktn.models.layers import MultiPathTrunk


def trunk():
    torch.manual_seed(0)
    return MultiPathTrunk(4, 6, num_convs=2).double()


def paths(n=2, sizes=(8, 4, 4, 2)):
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(n, 4, size, size, generator=generator).double() for size in sizes]


def test_equals_its_definition():
    """Shared stack, P2: d3; P3, P4: d2, d3; P5: d1, d2, d3; both fusions."""
    module = trunk()
    grown = []
    for path, first in zip(paths(), (2, 1, 1, 0), strict=True):
        x = module.convs(path)
        for deconv in module.deconvs[first:]:
            x = F.relu(deconv(x))
        grown.append(x)
    static = module.static_fusion(torch.cat(grown, dim=1))
    gates = [gate(x.mean((2, 3))) for gate, x in zip(module.gates, grown, strict=True)]
    assert all(((g > 0) & (g < 1)).all() for g in gates)
    dynamic = module.dynamic_fusion(
        sum(x * g[:, :, None, None] for x, g in zip(grown, gates, strict=True))
    )
    fused = module.embedding(F.relu(module.fusion(torch.cat([static, dynamic], dim=1))))
    found = module.stages(paths())
    torch.testing.assert_close(found.fused, fused)
    torch.testing.assert_close(found.intermediate[0], grown[0] + grown[1])
    torch.testing.assert_close(found.intermediate[1], grown[2] + grown[3])
    assert torch.equal(module(paths()), found.fused)


def test_parameters_of_the_full_size_trunk():
    """Eight 3 x 3 and three 4 x 4 layers of 256, whatever the number of paths; then the fusion."""
    with torch.device("meta"):
        module = MultiPathTrunk()
    c = 256
    conv = 9 * c * c + c
    gates = 4 * (2 * c * 16 + 16 + c)
    fusion = 4 * 9 * c * c + c + 2 * conv + 2 * c * c + c
    expected = 8 * conv + 3 * (16 * c * c + c) + gates + fusion
    assert sum(p.numel() for p in module.parameters()) == expected


def test_instances_do_not_mix():
    module, given = trunk(), paths(3)
    alone = module([path[1:2] for path in given])
    torch.testing.assert_close(module(given)[1:2], alone)


def test_no_instance_gives_an_empty_map_connected_to_the_weights():
    module = trunk()
    fused = module(paths(0))
    assert fused.shape == (0, 6, 16, 16)
    fused.sum().backward()
    assert all(p.grad is not None for p in module.parameters())


def test_sizes_that_do_not_meet_are_named():
    with pytest.raises(ValueError, match=r"different sizes.*\[12, 12\]"):
        trunk()(paths(sizes=(8, 4, 3, 2)))
    with pytest.raises(ValueError, match="3 paths given, 4 expected"):
        trunk()(paths(sizes=(8, 4, 4)))
