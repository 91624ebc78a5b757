import numpy as np
import pytest

from mmktn.formats.mesh_files import read_mesh_vertices
from mmktn.utils.user_error import UserError

POINTS = np.array([[0.5, -1.25, 3.0], [1e-3, 2.0, -4.5], [7.0, 8.0, 9.0]])


def ply_header(kind, count=3, columns="float x;uchar red;double y;float z"):
    lines = ["ply", f"format {kind} 1.0", "comment made by hand", f"element vertex {count}"]
    lines += [f"property {column}" for column in columns.split(";")]
    lines += ["element face 1", "property list uchar int vertex_indices", "end_header"]
    return "\n".join(lines).encode() + b"\n"


def binary_rows(order):
    kind = [("x", f"{order}f4"), ("red", "u1"), ("y", f"{order}f8"), ("z", f"{order}f4")]
    rows = np.zeros(3, dtype=kind)
    rows["x"], rows["y"], rows["z"] = POINTS.T
    return rows.tobytes() + b"\x03\x00\x00\x00\x00"


TEXT = b"".join(b"%g 9 %g %g\n" % tuple(row) for row in POINTS) + b"3 0 1 2\n"
GOOD = {
    "little.ply": ply_header("binary_little_endian") + binary_rows("<"),
    "big.ply": ply_header("binary_big_endian") + binary_rows(">"),
    "text.ply": ply_header("ascii") + TEXT,
    "mesh.obj": b"# made by hand\nmtllib x.mtl\n"
    + b"".join(b"v %g %g %g 1.0\n" % tuple(row) for row in POINTS)
    + b"vt 0 0\nvn 0 0 1\nf 1/1 2/1 3/1\n",
}


@pytest.mark.parametrize("name", GOOD)
def test_vertices_come_in_the_order_of_the_file(tmp_path, name):
    (tmp_path / name).write_bytes(GOOD[name])
    np.testing.assert_allclose(read_mesh_vertices(tmp_path / name), POINTS, rtol=1e-6)


def test_arrays_are_meshes_too(tmp_path):
    np.save(tmp_path / "a.npy", POINTS.astype(np.float32))
    np.testing.assert_allclose(read_mesh_vertices(tmp_path / "a.npy"), POINTS, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("a.ply", ply_header("ascii", 10**12) + TEXT, "fewer"),
        ("b.ply", ply_header("binary_little_endian", 10**12) + binary_rows("<"), "fewer"),
        ("c.ply", ply_header("ascii", columns="float x;float y") + TEXT, "no x, y, z"),
        ("d.ply", ply_header("zipped") + TEXT, "'zipped' is unknown"),
        ("e.ply", b"solid\n", "no PLY header"),
        ("f.ply", ply_header("ascii", columns="list uchar int x") + TEXT, "cannot read"),
        ("g.obj", b"v 1 2\n", "fewer than three"),
        ("h.obj", b"v 1 2 x\n", "could not convert"),
        ("i.obj", b"f 1 2 3\n", "no vertices"),
        ("j.obj", b"v 1 2 nan\n", "not finite"),
        ("k.stl", b"solid\n", "ends in"),
        ("l.npy", b"\x93NUMPY", "npy"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, name, content, match):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=match) as error:
        read_mesh_vertices(tmp_path / name)
    assert name in str(error.value)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.obj"):
        read_mesh_vertices(tmp_path / "none.obj")
