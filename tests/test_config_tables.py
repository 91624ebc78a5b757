"""Tables in config READMEs agree with the metafiles, and metafiles with the configs."""

from pathlib import Path

import pytest
import yaml

from tests.tool_modules import tool_module

ROOT = Path(__file__).parents[1]
METAFILES = sorted((ROOT / "configs").rglob("metafile.yml"))


def test_tables_are_up_to_date(capsys):
    assert tool_module("projects/tables/make_tables.py").main(["--check"]) == 0, (
        capsys.readouterr().out
    )


@pytest.mark.parametrize("metafile", METAFILES, ids=lambda p: p.parent.name)
def test_every_model_names_an_existing_config_once(metafile):
    models = yaml.safe_load(metafile.read_text())["Models"]
    configs = [model["Config"] for model in models]
    assert len(configs) == len(set(configs))
    for model in models:
        assert (ROOT / model["Config"]).is_file()
        assert Path(model["Config"]).stem == model["Name"]
