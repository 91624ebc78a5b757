"""What holds for every command: its errors are one line, its files atomic, its help quick."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mmktn.__main__ import COMMANDS

ROOT = Path(__file__).parents[2]
SOURCES = [
    path
    for folder in ("tools", "projects", "demo", "mmktn")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "/.mim/" not in str(path)
]
STARTED = [path for path in SOURCES if '__name__ == "__main__"' in path.read_text()]
# Files of tools/ behind which a command of the package stands.
DOORS = [
    path for path in STARTED if re.search("^from mmktn.* import main$", path.read_text(), re.M)
]
SCRIPTS = [path for path in STARTED if path not in DOORS]
# The mechanism itself, and files that grow while a run goes on.
GROWING = (
    "mmktn/apis/film_run.py",  # lines of people, a piece at a time
    "mmktn/video/writing.py",  # pieces of a film, which the journal counts when they are whole
    "mmktn/apis/run_record.py",  # lines are added
    "mmktn/utils/file_lock.py",  # empty
    "mmktn/utils/partial_download.py",  # goes on where it stopped
    "projects/benchmark/bench_ray.py",  # a line per batch, in a folder of its own
    "projects/film/long_film.py",  # a film under another name, until it is whole
)
WRITER = ROOT / "mmktn/utils/output_files.py"


def name(path):
    return str(path.relative_to(ROOT))


def guards_of_main(path):
    (main,) = [
        node
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name == "main"
    ]
    return {ast.unparse(decorator) for decorator in main.decorator_list}


@pytest.mark.parametrize("path", SCRIPTS, ids=name)
def test_a_command_ends_with_one_line(path):
    names = {path.stem} if path.parts[len(ROOT.parts)] != "mmktn" else set(COMMANDS)
    # `python -m mmktn` wraps each of its commands.
    guards = {f"one_line_errors('{name}')" for name in names}
    assert path.name == "__main__.py" or guards_of_main(path) & guards
    ends = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Raise)]
    texts = [ast.unparse(end.exc) for end in ends if end.exc is not None]
    assert {text for text in texts if "SystemExit" in text} <= {"SystemExit(main())"}


@pytest.mark.parametrize("path", DOORS, ids=name)
def test_a_file_of_tools_is_a_door_to_a_command(path):
    (module,) = re.findall("^from (mmktn.*) import main$", path.read_text(), re.M)
    (command,) = [command for command, (place, _) in COMMANDS.items() if place == f"{module}:main"]
    assert f"`python -m mmktn {command}`" in path.read_text()
    source = ROOT / (module.replace(".", "/") + ".py")
    assert f"one_line_errors('{command}')" in guards_of_main(source)


def test_the_commands_of_the_package_are_known():
    assert {"doctor", "evaluate", "hook", "models", "predict", "report"} <= set(COMMANDS)
    assert len(SCRIPTS) > 30
    assert len(DOORS) == 15


@pytest.mark.parametrize("call", ["write_text", "write_bytes", "imwrite", "open"])
def test_files_are_written_by_one_mechanism(call):
    found = []
    for path in SOURCES:
        if path == WRITER or f"{call}(" not in path.read_text():
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            text = ast.unparse(node.func)
            if text == "write_text" or text.split(".")[-1] != call:
                continue
            modes = [a.value for a in node.args if isinstance(a, ast.Constant)]
            modes += [k.value.value for k in node.keywords if isinstance(k.value, ast.Constant)]
            writes = call != "open" or any(
                isinstance(mode, str) and set(mode) & set("wax") and set(mode) <= set("wax+bt")
                for mode in modes
            )
            if writes:
                found.append(f"{name(path)}:{node.lineno}: {ast.unparse(node)[:60]}")
    assert [line for line in found if line.partition(":")[0] not in GROWING] == []


# In a process of its own: this one has torch.
HELP = """
import contextlib, io, sys
sys.modules["torch"] = None  # whoever imports it fails
from mmktn.__main__ import main
for command in sys.argv[1:]:
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            status = main([command, "--help"])
    except SystemExit as ended:
        status = ended.code
    assert not status, command
"""
QUICK = ("browse", "check", "convert", "detect", "predict", "query", "shared", "test", "train")


def test_help_comes_before_torch():
    command = [sys.executable, "-c", HELP, *QUICK]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
