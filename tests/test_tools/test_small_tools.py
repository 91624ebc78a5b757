"""The commands config, publish, logs and flops."""

import json
from pathlib import Path

import pytest
import torch

from mmktn.apis import flops_command as get_flops
from mmktn.apis import publish_command as publish_model
from mmktn.utils import config_command as print_config
from mmktn.utils import logs_command as analyze_logs
from tests.command_line import refused

REPO = Path(__file__).resolve().parents[2]


def test_config_is_printed_with_its_overrides(tmp_path, capsys):
    (tmp_path / "base.py").write_text("model = dict(type='A', depth=18)")
    (tmp_path / "child.py").write_text("_base_ = 'base.py'\nmodel = dict(width=3)")
    out = tmp_path / "flat.py"
    print_config.main(
        [str(tmp_path / "child.py"), "--cfg-options", "model.depth=50", "--out", str(out)]
    )
    shown = capsys.readouterr().out
    assert "depth=50" in shown
    assert "width=3" in shown
    assert "_base_" not in out.read_text()


def test_missing_config_is_one_line(tmp_path, capsys):
    assert print_config.main([str(tmp_path / "no.py")]) == 1
    assert capsys.readouterr().err.startswith("config: config not found")


def _checkpoint(path: Path) -> Path:
    """Checkpoint as mmengine's EMAHook leaves it: raw weight 1, average 0."""
    from mmengine.hooks import EMAHook
    from mmengine.model import ExponentialMovingAverage

    model = torch.nn.Linear(1, 1, bias=False)
    hook = EMAHook()
    hook.src_model, hook.ema_model = model, ExponentialMovingAverage(model)
    with torch.no_grad():
        model.weight.fill_(1)
        hook.ema_model.module.weight.fill_(0)
    content = {
        "state_dict": model.state_dict(),
        "optimizer": {"state": torch.ones(1000)},
        "meta": {"epoch": 3},
    }
    hook.before_save_checkpoint(None, content)
    torch.save(content, path)
    return path


def test_published_file_holds_weights_and_meta_and_is_named_by_its_hash(tmp_path):
    import hashlib

    written, what = publish_model.publish(
        _checkpoint(tmp_path / "a.pth"), tmp_path / "out" / "m.pth", ema=True
    )
    assert what == "averaged weights"
    content = torch.load(written, weights_only=True)
    assert set(content) == {"meta", "state_dict"}
    assert content["meta"]["epoch"] == 3
    assert content["state_dict"]["weight"].tolist() == [[0]]
    digest = hashlib.sha256(written.read_bytes()).hexdigest()[:8]
    assert written.name == f"m-{digest}.pth"


@pytest.mark.parametrize("ema", [True, False])
def test_the_weights_asked_for_are_published_from_a_file_of_the_averaging_hook(tmp_path, ema):
    """mmengine's own hook writes the file: it swaps the two sides when it saves."""
    from types import SimpleNamespace

    from mmengine.hooks import EMAHook

    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(model.weight, 0.0)
    hook = EMAHook(momentum=0.5)
    runner = SimpleNamespace(model=model, iter=0, epoch=0, max_iters=9, max_epochs=9)
    hook.before_run(runner)
    hook.before_train(runner)
    hook.after_train_iter(runner, 0)  # the first one copies
    torch.nn.init.constant_(model.weight, 4.0)
    hook.after_train_iter(runner, 1)
    averaged = float(hook.ema_model.module.weight)
    assert averaged != 4.0
    checkpoint = {"state_dict": {k: v.clone() for k, v in model.state_dict().items()}, "meta": {}}
    hook.before_save_checkpoint(runner, checkpoint)
    torch.save(checkpoint, tmp_path / "a.pth")
    written, what = publish_model.publish(tmp_path / "a.pth", tmp_path / "m.pth", ema=ema)
    state = torch.load(written, weights_only=True)["state_dict"]
    assert set(state) == {"weight"}
    assert float(state["weight"]) == (averaged if ema else 4.0)
    assert what == ("averaged weights" if ema else "raw weights")


def test_missing_weights_and_existing_files_are_named(tmp_path, capsys):
    torch.save({"state_dict": {"w": torch.ones(1)}}, tmp_path / "a.pth")
    config = "configs/densepose/smoke/densepose-rcnn_r18_fpn_smoke_dp-synth.py"
    arguments = [str(tmp_path / "a.pth"), str(tmp_path / "m.pth")]
    assert publish_model.main([*arguments, "--config", str(REPO / config)]) == 1
    assert "lacks" in capsys.readouterr().err
    assert publish_model.main([*arguments, "--unchecked"]) == 0
    assert capsys.readouterr().out.startswith("weights -> ")
    assert publish_model.main([*arguments, "--unchecked"]) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert publish_model.main([*arguments, "--unchecked", "--overwrite"]) == 0


