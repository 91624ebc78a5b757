import json

import pytest

from tests.command_line import refused
from tests.tool_modules import tool_module

quickstart = tool_module("tools/quickstart.py")


def test_missing_photos_and_too_little_to_show_are_refused(tmp_path):
    refused(quickstart.main, ["--photos", tmp_path / "none"], "--photos .*none: no such folder")
    refused(quickstart.main, ["--iters", "2"], "--iters 2: give at least 4")
    (tmp_path / "file").touch()
    refused(quickstart.main, ["--work-dir", tmp_path / "file"], "file is a file")


def test_losses_of_a_resumed_run_come_in_order_of_their_iterations(tmp_path):
    for run, steps in (("a", range(1, 5)), ("b", range(3, 7))):
        log = tmp_path / run / "vis_data" / "scalars.json"
        log.parent.mkdir(parents=True)
        entries = [{"step": step, "loss": 10.0 - step} for step in steps]
        log.write_text("\n".join(map(json.dumps, [*entries, {"step": 4, "gps": 0.1}])) + "\n")
    assert quickstart.losses_of(tmp_path) == [9.0, 8.0, 7.0, 6.0, 5.0, 4.0]


@pytest.mark.slow
def test_quickstart_shows_pictures_scores_losses_and_times(tmp_path, capsys):
    arguments = ["--data", tmp_path / "people", "--work-dir", tmp_path / "work", "--iters", 4]
    arguments += ["--train-images", 4, "--val-images", 4]
    assert quickstart.main([str(argument) for argument in arguments]) == 0
    written = json.loads((tmp_path / "work" / "quickstart.json").read_text())
    assert len(written["losses"]) == 4
    assert len(written["seconds"]) == 6
    assert set(written["scores"]) == {"shipped", "trained"}
    assert len(list((tmp_path / "work" / "pictures").iterdir())) == 4
    # Saved half way, and resumed from there.
    assert (tmp_path / "work" / "iter_2.pth").is_file()
    assert "s in all" in capsys.readouterr().out
