import pytest

from mmktn.synthetic.body import Template
from mmktn.synthetic.sample import load_template


@pytest.fixture(scope="session")
def template():
    return load_template("procedural")


@pytest.fixture(scope="session")
def human() -> Template:
    return load_template("human")
