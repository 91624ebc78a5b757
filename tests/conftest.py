"""Settings of the whole suite: what is skipped where, and a header with the active repairs."""

import gc
import sys
from collections.abc import Iterator

import pytest
from yapf.yapflib import yapf_api

import mmktn
from mmktn.compat import active_fixes, stand_in_mode

# Modules and tests are made once and stay. Looking through all of them for garbage costs half a
# second each time, and mmengine asks for that with every data set that it builds.
gc.disable()

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
    """Skip tests marked cuda where there is no CUDA device."""
    marked = [item for item in items if item.get_closest_marker("cuda")]
    if not marked:
        return
    import torch

    if not torch.cuda.is_available():
        skip = pytest.mark.skip(reason="no CUDA device; run `make test-cuda` on a machine with one")
        for item in marked:
            item.add_marker(skip)


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


# Once around each test, once around the fixtures that a module shares.
_scope_of_test = pytest.fixture(autouse=True)(_restore_default_scope)
_scope_of_module = pytest.fixture(autouse=True, scope="module")(_restore_default_scope)
