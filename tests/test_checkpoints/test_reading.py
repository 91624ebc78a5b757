"""Every packing of the weights gives the same flat dict; everything else one clear message."""

import pickle
from collections import Counter, OrderedDict

import numpy as np
import pytest
import torch

from mmktn.checkpoints import read_official_checkpoint

VALUES = {"a.weight": np.float32([[1, 2], [3, 4]]), "b.num_batches_tracked": np.array(5)}


def as_tensors():
    return OrderedDict((name, torch.from_numpy(np.array(v))) for name, v in VALUES.items())


class Arbitrary:
    """Pickles as a class of somebody's program."""


WRITERS = {
    "zoo.pkl": lambda p: p.write_bytes(
        pickle.dumps({"model": VALUES, "__author__": "Detectron2 Model Zoo"})
    ),
    "bare.pkl": lambda p: p.write_bytes(pickle.dumps(VALUES | {"__author__": "somebody"})),
    "run.pth": lambda p: torch.save(
        {"model": as_tensors(), "scheduler": {"milestones": Counter([3])}, "iteration": 7}, p
    ),
    "state.pth": lambda p: torch.save({"state_dict": as_tensors()}, p),
    "flat.pth": lambda p: torch.save(as_tensors(), p),
    "old.pth": lambda p: torch.save(as_tensors(), p, _use_new_zipfile_serialization=False),
    "wrong_suffix.pkl": lambda p: torch.save({"model": as_tensors()}, p),
    "distributed.pth": lambda p: torch.save(
        {"model": {f"module.{name}": value for name, value in as_tensors().items()}}, p
    ),
    "big_endian.pkl": lambda p: p.write_bytes(
        pickle.dumps({"model": {n: v.astype(v.dtype.newbyteorder(">")) for n, v in VALUES.items()}})
    ),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_packing_gives_the_same_weights(tmp_path, name):
    WRITERS[name](tmp_path / name)
    weights = read_official_checkpoint(tmp_path / name)
    assert list(weights) == list(VALUES)
    for key, value in VALUES.items():
        assert torch.equal(weights[key], torch.from_numpy(np.array(value)))


def test_half_and_double_weights_become_float32(tmp_path):
    path = tmp_path / "half.pth"
    torch.save({"model": {"a": torch.ones(2).half(), "b": torch.ones(2).double()}}, path)
    assert {w.dtype for w in read_official_checkpoint(path).values()} == {torch.float32}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"blobs": {"conv1_w": np.zeros(1)}}, "Caffe2"),
        ({"model": {}}, "got a dict"),
        ([1, 2], "got a list"),
        ({"model": {"a": "text"}}, "entry 'a' is a str"),
        ({"model": {"a": np.array(["text"])}}, "entry 'a' is a ndarray"),
    ],
)
def test_content_that_is_no_state_dict_is_named(tmp_path, content, message):
    path = tmp_path / "file.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(ValueError, match=rf"file\.pkl: .*{message}"):
        read_official_checkpoint(path)


def test_program_in_a_pytorch_file_is_not_run_and_the_way_out_is_told(tmp_path):
    path = tmp_path / "file.pth"
    torch.save({"model": as_tensors(), "config": Arbitrary()}, path)
    with pytest.raises(ValueError, match=r"more than weights \(it names .*Arbitrary\)") as error:
        read_official_checkpoint(path)
    assert "'model' entry" in str(error.value)
    assert "weights_only" not in str(error.value)


@pytest.mark.parametrize("new_format", [False, True])
def test_damaged_pytorch_file_is_one_message_wherever_it_is_cut(tmp_path, new_format):
    whole, path = tmp_path / "whole.pth", tmp_path / "cut.pth"
    torch.save({"model": as_tensors()}, whole, _use_new_zipfile_serialization=new_format)
    content = whole.read_bytes()
    for size in range(1, len(content) - 1, 17):
        path.write_bytes(content[:size])
        with pytest.raises(ValueError, match=r"cut\.pth"):
            read_official_checkpoint(path)


def test_truncated_pytorch_file_is_one_message(tmp_path):
    path = tmp_path / "file.pth"
    torch.save({"model": {"a": torch.zeros(1000)}}, path)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match=r"file\.pth: not a readable PyTorch file"):
        read_official_checkpoint(path)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent"):
        read_official_checkpoint(tmp_path / "absent.pth")
