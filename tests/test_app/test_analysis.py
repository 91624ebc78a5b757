"""What the page shows of a photo."""

import zipfile

import cv2
import numpy as np
import pytest

from mmktn.app.analysis import COLUMNS, analyse, archive
from mmktn.formats import pictures
from mmktn.utils.user_error import UserError
from tests.test_projects.one_person import OnePerson

OPTIONS = dict(preset="overlay", min_score=0.3, max_pixels=1000)


@pytest.fixture
def photo(tmp_path):
    cv2.imwrite(str(tmp_path / "photo.png"), np.full((12, 10, 3), 100, np.uint8))
    return tmp_path / "photo.png"


def test_pictures_table_and_textures_tell_of_the_same_person(photo):
    found = analyse(photo, OnePerson(), **OPTIONS)
    assert found.look.shape == found.iuv.shape == found.masks.shape == (12, 10, 3)
    assert found.iuv[4, 3].tolist() == [2, 127, 127]
    (row,) = found.rows
    assert dict(zip(COLUMNS, row, strict=True)) == {
        "person": 1, "score": 0.8, "x1": 2, "y1": 3, "x2": 6, "y2": 8, "pixels": 20, "charts": 1
    }  # fmt: skip
    on_person = found.masks[4, 3].astype(int)
    assert on_person.max() - on_person.min() > 50
    assert found.masks[0, 0].tolist() == [100] * 3
    assert len(found.textures) == 1
    assert (found.textures[0] == 100).all(axis=-1).any()


def test_nobody_gives_pictures_and_an_empty_table(photo):
    found = analyse(photo, OnePerson(), **OPTIONS | {"min_score": 0.9})
    assert found.rows == found.textures == []
    assert not found.iuv.any()


def test_large_photos_are_refused(photo, monkeypatch):
    monkeypatch.setattr(pictures, "_to_bytes", lambda *_: pytest.fail("it was decoded"))
    with pytest.raises(UserError, match=r"photo\.png: is 10 x 12 = 120 pixels, more than the 100"):
        analyse(photo, OnePerson(), **OPTIONS | {"max_pixels": 100})


def test_all_files_lie_in_one_archive(photo, tmp_path):
    folder = tmp_path / "all"
    path = archive(analyse(photo, OnePerson(), **OPTIONS), folder, preset="overlay")
    with zipfile.ZipFile(path) as handle:
        ends = sorted(name.partition("photo")[2] for name in handle.namelist())
        assert ends == [".json", ".npz", "_INDS.png", "_IUV.png", "_overlay.png"]
        with handle.open("photo.npz") as file:
            assert np.load(file)["labels_0"].shape == (5, 4)
    assert [p.name for p in folder.iterdir()] == ["densepose.zip"]
