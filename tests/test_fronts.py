"""The doors of the package: public names, and what works without torch."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from mmktn.formats.result_files import official_entry
from tests.test_evaluation.builders import World

ROOT = Path(__file__).parents[1]
NAMES = (ROOT / "docs/public_names.txt").read_text(encoding="utf-8").split()
ROOMS = sorted({name.rpartition(".")[0] for name in NAMES})


@pytest.mark.parametrize("room", ROOMS)
def test_public_names_stay(room):
    """A name that disappears breaks somebody's program; one that is added is written down."""
    listed = {name.rpartition(".")[2] for name in NAMES if name.rpartition(".")[0] == room}
    front = importlib.import_module(room)
    missing = [name for name in sorted(listed) if not hasattr(front, name)]
    assert not missing, f"{room} no longer offers {missing}"
    assert sorted(front.__all__) == sorted(listed), f"docs/public_names.txt and {room} differ"


WITHOUT_TORCH = """
from importlib.machinery import PathFinder

find = PathFinder.find_spec
hidden = {"torch", "torchvision", "mmengine", "mmcv", "mmdet", "mmpose"}
PathFinder.find_spec = staticmethod(
    lambda name, path=None, target=None: (
        None if name.partition(".")[0] in hidden else find(name, path, target)
    )
)

import json
from mmktn.evaluation import evaluate
from mmktn.surface import load_surface
from mmktn.synthetic import GeneratorOptions, make_sample
from mmktn.visualization import paint_people, render_preset

surface = load_surface("human")
scores = evaluate("gt.json", "results.json", surface=surface)
assert scores.surface == surface.name
assert any("same surface" in note for note in scores.notes)
print(json.dumps(scores.values()))
"""


def test_scores_surfaces_and_pictures_need_no_torch(tmp_path):
    """`pip install` without extras: a process in which torch and the hosts cannot be imported."""
    world = World(images=2, people=2)
    detections = world.detections()
    entries = [official_entry(detections, index) for index in range(len(detections))]
    (tmp_path / "gt.json").write_text(json.dumps(world.data))
    (tmp_path / "results.json").write_text(json.dumps(entries))
    command = [sys.executable, "-c", WITHOUT_TORCH]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["gps/AP"] == 1
