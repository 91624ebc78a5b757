"""Every wrong config is answered by one line that names file, key or line, and the fix."""

import argparse
import json
import sys
import time

import pytest
from mmengine.config import Config
from mmengine.registry import MODELS

from mmktn.utils.config_errors import config_errors
from mmktn.utils.config_path import (
    _check_chain,
    config_folders,
    merge_options,
    read_config,
    require_parts,
    resolve_config,
)
from mmktn.utils.run_arguments import add_run_arguments, read_run_config
from mmktn.utils.user_error import UserError, describe_error

BASE = b'_base_ = "mmktn::densepose/ktn2_r18_fpn_cpu_dp-synth.py"\n'
WRONG = {
    "syntax.py": (BASE + b"model = dict(\n", r"syntax\.py, line 2: .*correct the syntax"),
    "bom.py": (b"\xef\xbb\xbf" + BASE, "byte order mark; save it as UTF-8 without"),
    "latin1.py": (BASE + b"# caf\xe9\n", "line 2: byte 0xe9 is not UTF-8"),
    "utf16.py": ("model = dict()".encode("utf-16"), "a binary file"),
    "circular.py": (b'_base_ = "circular.py"', r"circular\.py -> circular\.py.*remove one _base_"),
    "folder.py/../missing_base.py": (b'_base_ = ["gone.py"]', "gone.py .a base of .*no such file"),
    "base_kind.py": (b"_base_ = 3", "_base_ is .*3.*names files"),
    "nameerror.py": (BASE + b"_x = undefined_name", "nameerror.py, line 2: NameError"),
    "raises.py": (b"x = 1 / 0", "raises.py, line 1: ZeroDivisionError"),
    "model_none.py": (b"model = None", "model is None; it must be dict"),
    "model_str.py": (b"model = 'abc'", "model is 'abc'; it must be dict"),
    "reserved.py": (b"filename = 'x'", "filename is reserved"),
    "cut.json": (b'{"model": ', "cut.json, line 1: not JSON"),
    "list.json": (b"[1, 2]", "holds a list at its top"),
    "text.yaml": (b"just words", "holds a str at its top"),
    "cut.yaml": (b"a: [1, 2", "not YAML"),
    "tag.yaml": (b"a: !!python/object/apply:os.system ['true']", "not YAML, or with tags"),
    "deep.json": (b"[" * 200000, "nested too deeply"),
    "weights.pth": (b"\x80\x02", "is not a config .*swapped"),
    "imports.py": (b"custom_imports = dict(imports=['no_such_x'])", "no_such_x.*custom_imports"),
    "import_kind.py": (b"custom_imports = dict(imports=3)", "TypeError"),
    "lazy.py": (b"with read_base():\n    from .gone import *\n", "gone.py .*no such file"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_config_is_one_line_that_names_it(name, tmp_path):
    content, wanted = WRONG[name]
    path = tmp_path / name.rpartition("/")[2]
    path.write_bytes(content)
    start = time.monotonic()
    with pytest.raises((UserError, ImportError), match=wanted) as caught:
        read_config(path)
    assert time.monotonic() - start < 30
    line = describe_error(caught.value)
    assert "internal" not in line
    assert path.name in line


IN_VAIN = {
    "surface": ('surface = "human"\n', r"train_pipeline, val_evaluator"),
    "a pipeline": ("train_pipeline = []\n", "train_dataloader"),
    "said twice, read by another name": (
        'surface = "human"\nval_evaluator = dict(surface=_base_.surface)\n',
        "surface is set, but nothing reads it",
    ),
}


@pytest.mark.parametrize("case", IN_VAIN)
def test_variables_set_in_vain_are_named_with_the_parts_that_keep_the_old_value(case, tmp_path):
    text, wanted = IN_VAIN[case]
    base = 'surface = "a"\ntrain_pipeline = [dict(surface=surface)]\n'
    base += "train_dataloader = dict(dataset=dict(pipeline=train_pipeline))\n"
    base += "val_evaluator = dict(surface=surface)\n"
    (tmp_path / "base.py").write_text(base)
    (tmp_path / "middle.py").write_text('_base_ = "base.py"\n')
    (tmp_path / "mine.py").write_text('_base_ = "middle.py"\n' + text)
    with pytest.raises(UserError, match=rf"mine\.py: .*base\.py .*{wanted}|{wanted}.*base\.py"):
        read_config(tmp_path / "mine.py")


def test_variables_that_reach_their_parts_and_keys_of_the_runner_are_taken(tmp_path):
    (tmp_path / "base.py").write_text(
        'surface = "a"\nval_evaluator = dict(surface=surface)\ntest_evaluator = val_evaluator\n'
    )
    mine = '_base_ = "base.py"\n_note = 1\nsurface = "b"\n'
    mine += "val_evaluator = dict(surface=surface)\ntest_evaluator = val_evaluator\n"
    (tmp_path / "mine.py").write_text(mine)
    assert read_config(tmp_path / "mine.py").test_evaluator.surface == "b"
    assert read_config(tmp_path / "mine.py", {"_note": 2})._note == 2
    with pytest.raises(UserError, match="--cfg-options: surface is set, but nothing reads it"):
        read_config(tmp_path / "mine.py", {"surface": "c"})
    (tmp_path / "mine.py").write_text('_base_ = "base.py"\nval_evaluator = dict(surface="b")\n')
    assert read_config(tmp_path / "mine.py").val_evaluator.surface == "b"


SLIPS = {
    "surfce = 'human'": "surface",
    "max_iter = 5": "max_iters",
    "train_datalaoder = dict(batch_size=2)": "train_dataloader",
    "optimizer = dict(lr=0.1)": "optim_wrapper",
    "models = dict()": "model",
}


@pytest.mark.parametrize("text", SLIPS)
def test_names_that_nothing_reads_are_refused_with_the_nearest_known_one(text, tmp_path):
    config = resolve_config("mmktn::densepose/smoke/ktn2_r18_fpn_smoke_dp-synth.py")
    (tmp_path / "mine.py").write_text(f'_base_ = "{config}"\n{text}\n')
    name = text.partition(" = ")[0]
    wanted = f"{name} is set, but nothing reads it; the nearest known name is {SLIPS[text]}"
    with pytest.raises(UserError, match=rf"mine\.py: {wanted}"):
        read_config(tmp_path / "mine.py")
    (tmp_path / "top.py").write_text('_base_ = "mine.py"\n')
    if name not in ("optimizer",):
        with pytest.raises(UserError, match=rf"mine\.py: {wanted}"):
            read_config(tmp_path / "top.py")
    with pytest.raises(UserError, match=f"--cfg-options: {wanted}"):
        read_config(config, {name: 1})


def test_names_that_a_config_above_reads_are_taken(tmp_path):
    (tmp_path / "root.py").write_text("model = dict(type='A')\n")
    (tmp_path / "base.py").write_text("_base_ = 'root.py'\nbatches = 4\nfor_others = 1\n")
    (tmp_path / "top.py").write_text(
        "_base_ = 'base.py'\ntrain_dataloader = dict(batch_size=_base_.batches)\n"
    )
    cfg = read_config(tmp_path / "top.py")
    assert cfg.train_dataloader.batch_size == 4
    with pytest.raises(UserError, match=r"base\.py: batches is set, but nothing reads it"):
        read_config(tmp_path / "base.py")
    # What a run dumps has no bases and is read again.
    cfg.dump(tmp_path / "dumped.py")
    assert read_config(tmp_path / "dumped.py").to_dict() == cfg.to_dict()


def test_every_config_of_ours_says_nothing_in_vain():
    (folder, *_) = config_folders()
    for path in folder.rglob("*.py"):
        if "_base_" not in path.parts:
            _check_chain(path)


def test_circle_over_three_files_and_formats_is_shown(tmp_path):
    (tmp_path / "a.py").write_text("_base_ = ['./b.json']")
    (tmp_path / "b.json").write_text(json.dumps({"_base_": "c.yaml"}))
    (tmp_path / "c.yaml").write_text("_base_: [a.py]")
    with pytest.raises(UserError, match=r"a\.py -> b\.json -> c\.yaml -> a\.py"):
        read_config(tmp_path / "a.py")


def test_reading_runs_the_config_alone(tmp_path):
    """Bases that are no configs, and files beside it, are not run to find out what they are."""
    (tmp_path / "beside.py").write_text("raise SystemExit('beside was run')")
    (tmp_path / "a.py").write_text("x = 1")
    assert read_config(tmp_path / "a.py").x == 1
    (tmp_path / "a.py").write_text("_base_ = ['beside.py', 'gone.py']")
    with pytest.raises(UserError, match=r"gone\.py"):
        read_config(tmp_path / "a.py")


def test_sound_configs_of_all_kinds_are_read(tmp_path):
    (tmp_path / "a.yaml").write_text("a: 1\nm: {n: [1, 2]}")
    (tmp_path / "b.json").write_text(json.dumps({"_base_": "a.yaml", "b": 2}))
    (tmp_path / "c.py").write_text("_base_ = ('./b.json')\n_c = [{{_base_.a}}, _base_.b]")
    cfg = read_config(tmp_path / "c.py", {"m.n.1": 5, "train_cfg.key": "x"})
    assert (cfg._c, cfg.m.n, cfg.train_cfg.key) == ([1, 2], [1, 5], "x")


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("a.b", 1, "a is 1, which has no key 'b'"),
        ("name.b.c", 1, "name is 'word', which has no key 'b'"),
        ("rows.5", 1, "rows is a list of 2; '5' is none of its places"),
        ("rows.x.y", 1, "rows is a list of 2; 'x' is none"),
        ("model", 1, "model is a dict with the keys type"),
    ],
)
def test_options_into_something_else_are_named(key, value, wanted):
    cfg = Config({"a": 1, "name": "word", "rows": [1, 2], "model": {"type": "X", "n": 1}})
    with pytest.raises(UserError, match=wanted):
        merge_options(cfg, {key: value})


