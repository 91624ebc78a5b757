"""tools/dev/peer_suites.py on a small suite that passes, fails, skips and breaks."""

import pytest

from tests.tool_modules import tool_module

SUITE = {
    "tests/test_a/test_outcomes.py": """
import os, sys
import pytest

def test_passes():
    assert "mmktn" in sys.modules and os.environ["MMKTN_FORCE_STANDINS"] == "1"
    assert open("tests/data.txt").read() == "found"

@pytest.mark.parametrize("number", [1, 2])
def test_fails(number):
    raise NotImplementedError("operator 'three_nn' is not available")

def test_needs_a_gpu():
    pytest.skip("requires CUDA")

@pytest.fixture
def broken():
    raise OSError("no such data")

def test_breaks(broken):
    pass
""",
    "tests/test_b/test_fine.py": "def test_passes():\n    pass\n",
    "tests/data.txt": "found",
    # Settings of a checkout, with a plugin that nobody has.
    "setup.cfg": "[tool:pytest]\naddopts = --no-such-option\n",
}


@pytest.fixture(scope="module")
def tool():
    return tool_module("tools/dev/peer_suites.py")


@pytest.fixture
def folder(tmp_path):
    for name, text in SUITE.items():
        file = tmp_path / "peer" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


@pytest.mark.multiprocess
def test_table_and_reasons(tool, folder, capsys):
    suites = ["--suite", "mixed=peer/tests/test_a", "--suite", "gone=peer/tests/test_c"]
    assert tool.main([str(folder), *suites]) == 1
    shown = capsys.readouterr().out
    assert "| suite | passed | failed | error | skipped |" in shown
    assert "| mixed | 1 | 2 | 1 | 1 |" in shown
    assert "| gone | not there |" in shown
    reason = "NotImplementedError: operator 'three_nn' is not available"
    assert f"mixed: 2 failed: {reason}" in shown
    assert "no such data" in shown
    assert "mixed: 1 skipped: requires CUDA" in shown


@pytest.mark.multiprocess
def test_status_is_0_when_all_pass(tool, folder):
    assert tool.main([str(folder), "--suite", "fine=peer/tests/test_b"]) == 0


def test_a_folder_without_suites_is_no_success(tool, tmp_path, capsys):
    assert tool.main([str(tmp_path)]) == 1
    assert capsys.readouterr().out.count("not there") == len(tool.SUITES)


@pytest.mark.parametrize("entry", ["mmcv", "=tests", "mmcv="])
def test_suite_entries_are_checked(tool, tmp_path, entry, capsys):
    with pytest.raises(SystemExit):
        tool.main([str(tmp_path), "--suite", entry])
    assert "expected NAME=FOLDER" in capsys.readouterr().err
