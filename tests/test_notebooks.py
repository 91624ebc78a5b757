"""The notebooks run top to bottom, with the shipped model, and hold no outputs."""

import ast
import io
import json
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def code_cells(file):
    """Identity and source of the code cells."""
    notebook = json.loads(file.read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    cells = notebook["cells"]
    assert len({cell["id"] for cell in cells}) == len(cells)
    for cell in cells:
        assert cell["cell_type"] in ("markdown", "code")
        if cell["cell_type"] == "code":
            # Pictures of the last run would make every later change of the file unreadable.
            assert cell["outputs"] == []
            assert cell["execution_count"] is None
    return [(c["id"], "".join(c["source"])) for c in cells if c["cell_type"] == "code"]


def run_cell(name, source, names):
    """Run a cell as a notebook does: its value is that of a last line that is an expression."""
    tree = ast.parse(source, filename=name)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(compile(tree, name, "exec"), names)
        value = last and eval(compile(ast.Expression(last.value), name, "eval"), names)
    return value, printed.getvalue()


def test_every_notebook_is_named_on_a_page():
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    text = "".join(page.read_text(encoding="utf-8") for page in pages)
    assert NOTEBOOKS
    assert [file.name for file in NOTEBOOKS if file.name not in text] == []


@pytest.mark.slow
def test_dense_pose(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (file,) = [file for file in NOTEBOOKS if file.stem == "dense_pose"]
    names, shown, printed = {}, {}, {}
    for name, source in code_cells(file):
        shown[name], printed[name] = run_cell(f"{file.name}:{name}", source, names)
    size = names["picture"].shape[:2][::-1]
    assert shown["people"].size == shown["looks"].size == size
    assert shown["score"].size == shown["texture"].size == (2 * size[0], size[1])
    assert isinstance(shown["predict"], Image.Image)
    # The model finds people, and most charts of what it finds are right.
    assert "score 0." in printed["predict"]
    assert names["found"] > 0.5
    assert names["right"] > 0.3
    assert sorted(file.name for file in names["folder"].iterdir()) == [
        "arrays.npz",
        "charts.png",
        "people.json",
    ]
    # The texture changes pixels of a person alone.
    other = names["other"]
    changed = np.any(names["shown"] != other.image, axis=-1)
    assert changed.any()
    assert not changed[other.iuv[0] == 0].any()
