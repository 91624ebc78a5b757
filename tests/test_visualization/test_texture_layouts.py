import numpy as np
import pytest

from mmktn.surface import load_surface
from mmktn.utils.user_error import UserError
from mmktn.visualization import TextureLayout, join_atlas, split_atlas


@pytest.fixture(scope="module")
def body():
    return load_surface()


def write_obj(file, body, turned=True):
    """A layout of one's own: the charts' squares in 5 x 5 cells, corners in another order."""
    atlas = body.atlas
    cell = np.stack(np.divmod(atlas.charts - 1, 5), axis=1)
    uv = (cell + 0.05 + 0.9 * atlas.uv) / 5
    order = [1, 2, 0] if turned else [0, 1, 2]
    lines = ["v 0 0 0"] * body.num_mesh_vertices
    lines += [f"vt {u:.9f} {v:.9f}" for u, v in uv]
    for face, mesh in zip(atlas.faces[:, order] + 1, atlas.mesh_faces[:, order] + 1, strict=True):
        lines.append("f " + " ".join(f"{m}/{a}" for m, a in zip(mesh, face, strict=True)))
    file.write_text("\n".join(lines))
    return uv


@pytest.fixture(scope="module")
def layout(body, tmp_path_factory):
    file = tmp_path_factory.mktemp("layout") / "own.obj"
    write_obj(file, body)
    return TextureLayout.read(file, body)


def test_tiles_are_charts_column_by_column():
    atlas = np.zeros((12, 8, 1), int)
    for chart in range(24):
        column, row = divmod(chart, 6)
        atlas[2 * row : 2 * row + 2, 2 * column : 2 * column + 2] = chart + 1
    tiles = split_atlas(atlas)
    assert [np.unique(tile).tolist() for tile in tiles] == [[k] for k in range(1, 25)]
    np.testing.assert_array_equal(join_atlas(tiles), atlas)
    with pytest.raises(ValueError, match="6 S, 4 S"):
        split_atlas(np.zeros((6, 5, 3)))
    with pytest.raises(ValueError, match="24, S, S"):
        join_atlas(np.zeros((23, 2, 2, 3)))


def test_a_place_of_the_body_has_one_colour_in_both_layouts(body, layout):
    """Colours are U, V and the chart; each vertex is looked up in the converted texture."""
    tile, size = 128, 1024
    centre = (np.arange(tile) + 0.5) / (tile - 1)
    u, v = np.meshgrid(centre, 1 - centre)
    tiles = np.stack([np.stack([u, v, np.full_like(u, k)], axis=-1) for k in range(1, 25)])
    single = layout.to_single(join_atlas(tiles), size=size)
    assert single.shape == (size, size, 3)
    cell = np.stack(np.divmod(body.atlas.charts - 1, 5), axis=1)
    places = (cell + 0.05 + 0.9 * body.atlas.uv) / 5
    column = (places[:, 0] * size).astype(int)
    row = ((1 - places[:, 1]) * size).astype(int)
    found = single[row, column]
    np.testing.assert_array_equal(found[:, 2], body.atlas.charts)
    # one texel of the atlas and one of the single texture, of which a chart's square has 184
    assert np.abs(found[:, :2] - body.atlas.uv).max() < 1.5 / (tile - 1) + 1.5 / 184


def test_there_and_back_keeps_smooth_textures(layout):
    tile = 100
    ramp = np.linspace(0, 255, tile).astype(np.uint8)
    tiles = np.zeros((24, tile, tile, 3), np.uint8)
    tiles[..., 0], tiles[..., 1] = ramp, ramp[:, None]
    tiles[..., 2] = 10 * np.arange(1, 25)[:, None, None]
    atlas = join_atlas(tiles)
    single = layout.to_single(atlas, size=600)
    back = layout.to_atlas(single, tile=tile, margin=0)
    inside = back.any(axis=-1)
    assert 0.5 < inside.mean() < 0.9
    gap = np.abs(back.astype(int) - atlas.astype(int))[inside]
    assert gap[:, 2].max() == 0
    assert gap[:, :2].max() <= 3 * 255 / tile
    drawn = layout._seen_in_single.cache_info().misses
    layout.to_single(atlas, size=600)
    assert layout._seen_in_single.cache_info().misses == drawn


def test_margins_reach_beyond_the_triangles(layout):
    atlas = np.full((600, 400, 1), 7, np.uint8)
    none, wide = (layout.to_single(atlas, size=256, margin=m) for m in (0, 3))
    assert ((none > 0) <= (wide > 0)).all()
    assert (wide > 0).sum() > 1.02 * (none > 0).sum()


def test_other_meshes_and_files_are_refused(body, tmp_path):
    (tmp_path / "a.obj").write_text("vt 0 0\nvt 1 0\nvt 0 1\nf 1/1 2/2 4000/3\n")
    with pytest.raises(UserError, match=r"a\.obj.*none of the mesh"):
        TextureLayout.read(tmp_path / "a.obj", body)
    write_obj(tmp_path / "c.obj", body)
    shifted = (tmp_path / "c.obj").read_text().replace("vt 0.", "vt 1.")
    (tmp_path / "c.obj").write_text(shifted)
    with pytest.raises(UserError, match=r"c\.obj.*need 0 to 1"):
        TextureLayout.read(tmp_path / "c.obj", body)
    for text in ("f 1 2 3", "vt 0 0\nf 1/1 2/1 3/1 4/1", "", "vt 0 0\nf 1/1 2/1 3/9", "vt 0 x"):
        (tmp_path / "b.obj").write_text(text)
        with pytest.raises(UserError, match=r"b\.obj"):
            TextureLayout.read(tmp_path / "b.obj", body)
    with pytest.raises(FileNotFoundError, match="none"):
        TextureLayout.read(tmp_path / "none.obj", body)