@pytest.mark.parametrize("text", ["no_sign", "=5", "a..b=1", "a=[1,(2]", "a=[1,2,(3"])
def test_options_of_another_form_are_named(text, capsys):
    parser = argparse.ArgumentParser()
    add_run_arguments(parser)
    with pytest.raises(SystemExit) as stop:
        parser.parse_args(["x.py", "--cfg-options", text])
    assert stop.value.code == 2
    assert text in capsys.readouterr().err.splitlines()[-1]


def test_work_dir_that_is_a_file_or_below_one_is_refused(tmp_path):
    (tmp_path / "a.py").write_text("x = 1")
    parser = argparse.ArgumentParser()
    add_run_arguments(parser)
    for work_dir in (tmp_path / "a.py", tmp_path / "a.py" / "below"):
        with pytest.raises(UserError, match=r"a\.py"):
            read_run_config(
                parser.parse_args([str(tmp_path / "a.py"), "--work-dir", str(work_dir)])
            )


def test_missing_part_is_named():
    with pytest.raises(UserError, match="has no test_dataloader; this command needs it"):
        require_parts(Config({"model": {"type": "X"}}), "model", "test_dataloader")


@MODELS.register_module(name="ConfigErrorsOuter")
class Outer:
    def __init__(self, inner: dict, width: int = 1) -> None:
        self.width = int(width)
        self.inner = MODELS.build(inner)


