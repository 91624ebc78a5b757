"""Nearest vertices by blocks are those of all comparisons."""

import pytest
import torch
import torch.nn.functional as F

from mmktn.models.embedding.nearest_vertex import (
    VertexIndex,
    compare_with_all,
    nearest_vertices,
)


def picture(noise: float, *, seed: int = 0, hw=(61, 45), dim: int = 8):
    """Vectors on a curved sheet with noise, and unit vectors of vertices on it."""
    generator = torch.Generator().manual_seed(seed)
    wave = torch.randn(3, dim, generator=generator)

    def sheet(points):
        return F.normalize(torch.sin(points @ wave), dim=-1)

    vertices = sheet(F.normalize(torch.randn(6000, 3, generator=generator), dim=1))
    y, x = torch.meshgrid(torch.linspace(-0.6, 0.6, hw[0]), torch.linspace(-0.6, 0.6, hw[1]))
    points = torch.stack([x, y, (1 - x * x - y * y).sqrt()], dim=-1)
    vectors = sheet(points) * 2 + noise * torch.randn(*hw, dim, generator=generator)
    mask = torch.rand(hw, generator=generator) > 0.2
    return vectors, mask, vertices


@pytest.mark.filterwarnings("ignore:torch.meshgrid")
@pytest.mark.parametrize("noise", [0.0, 0.05, 2.0])
@pytest.mark.parametrize("scale", [1.0, 1.5])
def test_nearest_vertices_are_exact(noise, scale, monkeypatch):
    monkeypatch.setattr("mmktn.models.embedding.nearest_vertex._FEW", 0)
    vectors, mask, vertices = picture(noise)
    # Vertices of different lengths: nothing may rely on unit ones.
    vertices = vertices * torch.linspace(1, scale, len(vertices))[:, None]
    found = nearest_vertices(vectors, mask, vertices, block_values=2**16)
    assert found.dtype == torch.int32
    assert not found[~mask].any()
    exact = torch.cdist(vectors[mask].double(), vertices.double())
    ours = exact.gather(1, found[mask].long()[:, None])[:, 0]
    # float32 sums decide between vertices that are equally near up to their rounding.
    assert (ours - exact.min(dim=1).values).max() < 2e-5


@pytest.mark.filterwarnings("ignore:torch.meshgrid")
def test_few_comparisons_and_the_first_of_equals():
    vectors, mask, vertices = picture(0.1, hw=(5, 4))
    twice = torch.cat([vertices[:50], vertices[:50]])
    found = nearest_vertices(vectors, mask, twice)
    assert found.max() < 50
    expected = torch.cdist(vectors[mask], vertices[:50]).argmin(dim=1)
    assert torch.equal(found[mask].long(), expected)
    assert torch.equal(compare_with_all(vectors[mask], vertices[:50]), expected)


def test_an_empty_mask_has_no_vertices():
    found = nearest_vertices(torch.zeros(3, 4, 2), torch.zeros(3, 4) > 0, torch.ones(5, 2))
    assert found.shape == (3, 4)
    assert not found.any()


@pytest.mark.filterwarnings("ignore:torch.meshgrid")
def test_the_first_of_equals_by_blocks_too(monkeypatch):
    monkeypatch.setattr("mmktn.models.embedding.nearest_vertex._FEW", 0)
    vectors, mask, vertices = picture(0.05)
    few = vertices[:500]
    # Each vertex comes three times, far from its copies.
    found = nearest_vertices(vectors, mask, torch.cat([few, few, few]))
    expected = torch.cdist(vectors[mask].double(), few.double()).argmin(dim=1)
    assert (found[mask].long() == expected).float().mean() > 0.999
    assert found.max() < 500


def test_groups_hold_every_vertex_within_their_bounds():
    _, _, vertices = picture(0.0)
    index = VertexIndex(3 * vertices[:1003])
    assert set(index.groups.flatten().tolist()) == set(range(1003))
    points = index.scaled[index.groups]
    torch.testing.assert_close(vertices[:1003][index.groups], points)
    assert ((points - index.middles[:, None]).norm(dim=2) <= index.radii[:, None]).all()
    # (G, G, S) distances of the vertices of a group from the inner one of another.
    apart = (points[None] - index.inner[:, None, None]).norm(dim=3)
    assert (apart <= index.reach[:, :, None]).all()


@pytest.mark.filterwarnings("ignore:torch.meshgrid")
def test_an_index_serves_several_pictures(monkeypatch):
    monkeypatch.setattr("mmktn.models.embedding.nearest_vertex._FEW", 0)
    first, mask, vertices = picture(0.05)
    second = first.flip(1) + 0.01
    index = VertexIndex(vertices)
    for vectors in (first, second):
        found = nearest_vertices(vectors, mask, index)
        assert torch.equal(found, nearest_vertices(vectors, mask, vertices))
