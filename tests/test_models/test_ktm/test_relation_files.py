import pickle

import numpy as np
import pytest
import torch

from mmktn.models.ktm import KnowledgeGraph, load_relation

MATRIX = np.random.default_rng(0).random((17, 25))


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_pickles_of_the_official_tools_are_read(tmp_path, protocol):
    path = tmp_path / "kpt_surf_crkg.pkl"
    path.write_bytes(pickle.dumps(MATRIX, protocol=protocol))
    np.testing.assert_allclose(load_relation(path, key="keypoint"), MATRIX, rtol=1e-7)


def test_npz_and_npy_are_read(tmp_path):
    np.savez(tmp_path / "all.npz", keypoint=MATRIX, box=MATRIX[:6])
    np.save(tmp_path / "one.npy", MATRIX)
    assert load_relation(tmp_path / "all.npz", key="box").shape == (6, 25)
    assert load_relation(tmp_path / "one.npy", key="keypoint").dtype == np.float32


def test_graph_starts_from_a_file(tmp_path):
    np.savez(tmp_path / "relations.npz", keypoint=MATRIX)
    files = {"keypoint": str(tmp_path / "relations.npz")}
    graph = KnowledgeGraph({"keypoint": 17}, "file", files=files)
    assert torch.equal(graph.relations["keypoint"], torch.from_numpy(MATRIX).float().t())


def test_pickle_that_would_run_code_is_refused(tmp_path):
    class Attack:
        def __reduce__(self):
            return print, ("run",)

    path = tmp_path / "bad.pkl"
    path.write_bytes(pickle.dumps(Attack()))
    with pytest.raises(ValueError, match="print"):
        load_relation(path, key="keypoint")


def test_absent_file_and_absent_array_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"'part'.*nowhere\.pkl.*structural"):
        load_relation(tmp_path / "nowhere.pkl", key="part")
    np.savez(tmp_path / "a.npz", keypoint=MATRIX)
    with pytest.raises(ValueError, match="no field 'part'"):
        load_relation(tmp_path / "a.npz", key="part")


def test_what_is_no_matrix_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", MATRIX[0])
    with pytest.raises(ValueError, match="expected a matrix"):
        load_relation(tmp_path / "a.npy", key="keypoint")
    (tmp_path / "b.txt").write_text("hello")
    with pytest.raises(ValueError, match=r"b\.txt: not a"):
        load_relation(tmp_path / "b.txt", key="keypoint")
