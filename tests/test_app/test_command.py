"""Where the page keeps its files, and what it says where gradio is missing."""

import os
import sys
import tempfile
from pathlib import Path

import pytest

from mmktn.app import command


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    """Variables that the command sets are put back."""
    for name in ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED"):
        monkeypatch.setenv(name, "of the user")


def test_gradio_is_imported_behind_the_variables_it_reads(monkeypatch):
    monkeypatch.delitem(sys.modules, "gradio", raising=False)
    seen = []

    def serve(args, models):
        assert "gradio" not in sys.modules
        folder = os.environ["GRADIO_TEMP_DIR"]
        assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"
        assert tempfile.gettempdir() == folder
        seen.append(folder)

    monkeypatch.setattr(command, "_serve", serve)
    assert command.main([]) == 0
    assert not Path(seen[0]).exists()
    assert tempfile.gettempdir() != seen[0]


def test_a_missing_gradio_names_the_extra(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert command.main([]) == 1
    assert 'pip install "mmktn[app]"' in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--max-pixels", "--max-megabytes", "--queue"])
def test_limits_are_above_zero(flag, capsys):
    with pytest.raises(SystemExit):
        command.main([flag, "0"])
    assert "must be at least 1" in capsys.readouterr().err
