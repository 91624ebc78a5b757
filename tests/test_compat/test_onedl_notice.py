"""mmdet's fork says nothing about data sets that nobody asked for, and nothing else is lost."""

import builtins
import io
from contextlib import redirect_stdout
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

import mmdet.datasets  # noqa: F401
import pytest
from mmengine.logging import print_log

from mmktn.compat import onedl_notice

LINE = "Could not import OneDL. Skipping OneDL datasets."


def printed(function):
    with redirect_stdout(io.StringIO()) as stream:
        function()
    return stream.getvalue()


def test_mmdet_was_imported_without_the_line():
    """Both modules that print it were caught in this process, as in every command."""
    try:
        version("onedl-mmdetection")
    except PackageNotFoundError:
        pytest.skip("stock mmdet has no such line")
    if find_spec("onedl") is not None:
        pytest.skip("onedl is installed")
    assert onedl_notice._left_out == [LINE, LINE]
    assert onedl_notice.FIX.is_active()


def test_this_line_alone_is_left_out_while_mmdet_is_imported(monkeypatch):
    monkeypatch.setattr(onedl_notice, "_left_out", [])
    onedl_notice._begin()
    try:
        said = printed(lambda: [print_log(text) for text in ("first", LINE, f"{LINE} Why?")])
    finally:
        onedl_notice._end()
    assert said == f"first\n{LINE} Why?\n"
    assert printed(lambda: print_log(LINE)) == f"{LINE}\n"
    assert print_log.__globals__.get("print", builtins.print) is builtins.print
