"""Without mmpose the mmdet side works, and what needs mmpose says so."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmktn.utils import setup_env

ROOT = Path(__file__).parents[2]
WITHOUT_MMPOSE = """
import sys, importlib.abc

class NoMMPose(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "mmpose":
            raise ModuleNotFoundError("No module named 'mmpose'", name="mmpose")

import mmktn
from mmktn.utils import setup_env
sys.meta_path.insert(0, NoMMPose())
setup_env.real_spec = lambda name: None
setup_env.register_all_modules(init_default_scope=False)
from mmktn.registry import MODELS, TRANSFORMS
from mmktn.utils.config_path import read_config

assert MODELS.get("mmktn.DensePoseRoIHead").__name__ == "DensePoseRoIHead"
MODELS.build(dict(type="mmktn.ChartDecoder"))
for registry, name in ((MODELS, "STIPHead"), (TRANSFORMS, "SemanticTargets")):
    try:
        registry.build(dict(type=f"mmktn.{name}"))
    except ImportError as error:
        print(error)
try:
    read_config("mmktn::td-hm_hrnet-w32_4xb32-210e_coco-256x192.py")
except ImportError as error:
    print(error)
assert "mmpose" not in sys.modules
"""


def test_without_mmpose_one_message_names_it():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_MMPOSE],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if "needs mmpose" in line]
    assert len(lines) == 3
    assert lines[0].startswith("nothing is registered as STIPHead; perhaps it needs mmpose")


def test_a_system_that_was_taken_out_is_not_missed(monkeypatch):
    monkeypatch.setattr(setup_env, "_SYSTEMS", {"mmktn.taken_out": "mmktn.taken_out.registration"})
    setup_env.register_all_modules(init_default_scope=False)


def test_real_import_errors_surface(monkeypatch):
    monkeypatch.setattr(setup_env, "_REGISTERING", ("mmktn.no_such_part",))
    with pytest.raises(ModuleNotFoundError, match="no_such_part"):
        setup_env.register_all_modules(init_default_scope=False)
