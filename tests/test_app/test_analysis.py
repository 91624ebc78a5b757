"""What the page shows of a photo."""

import zipfile

import numpy as np
import pytest

from mmktn.app.analysis import COLUMNS, analyse, archive
from mmktn.utils.user_error import UserError
from tests.test_projects.one_person import OnePerson

PHOTO = np.full((12, 10, 3), 100, np.uint8)
OPTIONS = dict(preset="overlay", min_score=0.3, max_pixels=1000)


def test_pictures_table_and_textures_tell_of_the_same_person():
    found = analyse(PHOTO, OnePerson(), **OPTIONS)
    assert found.look.shape == found.iuv.shape == found.masks.shape == PHOTO.shape
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


def test_nobody_gives_pictures_and_an_empty_table():
    found = analyse(PHOTO, OnePerson(), **OPTIONS | {"min_score": 0.9})
    assert found.rows == found.textures == []
    assert not found.iuv.any()


def test_large_photos_are_refused():
    with pytest.raises(UserError, match="10 x 12 pixels; at most 100"):
        analyse(PHOTO, OnePerson(), **OPTIONS | {"max_pixels": 100})


def test_all_files_lie_in_one_archive(tmp_path):
    path = archive(analyse(PHOTO, OnePerson(), **OPTIONS), tmp_path, preset="overlay")
    with zipfile.ZipFile(path) as handle:
        ends = sorted(name.partition("array_0")[2] for name in handle.namelist())
        assert ends == [".json", ".npz", "_INDS.png", "_IUV.png", "_overlay.png"]
        with handle.open("array_0.npz") as file:
            assert np.load(file)["labels_0"].shape == (5, 4)
    assert [p.name for p in tmp_path.iterdir()] == ["densepose.zip"]
