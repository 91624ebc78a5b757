"""A project on a ring with four charts: small, no human, drawn in a second."""

import cv2
import numpy as np
import pytest

from mmktn.annotation.body_parts import scheme_from_json
from mmktn.annotator.body import Body
from mmktn.annotator.part_maps import encode_runs
from mmktn.annotator.photos import Photos
from mmktn.annotator.project import Project, Settings
from mmktn.annotator.store import Store, Worker
from tests.ring_doll import PARTS, ring_doll

ANN, BEN = Worker("Ann", "tab 1"), Worker("Ben", "tab 2")


class Clock:
    """Seconds that a test moves."""

    def __init__(self):
        self.now = 1_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture(scope="session")
def ring_body(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MMKTN_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        surface = ring_doll()
        body = Body(surface, scheme_from_json(PARTS, surface, "parts.json"), view_size=64)
        body.prepare_distances()
        for part in body.scheme.parts:
            body.views(part.number)
        yield body


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def photo_folder(tmp_path):
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    noise = np.random.default_rng(0).integers(0, 255, (120, 200, 3), np.uint8)
    for name in ("a.png", "b.png", "sub/c.png"):
        cv2.imwrite(str(folder / name), noise)
    return folder


@pytest.fixture
def project(tmp_path, photo_folder, ring_body, clock):
    store = Store(tmp_path / "labels.mmktn.sqlite", durable=False, clock=clock)
    settings = Settings(second_share=1.0, hidden_every=2)
    yield Project(store, Photos([photo_folder]), ring_body, settings=settings)
    store.close()


def four_parts():
    """A map with the ring's four parts in the four quarters of the box."""
    grid = np.zeros((256, 256), np.uint8)
    grid[20:120, 136:236], grid[20:120, 20:120] = 1, 2
    grid[136:236, 20:120], grid[136:236, 136:236] = 3, 4
    return encode_runs(grid)


@pytest.fixture
def labelled(project):
    """Id of a person with box, parts and asked points, leased to Ann."""
    person = project.add_person(ANN, 1, [10, 10, 100, 100])
    project.set_parts(ANN, person, four_parts(), "drawn")
    project.make_points(ANN, person)
    return person


def click_all(project, who, person, layer="main", *, shift=0, only=None):
    """Place every point near the middle of the first view that shows something there."""
    for point in project.store.value(person, "main", "points")[:only]:
        views = project.body.views(point["part"])
        rows, columns = np.nonzero(views.chart[0])
        at = len(rows) // 2 + shift
        x, y = float(columns[at]) + 0.5, float(rows[at]) + 0.5
        project.place(who, person, layer, point["id"], 0, x, y, seconds=2)
