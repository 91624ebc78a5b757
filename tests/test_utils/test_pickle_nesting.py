"""Files of nested tuples: Python's own hash function would end the process on the deep ones."""

import io
import pickle
import zipfile

import pytest
import torch

from mmktn.utils.checkpoint_files import load_safely
from mmktn.utils.pickle_nesting import DEEPEST, check_nesting
from mmktn.utils.user_error import UserError

DEEP = 1_000_000
PROGRAMS = {
    # A dict with the tuple as its key; K\x01 is the number 1, \x85 wraps the top in a tuple.
    "one by one": b"\x80\x02}K\x01" + b"\x85" * DEEP + b"K\x02s.",
    "beside an empty one": b"\x80\x02}K\x01" + b")\x86" * DEEP + b"K\x02s.",
    "by the memo": b"\x80\x02}K\x01q\x000" + b"h\x00\x85q\x000" * DEEP + b"h\x00K\x02s.",
    "by marks": b"\x80\x02}" + b"(" * DEEP + b"K\x01" + b"t" * DEEP + b"K\x02s.",
}


def archive(program):
    """A PyTorch file around a pickle."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as entries:
        entries.writestr("archive/data.pkl", program)
        entries.writestr("archive/version", "3\n")
        entries.writestr("archive/byteorder", "little")
    return buffer.getvalue()


@pytest.mark.parametrize("form", PROGRAMS)
@pytest.mark.parametrize("wrap", [archive, bytes])
def test_deep_tuples_are_refused_in_one_line(form, wrap, tmp_path):
    file = tmp_path / "deep.pth"
    file.write_bytes(wrap(PROGRAMS[form]))
    with pytest.raises(UserError, match=f"deep.pth.*nested more than {DEEPEST} deep") as caught:
        load_safely(file)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("zipped", [True, False])
def test_what_training_saves_is_read(zipped, tmp_path):
    """Nesting of 100, momentum of an optimiser, shared tensors, long histories."""
    nested = 1
    for _ in range(100):
        nested = (nested,)
    layer = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.zeros(1, 3)).sum().backward()
    optimizer.step()
    content = {
        "state_dict": {**layer.state_dict(), "again": layer.weight.detach()},
        "optimizer": optimizer.state_dict(),
        "meta": {nested: [("loss", i) for i in range(5000)]},
    }
    torch.save(content, tmp_path / "a.pth", _use_new_zipfile_serialization=zipped)
    read = load_safely(tmp_path / "a.pth")
    assert read["meta"] == content["meta"]
    assert torch.equal(read["state_dict"]["again"], layer.weight)


def test_archives_that_announce_more_than_they_hold_are_refused():
    """A packed megabyte of zeros; PyTorch packs nothing."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as entries:
        entries.writestr("archive/data.pkl", pickle.dumps({}, protocol=2))
        entries.writestr("archive/data/0", bytes(1 << 20))
    with pytest.raises(pickle.UnpicklingError, match="announces more than it holds"):
        check_nesting(buffer)
