"""`python -m mmktn models`."""

import json
import subprocess
import sys
from pathlib import Path

from mmktn.__main__ import main as mmktn
from mmktn.zoo.command import main
from mmktn.zoo.table import zoo_models
from tests.command_line import refused


def test_the_table_names_every_model_with_its_figure(capsys, home):
    assert mmktn(["models"]) == 0
    printed = capsys.readouterr().out
    for model in zoo_models():
        (line,) = [line for line in printed.splitlines() if line.split()[:1] == [model.name]]
        assert str(model.metrics.get("GPS AP", model.metrics.get("AP", ""))) in line
    assert str(home) in printed


def test_single_models_are_shown_in_full(capsys):
    assert main(["165712039", "ktn2_r50_fpn_s1x"]) == 0
    printed = capsys.readouterr().out
    for text in ("255.8 MB", "(pinned)", "CC BY-SA 3.0", "GPSm AP 65.3", "pan.baidu.com"):
        assert text in printed
    assert main(["165712039", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["metrics"]["GPS AP"] == 63.7
    assert row["state"] == ""
    assert row["weights"] is None


def test_json_holds_all(capsys):
    assert main(["--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == len(zoo_models())


def test_mistakes_are_one_line_each(monkeypatch):
    refused(main, ["densepose-rcnn_r50"], "similar: densepose-rcnn_r50_fpn_s1x")
    monkeypatch.setenv("MMKTN_OFFLINE", "1")
    refused(main, ["--fetch", "densepose-rcnn_r50_fpn_s1x"], "MMKTN_OFFLINE=1 forbids")


def test_neither_torch_nor_the_hosts_are_needed():
    code = (
        "import sys; from mmktn.zoo.command import main; main(['--json']); "
        "heavy = {'torch', 'numpy', 'mmengine'} & set(sys.modules); assert not heavy, heavy"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], check=True, cwd=root, stdout=subprocess.DEVNULL)
