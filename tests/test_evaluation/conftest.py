"""Objects that several tests share; nothing here is changed by a test."""

import pytest

from tests.test_evaluation import reference_cases
from tests.test_evaluation.builders import World


@pytest.fixture(scope="session")
def surface():
    return reference_cases.reference_surface()


@pytest.fixture(scope="session")
def world():
    return World()
