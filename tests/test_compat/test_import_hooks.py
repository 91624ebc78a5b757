"""The import hooks, on small packages written by the test."""

import importlib
import inspect
import sys

import pytest

from mmktn.compat import import_hooks


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Write a package with one sub-module; the name is unknown to every other test."""
    folder = tmp_path / "hooked_package"
    folder.mkdir()
    (folder / "__init__.py").write_text("VALUE = 1\n")
    (folder / "part.py").write_text("STATE = ['executed']\n\ndef function():\n    return 1\n")
    (folder / "broken.py").write_text("raise RuntimeError('broken on purpose')\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = list(sys.meta_path)
    yield "hooked_package"
    sys.meta_path[:] = before
    for name in [name for name in sys.modules if name.startswith("hooked_package")]:
        del sys.modules[name]
    for name in [name for name in import_hooks._WATCHER.callbacks if name.startswith("hooked")]:
        del import_hooks._WATCHER.callbacks[name]


def test_after_import_waits_for_the_import(package):
    seen = []
    import_hooks.after_import(f"{package}.part", lambda module: seen.append(module.STATE[0]))
    assert seen == []
    module = importlib.import_module(f"{package}.part")
    assert seen == ["executed"]
    # The real loader is back in place, so tools still find the source.
    assert "def function" in inspect.getsource(module)


def test_after_import_of_a_loaded_module_acts_now(package):
    importlib.import_module(package)
    seen = []
    import_hooks.after_import(package, lambda module: seen.append(module.VALUE))
    assert seen == [1]


def test_after_import_is_not_called_for_a_failed_import(package):
    seen = []
    import_hooks.after_import(f"{package}.broken", seen.append)
    with pytest.raises(RuntimeError, match="on purpose"):
        importlib.import_module(f"{package}.broken")
    assert seen == []


def test_around_import_restores_after_a_failure(package):
    calls = []
    import_hooks.around_import(
        f"{package}.broken", lambda: calls.append("before"), lambda: calls.append("always")
    )
    with pytest.raises(RuntimeError, match="on purpose"):
        importlib.import_module(f"{package}.broken")
    assert calls == ["before", "always"]


def test_around_import_refuses_a_loaded_module(package):
    importlib.import_module(package)
    with pytest.raises(RuntimeError, match="imported already"):
        import_hooks.around_import(package, lambda: None, lambda: None)


def test_stand_in_answers_only_what_is_missing(package):
    finder = import_hooks.StandInFinder(
        {
            f"{package}.part": lambda module: setattr(module, "STATE", ["stand-in"]),
            f"{package}.missing": lambda module: setattr(module, "STATE", ["stand-in"]),
        }
    )
    finder.install(force=False)
    assert importlib.import_module(f"{package}.part").STATE == ["executed"]
    assert importlib.import_module(f"{package}.missing").STATE == ["stand-in"]


def test_forced_stand_in_wins(package):
    finder = import_hooks.StandInFinder(
        {f"{package}.part": lambda module: setattr(module, "STATE", ["stand-in"])}
    )
    finder.install(force=True)
    assert importlib.import_module(f"{package}.part").STATE == ["stand-in"]
    real = import_hooks.real_spec(f"{package}.part")
    assert real is not None
    assert real.origin.endswith("part.py")
    assert import_hooks.real_module(f"{package}.part").STATE == ["executed"]


def test_real_spec_imports_nothing(package):
    assert import_hooks.real_spec(f"{package}.part") is not None
    assert import_hooks.real_spec(f"{package}.nothing") is None
    assert import_hooks.real_spec("no_such_package.part") is None
    assert package not in sys.modules


def test_real_module_of_nothing():
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        import_hooks.real_module("no_such_package")
