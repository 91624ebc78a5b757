"""Full-size configs beside the settings of the released code; `pytest -s` prints the table."""

import sys
from functools import cache
from pathlib import Path

import pytest
from mmengine.config import Config

from tests.official_settings import DIFFERENCES, official_settings, settings_of

ROOT = Path(__file__).parents[1]
CONFIGS = {path.stem: path for path in sorted((ROOT / "configs").glob("*/*.py"))}
COMPARED = [name for name in CONFIGS if official_settings(name)]


@cache
def found(name):
    return settings_of(Config.fromfile(CONFIGS[name]))


def test_settings_of_all_published_systems_are_compared():
    families = {name.split("_")[0] for name in COMPARED}
    assert {
        "densepose-rcnn",
        "densepose-rcnn-dl",
        "densepose-rcnn-legacy",
        "ktn1",
        "ktn2",
    } <= families
    assert {"densepose-rcnn-star", "parsing-rcnn", "ama-net", "keypoints"} <= families
    assert {"densepose-rcnn-mask", "densepose-rcnn-kpt", "keypoints", "stip", "td-hm"} <= families


@pytest.mark.parametrize("name", COMPARED)
def test_settings_are_those_of_the_released_code(name):
    ours, official = found(name), official_settings(name)
    lines = [f"  {key:28}{ours[key]!s:60}{official.get(key, 'not stated')}" for key in ours]
    sys.stdout.write("\n".join(["", f"{name}: ours, released", *lines, ""]))
    different = {key for key, value in official.items() if ours.get(key) != value}
    assert different == {key for key in DIFFERENCES if key in official}


def test_every_difference_stands_in_the_results_page():
    page = (ROOT / "docs" / "results.md").read_text()
    for key in DIFFERENCES:
        assert f"| {key} |" in page
