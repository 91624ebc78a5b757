"""Meshes of embeddings and their files."""

import pickle

import numpy as np
import pytest

from mmktn.surface import load_surface
from mmktn.surface.reference_mesh import (
    ReferenceMesh,
    VertexMirrors,
    body_mesh_name,
    open_mesh,
)


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("MMKTN_CACHE_DIR", str(tmp_path / "cache"))
    root = tmp_path / "meshes"
    geodesics = np.array([[0, 1, 2], [1, 0, 1], [2, 1, 0]], dtype=np.float32)
    write(root / "geodists" / "geodists_cat_3.pkl", geodesics)
    write(root / "symmetry_cat_3.pkl", {"vertex_transforms": [2, 1, 0]})
    write(root / "cat_3.pkl", {"vertices": np.eye(3), "faces": np.array([[0.0, 1.0, 2.0]])})
    write(root / "texcoords" / "texcoords_cat_3.pkl", np.array([[0, 0], [1, 1], [1.5, 0]]))
    write(root / "lbo" / "phi_cat_3_256.pkl", {"features": np.ones((3, 256))})
    return root


def test_parts_are_read_from_their_files(folder):
    mesh = open_mesh("cat_3", folder)
    assert mesh.mirror.tolist() == [2, 1, 0]
    assert mesh.faces.dtype == np.int64
    assert mesh.texcoords.max() == 1
    assert mesh.features(256)["features"].shape == (3, 256)
    assert mesh.geodesic_rows(np.array([2])).tolist() == [[2, 1, 0]]
    assert mesh.geodesic_block(np.array([0, 2])).tolist() == [[0, 2], [2, 0]]
    found = mesh.geodesic(np.array([0, -1, 1]), np.array([2, 0, 1]))
    assert found.tolist() == [2, np.inf, 0]
    assert VertexMirrors(folder)["cat_3"].tolist() == [2, 1, 0]


def test_a_missing_file_is_named_with_its_address(folder):
    with pytest.raises(FileNotFoundError, match=r"symmetry_dog_5\.pkl.*https://"):
        _ = open_mesh("dog_5", folder).mirror


@pytest.mark.parametrize("name", ["../secret", "a b", ""])
def test_a_name_that_leads_elsewhere_is_refused(name, folder):
    with pytest.raises(ValueError, match="no name of a mesh"):
        open_mesh(name, folder)


@pytest.mark.parametrize(
    ("file", "content", "why"),
    [
        ("symmetry_cat_3.pkl", {"vertex_transforms": [2, 1, 9]}, "vertices 0..2"),
        ("symmetry_cat_3.pkl", [1, 2], "vertex_transforms"),
        ("symmetry_cat_3.pkl", {"vertex_transforms": print}, "cannot be read|plain"),
    ],
)
def test_malformed_files_are_named(folder, file, content, why):
    write(folder / file, content)
    with pytest.raises(ValueError, match=why) as caught:
        _ = open_mesh("cat_3", folder).mirror
    assert file in str(caught.value)


@pytest.mark.parametrize("damage", [lambda raw: raw[: len(raw) // 2], lambda raw: b"no archive"])
def test_a_damaged_npz_is_named(folder, damage):
    file = folder / "symmetry_cat_3.npz"
    np.savez(file, vertex_transforms=[2, 1, 0])
    (folder / "symmetry_cat_3.pkl").unlink()
    assert open_mesh("cat_3", folder).mirror.tolist() == [2, 1, 0]
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ValueError, match=r"symmetry_cat_3\.npz"):
        _ = open_mesh("cat_3", folder).mirror


def test_texcoords_of_another_name_are_named(folder):
    write(folder / "texcoords" / "texcoords_cat_3.pkl", {"uv": np.zeros((3, 2))})
    with pytest.raises(ValueError, match=r"texcoords_cat_3\.pkl.*\(K, 2\)"):
        _ = open_mesh("cat_3", folder).texcoords


def test_a_body_of_the_package_is_a_mesh_with_charts():
    mesh = open_mesh(body_mesh_name())
    surface = load_surface("human")
    charts, uv = mesh.charts
    assert mesh.name == f"human_{surface.num_mesh_vertices}"
    assert charts.min() >= 1
    nearest = surface.atlas.nearest_vertex(charts[:200], uv[:200, 0], uv[:200, 1])
    assert surface.atlas.mesh_vertex[nearest].tolist() == list(range(200))


def test_features_of_a_mesh_without_a_file_are_smooth():
    angle = np.arange(40) / 40 * 2 * np.pi
    ring = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    ring = np.concatenate([ring, ring + np.array([0, 0, 1])])
    k = np.arange(40)
    n = (k + 1) % 40
    faces = np.concatenate([np.stack([k, n, k + 40], 1), np.stack([n, n + 40, k + 40], 1)])
    mesh = ReferenceMesh("tube_80", {"shape": {"vertices": ring, "faces": faces}})
    features = mesh.features(6)["features"]
    assert features.shape == (80, 6)
    assert mesh.features(4)["features"].shape == (80, 4)  # whatever was asked for before
    assert not mesh.has("features")
    assert np.ptp(features[:, 0]) < 1e-3 * np.abs(features[:, 0]).max()
    steps = np.abs(features[n] - features[k]).max()
    assert steps < 0.5 * np.ptp(features[:, 1:])
