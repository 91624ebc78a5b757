"""Fixtures of the data tests."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools" / "misc"


@pytest.fixture
def run_tool(monkeypatch, capsys):
    """Function `(name, *arguments) -> (exit status, stdout, stderr)` of a tool, in this process."""

    def run(name, *arguments):
        spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        status = module.main()
        return (status, *capsys.readouterr())

    return run


@pytest.fixture
def real_data():
    """Folder of the real sample; the test is skipped where it is not at hand."""
    folder = os.environ.get("MMKTN_REAL_DATA")
    if not folder:
        pytest.skip("MMKTN_REAL_DATA is not set")
    return Path(folder)
