from pathlib import Path

import pytest
import torch

from mmktn.apis import fold_command as fold_ktm
from mmktn.apis import load_model
from tests.command_line import refused

REPO = Path(__file__).resolve().parents[2]
CONFIG = str(REPO / "configs" / "densepose" / "smoke" / "ktn2_r18_fpn_smoke_dp-synth.py")
SWITCH = "model.roi_head.densepose_head.predictor.folded"


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return load_model(CONFIG, device="cpu")


def test_folded_checkpoint_gives_the_same_outputs_with_one_switch(model, tmp_path, capsys):
    plain = tmp_path / "plain.pth"
    torch.save({"state_dict": model.state_dict(), "meta": {"iter": 7}}, plain)
    out = tmp_path / "sub" / "folded.pth"
    fold_ktm.main([CONFIG, str(plain), str(out)])
    printed = capsys.readouterr().out
    assert f"--cfg-options {SWITCH}=True" in printed

    folded = load_model(CONFIG, out, device="cpu", cfg_options={SWITCH: True})
    x = torch.rand(2, model.roi_head.densepose_head.predictor.in_channels, 8, 8)
    with torch.no_grad():
        before = model.roi_head.densepose_head.predictor(x, model.roi_head._box_weights())
        after = folded.roi_head.densepose_head.predictor(x)
    for (name, a), (_, b) in zip(before.items(), after.items(), strict=True):
        assert (a - b).abs().max() <= 1e-5 * a.abs().max(), name
    counts = [sum(p.numel() for p in m.parameters()) for m in (model, folded)]
    assert f"{counts[0] / 1e6:.1f} M -> {counts[1] / 1e6:.1f} M" in printed


def test_folded_file_holds_plain_tensors_and_text(model, tmp_path, capsys):
    plain, out = tmp_path / "plain.pth", tmp_path / "folded.pth"
    torch.save({"state_dict": model.state_dict(), "optimizer": {"x": 1}}, plain)
    fold_ktm.main([CONFIG, str(plain), str(out)])
    content = torch.load(out, weights_only=True)
    assert set(content) == {"meta", "state_dict"}
    assert content["meta"]["folded_from"] == "plain.pth"
    assert not any(".machine." in name for name in content["state_dict"])
    twice = [CONFIG, out, tmp_path / "twice.pth"]
    refused(fold_ktm.main, twice, "does not fit the config's predictor")


def test_neither_its_input_nor_another_file_is_written_over(model, tmp_path, capsys):
    plain, other = tmp_path / "plain.pth", tmp_path / "other.pth"
    torch.save({"state_dict": model.state_dict()}, plain)
    before = plain.read_bytes()
    other.write_text("mine")
    for out, overwrite, text in (
        (plain, ["--overwrite"], "is an input"),
        (other, [], "exists"),
        (other / "below.pth", [], "no folder"),
    ):
        assert fold_ktm.main([CONFIG, str(plain), str(out), *overwrite]) == 1
        assert text in capsys.readouterr().err
    assert plain.read_bytes() == before
    assert other.read_text() == "mine"
    assert fold_ktm.main([CONFIG, str(plain), str(other), "--overwrite"]) == 0


def test_a_checkpoint_that_lacks_weights_is_refused(model, tmp_path, capsys):
    state = model.state_dict()
    lost = next(key for key in state if key.startswith("backbone"))
    torch.save({"state_dict": {k: v for k, v in state.items() if k != lost}}, tmp_path / "a.pth")
    arguments = [CONFIG, str(tmp_path / "a.pth"), str(tmp_path / "out.pth")]
    assert fold_ktm.main(arguments) == 1
    assert f"the first is {lost}" in capsys.readouterr().err
    assert not (tmp_path / "out.pth").exists()
    assert fold_ktm.main([*arguments, "--unchecked"]) == 0


def test_config_without_ktm_is_named(tmp_path, capsys):
    config = REPO / "configs" / "densepose" / "smoke" / "densepose-rcnn_r18_fpn_smoke_dp-synth.py"
    torch.save({"state_dict": {"a": torch.ones(1)}}, tmp_path / "a.pth")
    refused(
        fold_ktm.main,
        [str(config), str(tmp_path / "a.pth"), str(tmp_path / "b.pth")],
        "ChartPredictor: there is no KTM",
    )


def test_absent_checkpoint_is_one_line(tmp_path):
    refused(
        fold_ktm.main,
        [CONFIG, str(tmp_path / "no.pth"), str(tmp_path / "b.pth")],
        "fold: checkpoint not found",
    )
