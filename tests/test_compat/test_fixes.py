"""The small repairs, each on the object that it repairs, and the switch that forces stand-ins."""

import io
import pickle
import subprocess
import sys
import types

import numpy as np
import pytest
import torch

from mmktn import compat
from mmktn.compat import checkpoint_globals, mmcv_version, module2package, package_lookup


def run(code, **environment):
    """Run code in a fresh interpreter, with the tests' import path."""
    import os

    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": ":".join(sys.path), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_import_is_light():
    code = (
        "import sys, mmktn, mmktn.compat; "
        "heavy = {'torch', 'mmdet', 'mmpose', 'mmcv', 'mmengine', 'numpy', 'cv2'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert run(code).stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("value", "mode", "stand_ins"), [("1", "force", 2), ("0", "off", 0), ("", "auto", None)]
)
def test_switch(value, mode, stand_ins):
    code = (
        "import mmktn.compat as c; "
        "print(c.stand_in_mode(), sum(fix.is_stand_in for fix in c.active_fixes()))"
    )
    words = run(code, MMKTN_FORCE_STANDINS=value).stdout.split()
    assert words[0] == mode
    if stand_ins is not None:
        assert int(words[1]) == stand_ins


def test_switch_refuses_other_values():
    result = run("import mmktn", MMKTN_FORCE_STANDINS="yes")
    assert result.returncode != 0
    assert "MMKTN_FORCE_STANDINS='yes'" in result.stderr


def test_forced_stand_ins_are_the_modules_in_use():
    code = (
        "import mmktn, mmcv._ext, xtcocotools.cocoeval, mmktn.compat.backend as ops; "
        "print(mmcv._ext.__spec__.origin, xtcocotools.__spec__.origin, ops.ops_backend())"
    )
    result = run(code, MMKTN_FORCE_STANDINS="1")
    assert result.stdout.strip() == "mmktn stand-in mmktn stand-in torch", result.stderr


def test_every_fix_names_a_thread():
    for fix in compat.ALL_FIXES:
        repository, _, number = fix.thread.partition("#")
        assert repository.count("/") == 1
        assert number.isdigit()
        assert fix.reason


def test_config_names_of_mmktn_resolve():
    from mmengine.config.utils import MODULE2PACKAGE

    assert MODULE2PACKAGE["mmktn"] == "mmktn"
    assert module2package.FIX in compat.active_fixes()


def test_torchvision_imports():
    import torchvision

    assert torchvision.__version__


class TestCheckpointSafeList:
    def load(self, content):
        stream = io.BytesIO()
        torch.save(content, stream)
        stream.seek(0)
        with torch.serialization.safe_globals(checkpoint_globals.safe_types()):
            return torch.load(stream, weights_only=True)

    def test_numpy_1_26_has_the_new_package_without_the_module(self, monkeypatch):
        # There `numpy._core` exists but holds no `multiarray`.
        core = np._core.multiarray
        monkeypatch.setattr(np, "_core", types.SimpleNamespace())
        monkeypatch.setattr(np, "core", types.SimpleNamespace(multiarray=core), raising=False)
        assert core._reconstruct in checkpoint_globals.safe_types()

    def test_what_mmengine_writes_loads(self):
        from mmengine.logging import MessageHub

        hub = MessageHub.get_instance("test_safe_list")
        hub.update_scalar("train/loss", 0.5)
        hub.update_info("metrics", {"AP": np.float64(0.25), "ids": np.arange(3)})
        loaded = self.load({"message_hub": hub.state_dict(), "state_dict": {"w": torch.ones(2)}})
        history = loaded["message_hub"]["log_scalars"]["train/loss"]
        assert history.current() == 0.5
        assert loaded["message_hub"]["runtime_info"]["metrics"]["AP"] == 0.25

    def test_statistics_methods_load(self):
        from mmengine.logging import HistoryBuffer

        # Stock mmengine pickles these as getattr(HistoryBuffer, name).
        assert checkpoint_globals._history_method(HistoryBuffer, "mean") is HistoryBuffer.mean

    @pytest.mark.parametrize(("owner", "name"), [(np, "load"), (None, "__class__")])
    def test_other_attributes_are_refused(self, owner, name):
        with pytest.raises(pickle.UnpicklingError, match=name):
            checkpoint_globals._history_method(owner, name)

    def test_other_classes_are_refused(self):
        with pytest.raises(pickle.UnpicklingError):
            self.load({"evil": types.SimpleNamespace(a=1)})

    def test_onedl_is_left_alone(self, monkeypatch):
        monkeypatch.setattr(checkpoint_globals, "_registered", [])
        checkpoint_globals._register(types.SimpleNamespace(_safe_torch_load=None))
        assert checkpoint_globals._registered == []


class TestPackageLookup:
    def test_finds_distribution_and_module(self):
        assert package_lookup.is_installed("numpy")
        assert package_lookup.get_installed_path("numpy") == np.__path__[0]
        assert package_lookup.package2module("pillow") == "PIL"

    def test_distribution_of_another_name(self):
        # The distribution is Pillow or pillow, the module PIL.
        import PIL

        assert package_lookup.get_installed_path("pillow") == PIL.__path__[0]

    def test_module_that_is_only_on_the_path(self, tmp_path, monkeypatch):
        (tmp_path / "only_on_path.py").write_text("")
        monkeypatch.syspath_prepend(tmp_path)
        assert package_lookup.is_installed("only_on_path")
        assert package_lookup.get_installed_path("only_on_path") == str(tmp_path)

    def test_nothing_of_this_name(self):
        assert not package_lookup.is_installed("no_such_package")
        with pytest.raises(ModuleNotFoundError, match="no_such_package"):
            package_lookup.get_installed_path("no_such_package")

    def test_replaces_only_what_needs_pkg_resources(self, monkeypatch):
        def stock(package):
            import pkg_resources

            return pkg_resources.get_distribution(package)

        monkeypatch.setattr(package_lookup, "_replaced", [])
        monkeypatch.setattr(package_lookup, "real_spec", lambda name: None)
        module = types.SimpleNamespace(is_installed=stock)
        package_lookup._replace(module)
        assert module.is_installed is package_lookup.is_installed
        own = types.SimpleNamespace(is_installed=lambda package: True)
        package_lookup._replace(own)
        assert own.is_installed is not package_lookup.is_installed


def test_allow_mmcv_hides_the_version_only_meanwhile(tmp_path):
    # In the place of mmdet, whose import takes ten seconds: what it does with the version.
    (tmp_path / "mmdet.py").write_text("import mmcv\nseen = mmcv.__version__\n")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); "
        "import warnings; warnings.simplefilter('ignore'); import mmktn, mmcv; "
        "real = mmcv.__version__; mmktn.compat.allow_mmcv(); import mmdet; "
        "print(mmdet.seen, mmcv.__version__ == real, "
        "'mmcv version check' in [fix.name for fix in mmktn.compat.active_fixes()])"
    )
    assert run(code).stdout.split() == ["2.1.0", "True", "True"]


def test_allow_mmcv_comes_before_mmdet():
    import mmdet  # noqa: F401

    with pytest.raises(RuntimeError, match="mmdet is imported already"):
        mmcv_version.allow_mmcv()
