"""Every way in which a checkpoint is loaded: nothing that is pickled in it runs."""

import io
import os
import pickle
from pathlib import Path

import pytest
import torch
from mmengine.model import BaseModule
from mmengine.runner import CheckpointLoader, load_checkpoint
from mmengine.runner import checkpoint as host
from torch import nn

from mmktn.apis.model_loading import read_checkpoint
from mmktn.utils.user_error import UserError
from tests.loopback import serve


class Payload:
    """Writes a file when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.write_text, (Path(self.marker), "code ran")


def saved(content):
    """Bytes of a checkpoint file."""
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("MMKTN_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("mmktn.utils.download.PAUSE_S", 0)
    with serve() as served:
        yield served


@pytest.fixture
def marker(tmp_path):
    """A file that must not come into being."""
    yield tmp_path / "marker"
    assert not (tmp_path / "marker").exists()


def evil_files(marker):
    """The payload in each form in which a checkpoint may come."""
    inside = {"state_dict": {"weight": torch.zeros(1)}, "meta": Payload(marker)}
    return {
        "zip": saved(inside),
        "pickle": pickle.dumps(inside),
        "bare": pickle.dumps(Payload(marker)),
    }


def ways(address):
    """Ways of loading an address or a path."""

    def init_cfg():
        module = BaseModule(init_cfg={"type": "Pretrained", "checkpoint": address})
        module.weight = nn.Parameter(torch.zeros(1))
        module.init_weights()

    return {
        "ours": lambda: read_checkpoint(address),
        "loader": lambda: CheckpointLoader.load_checkpoint(address, map_location="cpu"),
        "load_from": lambda: load_checkpoint(nn.Linear(1, 1), address),
        "init_cfg": init_cfg,
        "load_url": lambda: host.load_url(address),
    }


@pytest.mark.parametrize("form", ["zip", "pickle", "bare"])
@pytest.mark.parametrize("way", list(ways("")))
@pytest.mark.parametrize("scheme", ["http", "path", "file"])
def test_a_payload_never_runs(way, scheme, form, server, marker, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    server.files["/evil.pth"] = evil_files(marker)[form]
    (tmp_path / "evil.pth").write_bytes(server.files["/evil.pth"])
    place = {
        "http": f"{server.address}/evil.pth",
        "path": str(tmp_path / "evil.pth"),
        "file": (tmp_path / "evil.pth").as_uri(),
    }[scheme]
    with pytest.raises(UserError, match=r"evil\.pth"):
        ways(place)[way]()


def test_indirect_schemes_end_in_the_same_reader(server, marker, monkeypatch):
    server.files["/evil.pth"] = evil_files(marker)["zip"]
    addresses = {"evil": f"{server.address}/evil.pth"}
    monkeypatch.setattr(host, "get_torchvision_models", lambda: addresses)
    monkeypatch.setattr(host, "get_external_models", lambda: addresses)
    monkeypatch.setattr(host, "get_mmcls_models", lambda: addresses)
    for scheme in ("torchvision", "modelzoo", "open-mmlab", "openmmlab", "mmcls"):
        with pytest.raises(UserError, match=r"evil\.pth: not a readable checkpoint"):
            CheckpointLoader.load_checkpoint(f"{scheme}://evil")


def test_good_files_are_fetched_once_and_read(server):
    server.files["/a.pth"] = saved({"state_dict": {"weight": torch.ones(2)}})
    address = f"{server.address}/a.pth"
    for _ in range(2):
        assert torch.equal(read_checkpoint(address)["state_dict"]["weight"], torch.ones(2))
    assert server.asked == ["/a.pth"]
    server.files["/b/a.pth"] = saved({"state_dict": {"weight": torch.zeros(2)}})
    other = read_checkpoint(f"{server.address}/b/a.pth")
    assert torch.equal(other["state_dict"]["weight"], torch.zeros(2))


def test_faults_of_the_transfer_are_one_line_each(server, tmp_path):
    server.files["/cut.pth"] = saved({"state_dict": {"weight": torch.ones(2000)}})
    server.cut.add("/cut.pth")
    server.files["/weights-0123abcd.pth"] = server.files["/cut.pth"]
    with pytest.raises(UserError, match=r"cut\.pth: the transfer (was cut|broke off)"):
        read_checkpoint(f"{server.address}/cut.pth")
    with pytest.raises(UserError, match=r"none\.pth: the server answers 404"):
        read_checkpoint(f"{server.address}/none.pth")
    with pytest.raises(UserError, match=r"the name promises 0123abcd"):
        read_checkpoint(f"{server.address}/weights-0123abcd.pth")
    with pytest.raises(UserError, match=r"cannot be reached"):
        read_checkpoint("http://127.0.0.1:9/a.pth")
    left = [p for p in (tmp_path / "home").rglob("*") if p.is_file() and p.suffix != ".lock"]
    assert left == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"state_dict": [1, 2]}, "'state_dict' is a list"),
        ({"state_dict": None}, "'state_dict' is a NoneType"),
        ({"state_dict": {0: torch.zeros(1)}}, "key 0 that is no name"),
        ({"state_dict": {"a": 1.0}}, "a is a float, not a tensor"),
        ({"state_dict": {"a": torch.zeros(1)}, "meta": [1]}, "'meta' is a list"),
        ({"state_dict": {"a": torch.zeros(1)}, "ema_state_dict": 3}, "'ema_state_dict' is a int"),
    ],
)
def test_contents_of_the_wrong_kind_are_named(content, message, tmp_path):
    torch.save(content, tmp_path / "a.pth")
    for load in (read_checkpoint, lambda p: load_checkpoint(nn.Linear(1, 1), str(p))):
        with pytest.raises(UserError, match=r"a\.pth: .*" + message):
            load(tmp_path / "a.pth")


def test_files_that_are_no_checkpoints_are_named(tmp_path):
    whole = saved({"state_dict": {"a": torch.arange(1000.0)}})
    for share in (0, 0.01, 0.3, 0.6, 0.9, 0.999):
        (tmp_path / "part.pth").write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(UserError, match=r"part\.pth: not a readable checkpoint"):
            read_checkpoint(tmp_path / "part.pth")
    (tmp_path / "text.pth").write_text("hello")
    (tmp_path / "zip.pth").write_bytes(b"PK\x05\x06" + bytes(18))
    (tmp_path / "folder.pth").mkdir()
    for name in ("text", "zip", "folder"):
        with pytest.raises(UserError, match=rf"{name}\.pth: "):
            read_checkpoint(tmp_path / f"{name}.pth")
    os.mkfifo(tmp_path / "fifo.pth")
    with pytest.raises(UserError, match="not a regular file"):
        read_checkpoint(tmp_path / "fifo.pth")


def test_a_program_stored_as_config_is_left_out(tmp_path, marker):
    evil = f"from pathlib import Path\nPath({str(marker)!r}).write_text('ran')"
    plain = "a = dict(b=[1, -2.5, None], c=dict(type='x'))\nd = ('e', True)"
    content = {
        "state_dict": {"weight": torch.zeros(1)},
        "meta": {"config": evil, "cfg": plain},
        "message_hub": {"runtime_info": {"cfg": f"a = open({str(marker)!r}, 'w')"}},
    }
    torch.save(content, tmp_path / "a.pth")
    with pytest.warns(UserWarning, match=r"a\.pth: the stored text .* is a program"):
        found = CheckpointLoader.load_checkpoint(str(tmp_path / "a.pth"))
    assert found["meta"] == {"cfg": plain}
    assert found["message_hub"] == {"runtime_info": {}}
