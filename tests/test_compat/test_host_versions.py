"""The version gate."""

import dataclasses
import importlib

import pytest

from mmktn.compat.host_versions import (
    HOSTS,
    check_host_versions,
    installed_version,
    version_key,
)

TORCH = HOSTS[0]


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.module)
def test_agrees_with_the_module(host):
    module = importlib.import_module(host.module)
    assert installed_version(host) == module.__version__


def test_stack_of_the_tests_is_inside_the_window():
    check_host_versions()


@pytest.mark.parametrize(
    ("text", "key"),
    [("2.13.0+cpu", (2, 13, 0)), ("2.0.0rc4", (2, 0, 0)), ("3", (3, 0, 0)), ("odd", (0, 0, 0))],
)
def test_version_key(text, key):
    assert version_key(text) == key


@pytest.mark.parametrize("window", [{"minimum": "99.0"}, {"below": "1.0"}])
def test_message_names_package_version_window_and_fix(window):
    host = dataclasses.replace(TORCH, **window)
    with pytest.raises(ImportError) as error:
        check_host_versions((host,))
    message = str(error.value)
    for part in ("torch", installed_version(TORCH), host.minimum, host.below, "pip install"):
        assert part in message


def test_newer_than_tested_is_no_error():
    check_host_versions((dataclasses.replace(TORCH, tested="1.0.0"),))


def test_missing_package_is_no_error_here():
    missing = dataclasses.replace(TORCH, module="no_such_package", distributions=())
    assert installed_version(missing) is None
    check_host_versions((missing,))


def test_module_without_a_version(tmp_path, monkeypatch):
    (tmp_path / "unversioned_host.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    host = dataclasses.replace(TORCH, module="unversioned_host", distributions=("nothing",))
    assert installed_version(host) == "unknown"
    check_host_versions((host,))