def test_halved_file_keeps_vectors_and_a_bare_one_nothing_of_the_run(tmp_path):
    state = {
        "conv.weight": torch.tensor([[1 / 3, 2.0]]),
        "norm.running_var": torch.tensor([1 / 3]),
        "norm.num_batches_tracked": torch.tensor(5),
    }
    meta = {"cfg": "data_root = '/home/me'", "dataset_meta": {"classes": ("person",)}}
    torch.save({"state_dict": state, "meta": meta}, tmp_path / "run.pth")
    written, _ = publish_model.publish(
        tmp_path / "run.pth", tmp_path / "m.pth", half=True, bare=True
    )
    content = torch.load(written, weights_only=True)
    assert set(content["meta"]) == {"dataset_meta", "mmktn_version"}
    found = content["state_dict"]
    assert found["conv.weight"].dtype == torch.float16
    torch.testing.assert_close(
        found["conv.weight"].float(), state["conv.weight"], rtol=1e-3, atol=0
    )
    assert torch.equal(found["norm.running_var"], state["norm.running_var"])
    assert found["norm.num_batches_tracked"] == 5

    torch.save({"state_dict": {"w": torch.full((1, 1), 1e6)}}, tmp_path / "large.pth")
    with pytest.raises(ValueError, match=r"large\.pth: w is too large for float16"):
        publish_model.publish(tmp_path / "large.pth", tmp_path / "m.pth", half=True)


def test_publishing_names_what_is_wrong(tmp_path, capsys):
    torch.save({"state_dict": {"w": torch.ones(1)}}, tmp_path / "plain.pth")
    with pytest.raises(ValueError, match=r"plain\.pth: holds no averaged weights"):
        publish_model.publish(tmp_path / "plain.pth", tmp_path / "m.pth", ema=True)
    with pytest.raises(ValueError, match=r"has to end in \.pth"):
        publish_model.publish(tmp_path / "plain.pth", tmp_path / "m.pt")
    names = [str(tmp_path / "none.pth"), str(tmp_path / "m.pth")]
    assert publish_model.main([*names, "--unchecked"]) == 1
    assert "publish: checkpoint not found" in capsys.readouterr().err


@pytest.fixture
def work_dir(tmp_path) -> Path:
    log = tmp_path / "run" / "20260101_000000" / "vis_data" / "scalars.json"
    log.parent.mkdir(parents=True)
    entries = [{"loss": 3.0 - k, "time": 0.1 * (k + 1), "step": 10 * k} for k in range(3)]
    log.write_text("\n".join(map(json.dumps, entries)) + "\n")
    return tmp_path / "run"


def test_log_values_come_with_their_steps(work_dir):
    values = analyze_logs.read_log(analyze_logs.find_log(work_dir))
    assert values["loss"] == [(0, 3.0), (10, 2.0), (20, 1.0)]


def test_times_are_summed_up_in_a_line(work_dir, capsys):
    analyze_logs.main(["time", str(work_dir)])
    assert "3 entries, median 0.2000 s per iteration, fastest 0.1000, slowest 0.3000" in (
        capsys.readouterr().out
    )


def test_curves_are_drawn(work_dir, tmp_path):
    analyze_logs.main(["plot", str(work_dir), "--out", str(tmp_path / "c.png")])
    assert (tmp_path / "c.png").stat().st_size > 1000


def test_log_mistakes_are_one_line(work_dir, tmp_path):
    refused(analyze_logs.main, ["plot", work_dir, "--keys", "los"], "no 'los'; it has loss, time")
    refused(analyze_logs.main, ["time", tmp_path / "nowhere"], r"no vis_data/scalars\.json")
    broken = tmp_path / "scalars.json"
    for content, match in {
        b'{"loss": 1}\n{"loss"': r"scalars\.json:2: not a line of JSON",
        b"[" * 10**5: "not a line of JSON",
        b'{"loss": 1}\n[1]': r"scalars\.json:2: not an entry of a log",
        b'{"loss": 1}': "no 'time' in the log",
        b"\xff\xfe": "not a text file",
    }.items():
        broken.write_bytes(content)
        refused(analyze_logs.main, ["time", broken], match)


def test_curves_replace_neither_logs_nor_other_files(work_dir, tmp_path):
    log = analyze_logs.find_log(work_dir)
    before = log.read_bytes()
    (tmp_path / "mine.png").write_bytes(b"mine")
    for out, more in ((log, ["--overwrite"]), (tmp_path / "mine.png", [])):
        refused(analyze_logs.main, ["plot", work_dir, "--out", out, *more], str(out))
    assert (tmp_path / "mine.png").read_bytes() == b"mine"
    assert log.read_bytes() == before


def test_flops_need_a_size_the_network_can_take(capsys):
    assert get_flops.main(["cfg.py", "--size", "100", "100"]) == 1
    assert "divisible by 32" in capsys.readouterr().err
