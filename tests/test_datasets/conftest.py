"""Fixtures of the data tests."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def real_data():
    """Folder of the real sample; the test is skipped where it is not at hand."""
    folder = os.environ.get("MMKTN_REAL_DATA")
    if not folder:
        pytest.skip("MMKTN_REAL_DATA is not set")
    return Path(folder)
