"""The hook that imports mmktn at each start of a Python, off until someone asks for it."""

import os
import subprocess
import sys
from pathlib import Path

import mmdet
import pytest

from mmktn import __main__ as commands
from mmktn import doctor_checks
from mmktn.utils import startup_hook
from tests.command_line import refused

ROOT = Path(__file__).parents[2]


def switch(state: str, folder: Path) -> int:
    return commands.main(["hook", state, "--folder", str(folder)])


def start(folder: Path, code: str, *arguments: str) -> subprocess.CompletedProcess:
    """Start Python with a folder whose .pth files are run, as those of site-packages are."""
    begin = f"import site, sys; site.addsitedir({str(folder)!r}); "
    env = dict(os.environ, PYTHONPATH=str(ROOT))
    return subprocess.run(
        [sys.executable, "-c", begin + code, *arguments], capture_output=True, text=True, env=env
    )


def test_on_and_off(tmp_path, capsys):
    assert switch("status", tmp_path) == 0
    assert capsys.readouterr().out.startswith("off: ")
    assert switch("on", tmp_path) == switch("on", tmp_path) == 0
    asked = "print('mmktn' in sys.modules, 'torch' in sys.modules)"
    assert start(tmp_path, asked).stdout.split() == ["True", "False"]
    assert capsys.readouterr().out.startswith("on: ")
    assert switch("off", tmp_path) == switch("off", tmp_path) == 0
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out.startswith("off: ")


def test_python_starts_where_mmktn_is_broken_or_gone(tmp_path):
    switch("on", tmp_path)
    (tmp_path / "mmktn.py").write_text("raise RuntimeError('does not fit its hosts')")
    broken = f"import site, sys; sys.path.insert(0, {str(tmp_path)!r}); "
    for begin in (broken, "import sys; "):
        code = f"{begin}exec({startup_hook.LINE!r}); print('mmktn' in sys.modules)"
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=True
        )
        assert (done.stdout.split(), done.stderr) == (["False"], "")


def test_a_file_of_another_kind_is_left_alone(tmp_path):
    (tmp_path / startup_hook.NAME).write_text("/some/folder\n")
    for state in ("on", "off"):
        refused(startup_hook.main, [state, "--folder", tmp_path], "is not the hook")
    assert (tmp_path / startup_hook.NAME).read_text() == "/some/folder\n"


def test_doctor_offers_it_where_stand_ins_are_in_use(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor_checks, "hook_file", lambda: startup_hook.hook_file(tmp_path))
    (found,) = [f for f in doctor_checks.check_repairs() if f.name == "start-up hook"]
    stand_ins = any(fix.is_stand_in for fix in doctor_checks.active_fixes())
    assert ("python -m mmktn hook on" in found.advice) is stand_ins
    switch("on", tmp_path)
    (found,) = [f for f in doctor_checks.check_repairs() if f.name == "start-up hook"]
    assert (found.state, found.advice) == (doctor_checks.OK, "")


@pytest.mark.slow
def test_stock_entry_points_start_with_the_hook(tmp_path):
    """mmpose's inferencers and mmdet's own tool, in one Python: each import costs seconds."""
    switch("on", tmp_path)
    tool = Path(mmdet.__file__).parent / ".mim/tools/test.py"
    client = f"import mmpose.apis, runpy; runpy.run_path({str(tool)!r}, None, '__main__')"
    done = start(tmp_path, client, "-h")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "usage: " in done.stdout
