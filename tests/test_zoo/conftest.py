"""A home of its own for every test, and a table that a test may fill."""

import json

import pytest

from mmktn.utils import download
from mmktn.zoo import table
from tests.loopback import serve


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Folder of fetched files; nothing of the user's own home is seen."""
    monkeypatch.setenv("MMKTN_HOME", str(tmp_path / "home"))
    for name in ("MMKTN_MIRROR", "MMKTN_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(download, "PAUSE_S", 0)
    return tmp_path / "home"


@pytest.fixture
def server():
    """A server on the loopback interface."""
    with serve() as served:
        yield served


@pytest.fixture
def fill_table(tmp_path, monkeypatch):
    """Function that puts other rows in the place of the table's."""

    def forget():
        table.zoo_models.cache_clear()
        table._by_name.cache_clear()

    def fill(*rows):
        common = {"aliases": [], "licence": "CC0", "page": "a page", "data": "data", "metrics": {}}
        (tmp_path / "models.json").write_text(json.dumps([common | row for row in rows]))
        monkeypatch.setattr(table, "_TABLE", tmp_path / "models.json")
        forget()

    yield fill
    monkeypatch.undo()
    forget()
