import pytest

from mmktn.annotation.part_views import render_part_views
from mmktn.surface import load_surface


@pytest.fixture(scope="session")
def body():
    return load_surface("human")


@pytest.fixture(scope="session")
def views_of(body):
    """Views of a part, rendered once."""
    made = {}

    def views(part):
        if part not in made:
            made[part] = render_part_views(body, part, size=128)
        return made[part]

    return views
