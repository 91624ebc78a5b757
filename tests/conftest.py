"""Settings of the whole suite: what is skipped where, and a header with the active repairs."""

import contextlib
import gc
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from yapf.yapflib import yapf_api

import mmktn
from mmktn import __main__ as commands
from mmktn.compat import active_fixes, stand_in_mode

# Modules and tests are made once and stay. Looking through all of them for garbage costs half a
# second each time, and mmengine asks for that with every data set that it builds: not here.
gc.disable()

_collect = gc.collect


def _collect_for_others(*args: int) -> int:
    """Collect garbage, unless mmengine asks for it."""
    caller = sys._getframe(1).f_globals.get("__name__", "")
    return 0 if caller.startswith("mmengine.") else _collect(*args)


gc.collect = _collect_for_others

# mmengine lays out the text of a config anew for the log, the work folder and each checkpoint, a
# second each time; the text before that is as good a config.
yapf_api.FormatCode = lambda text, **_: (text, False)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begin to collect garbage, and leave out of it what stands after the collection of tests."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Name the active repairs of the host stack."""
    names = ", ".join(fix.name for fix in active_fixes())
    return [f"mmktn {mmktn.__version__}, stand-ins {stand_in_mode()}, active repairs: {names}"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip tests marked cuda where there is no CUDA device and none can be pretended."""
    marked = [item for item in items if item.get_closest_marker("cuda")]
    if not marked:
        return
    import torch

    from tests.pretended_cuda.registration import why_not

    reason = None if torch.cuda.is_available() else why_not()
    if reason is not None:
        skip = pytest.mark.skip(reason=f"no CUDA device, and none can be pretended: {reason}")
        for item in marked:
            item.add_marker(skip)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Run tests marked cuda on a pretended device where there is no real one."""
    with contextlib.ExitStack() as stack:
        if item.get_closest_marker("cuda"):
            import torch

            from tests.pretended_cuda.tensors import pretended_cuda

            if not torch.cuda.is_available():
                stack.enter_context(pretended_cuda())
        return (yield)


def _restore_default_scope() -> Iterator[None]:
    """Undo a change of mmengine's default scope, which building a runner leaves behind."""
    module = sys.modules.get("mmengine.registry.default_scope")
    before = dict(module.DefaultScope._instance_dict) if module else {}
    yield
    module = sys.modules.get("mmengine.registry.default_scope")
    if module:
        scopes = module.DefaultScope._instance_dict
        scopes.clear()
        scopes.update(before)


@pytest.fixture
def pretended_counts() -> Any:
    """Counts of the pretended device; a real one has none, and the test is skipped there."""
    import torch

    if torch.cuda.is_available() and torch.backends.cuda.is_built():
        pytest.skip("a real device does not count launches")
    from tests.pretended_cuda.tensors import current_counts

    return current_counts()


# Once around each test, once around the fixtures that a module shares.
_scope_of_test = pytest.fixture(autouse=True)(_restore_default_scope)
_scope_of_module = pytest.fixture(autouse=True, scope="module")(_restore_default_scope)


@pytest.fixture
def run_command(monkeypatch, capsys):
    """Function `(name, *arguments) -> (exit status, stdout, stderr)` of a command."""

    def run(name, *arguments):
        monkeypatch.setenv("COLUMNS", "200")
        status = commands.main([name, *map(str, arguments)])
        return (status, *capsys.readouterr())

    return run
