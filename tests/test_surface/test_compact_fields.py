"""What a surface file leaves out comes back to the last bit."""

import numpy as np
import pytest

from mmktn.surface.compact_fields import compacted, expanded
from mmktn.surface.io import HUMAN_BODY, load_surface_file

MIRROR = np.array([1, 0, 2, 4, 3])  # two pairs and a vertex on the middle


def fields(seed=0, joints=2, **changes):
    """A made-up file: five vertices, basis rows of both sides alike."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((3, 5 + joints, 3)).astype(np.float16)
    rows[:, MIRROR[[0, 3]]] = rows[:, [0, 3]] * np.array([-1, 1, 1], np.float16)
    made = {
        "vertices": rng.random((5, 3)).astype(np.float32),
        "vertex_mirror": MIRROR.astype(np.uint32),
        "atlas_mesh_vertex": np.array([0, 1, 2, 3, 4, 2], np.uint32),
        "atlas_faces": np.array([[0, 1, 5], [2, 3, 4]], np.uint32),
        "faces": np.array([[0, 1, 2], [2, 3, 4]], np.uint32),
        "shape_mean": np.zeros((5 + joints, 3), np.float32),
        "shape_basis": rows,
    }
    return {**made, **changes}


def stored_places(small):
    """How many places the basis of a packed file has, in either form."""
    if "shape_basis" in small:
        return small["shape_basis"].shape[1]
    return small["shape_basis.f2"].shape[2]


def other_rows(side):
    rows = fields()["shape_basis"].copy()
    rows[1, side, 2] += 1
    return rows


@pytest.mark.parametrize(
    ("case", "places", "has_faces"),
    [
        (fields(), 3 + 2, False),
        (fields(joints=0), 3, False),
        # One number that breaks the mirror, on either side, keeps all rows.
        (fields(shape_basis=other_rows(0)), 5 + 2, False),
        (fields(shape_basis=other_rows(1)), 5 + 2, False),
        # A vertex on the middle may move sideways, a joint as it likes.
        (fields(shape_basis=other_rows(2)), 3 + 2, False),
        (fields(shape_basis=other_rows(6)), 3 + 2, False),
        # Triangles that begin at another corner are not those of the atlas.
        (fields(faces=np.array([[1, 2, 0], [2, 3, 4]], np.uint32)), 3 + 2, True),
    ],
)
def test_everything_comes_back(case, places, has_faces):
    small = compacted(case)
    assert stored_places(small) == places
    assert bool({"faces", "faces.u4"} & set(small)) == has_faces
    whole = expanded(small)
    assert set(whole) == set(case)
    for name, values in case.items():
        assert whole[name].dtype == values.dtype
        assert np.ascontiguousarray(whole[name]).tobytes() == values.tobytes(), name


def test_without_a_mirror_all_rows_are_kept():
    case = fields()
    del case["vertex_mirror"]
    assert stored_places(compacted(case)) == 7
    np.testing.assert_array_equal(expanded(compacted(case))["shape_basis"], case["shape_basis"])


def test_whole_files_stay_as_they_are():
    case = fields()
    for name, values in expanded(case).items():
        assert values is case[name]


@pytest.mark.parametrize("kind", ["f2", "<f4", ">f4", "f8", "i2", "u4", ">i8"])
@pytest.mark.parametrize("shape", [(3000,), (40, 25, 3), (0, 3)])
def test_bytes_apart_are_the_same_numbers(kind, shape):
    numbers = np.random.default_rng(1).normal(0, 100, shape).astype(kind)
    small = compacted({"numbers": numbers})
    if numbers.size and kind == "u4":
        # Small numbers in four bytes each: the upper three are zeros.
        assert list(small) == [f"numbers.{np.dtype(kind).str[1:]}"]
    whole = expanded(small)["numbers"]
    assert whole.shape == numbers.shape
    np.testing.assert_array_equal(whole, numbers)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"shape_basis": np.zeros((3, 6, 3), "f2")}, r"\(3, 6, 3\) must be \(K, 7, 3\), or \(K, 5"),
        ({"shape_basis": np.zeros((3, 5, 2), "f2")}, "must be"),
        ({"shape_mean.f4": np.zeros((2, 7, 3), np.uint8)}, r"shape_mean\.f4 .* must be \(4"),
        ({"shape_mean.f4": np.zeros((4, 7, 3), np.int8)}, r"shape_mean\.f4 .* of bytes"),
        ({"shape_mean.f4": np.zeros((), np.uint8)}, r"shape_mean\.f4 .* of bytes"),
        # One stored row for any number of places would ask for any amount of memory.
        ({"vertex_mirror": np.zeros(5, np.uint32)}, "its own inverse"),
        ({"vertex_mirror": np.array([1, 2, 0, 4, 3], np.uint32)}, "its own inverse"),
    ],
)
def test_fields_that_do_not_fit_are_named(changes, words):
    case = fields()
    case["shape_basis"] = case["shape_basis"][:, [0, 2, 3, 5, 6]]
    case.update(changes)
    with pytest.raises(ValueError, match=words):
        expanded(case)


def test_first_version_is_read_and_equals_the_shipped_body(tmp_path):
    with np.load(HUMAN_BODY) as archive:
        whole = expanded(dict(archive))
    assert "faces" not in np.load(HUMAN_BODY).files
    np.savez(tmp_path / "first.npz", **{**whole, "format_version": 1})
    first, shipped = load_surface_file(tmp_path / "first.npz"), load_surface_file(HUMAN_BODY)
    np.testing.assert_array_equal(first.shapes.basis, shipped.shapes.basis)
    np.testing.assert_array_equal(first.mesh.faces, shipped.mesh.faces)
    both = shipped.vertex_mirror
    sideways = np.array([-1, 1, 1])
    np.testing.assert_array_equal(
        shipped.shapes.basis[:, both] * sideways, shipped.shapes.basis[:, : len(both)]
    )