@pytest.mark.parametrize(
    ("model", "wanted"),
    [
        ({"type": "NoSuch"}, "model.type: no class 'NoSuch' is registered; correct"),
        ({"type": "ConfigErrorsOuter", "inner": {"type": "Gone"}}, "model.inner.type: no class"),
        (
            {"type": "ConfigErrorsOuter", "inner": {"type": "ReLU"}, "wrong": 1},
            "model.wrong: ConfigErrorsOuter takes no such argument",
        ),
        ({"type": "ConfigErrorsOuter"}, "model .ConfigErrorsOuter.: TypeError: .*inner"),
        ({"type": "ConfigErrorsOuter", "inner": {}}, "has no type"),
        ({"type": "ConfigErrorsOuter", "inner": "abc"}, "inner|no type"),
        (
            {"type": "ConfigErrorsOuter", "inner": {"type": "ReLU"}, "width": "x"},
            "model .ConfigErrorsOuter.: ValueError: invalid literal",
        ),
    ],
)
def test_parts_that_cannot_be_built_are_named_by_their_key(model, wanted):
    cfg = Config({"other": {"type": "ReLU"}, "model": model})
    with pytest.raises(UserError, match=wanted), config_errors(cfg):
        MODELS.build(cfg.model)


def test_errors_outside_of_building_pass():
    with pytest.raises(ZeroDivisionError), config_errors(Config({})):
        sys.exit(1 / 0)
