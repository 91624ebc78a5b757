"""Tables in config READMEs agree with the metafiles, and metafiles with the configs."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
METAFILES = sorted((ROOT / "configs").rglob("metafile.yml"))


def test_tables_are_up_to_date():
    script = str(ROOT / "tools/dev/make_tables.py")
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("metafile", METAFILES, ids=lambda p: p.parent.name)
def test_every_model_names_an_existing_config_once(metafile):
    models = yaml.safe_load(metafile.read_text())["Models"]
    configs = [model["Config"] for model in models]
    assert len(configs) == len(set(configs))
    for model in models:
        assert (ROOT / model["Config"]).is_file()
        assert Path(model["Config"]).stem == model["Name"]
