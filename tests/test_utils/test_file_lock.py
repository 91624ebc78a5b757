"""The lock lets one thread or process at a time through."""

import threading

import pytest

from mmktn.utils.file_lock import single_writer


def test_lock_can_be_taken_again_after_an_error(tmp_path):
    file = tmp_path / "file.bin"
    with pytest.raises(RuntimeError, match="inside"), single_writer(file):
        raise RuntimeError("inside")
    with single_writer(file):
        file.write_bytes(b"x")
    assert file.read_bytes() == b"x"


def test_the_second_one_waits_and_says_so(tmp_path, capsys):
    order = []

    def second():
        with single_writer(tmp_path / "file.bin", waiting="waiting for the first"):
            order.append("second")

    with single_writer(tmp_path / "file.bin", waiting="never said"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.2)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    assert capsys.readouterr().err == "waiting for the first\n"
