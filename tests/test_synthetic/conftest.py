import pytest

from mmktn.synthetic.sample import load_template


@pytest.fixture(scope="session")
def template():
    return load_template("human")
