"""Both names of the annotation files, all layouts of the image folder, help where things lack."""

import pytest

from mmktn.formats.file_layout import ImageFolder, find_annotation_file

TRAIN = {"file_name": "COCO_train2014_000000000009.jpg"}
VAL = {"file_name": "COCO_val2014_000000000042.jpg"}
PLAIN = {
    "file_name": "000000000785.jpg",
    "coco_url": "http://images.cocodataset.org/val2017/000000000785.jpg",
}


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


@pytest.mark.parametrize("split", ["train", "valminusminival", "minival", "test"])
@pytest.mark.parametrize("there", ["densepose_coco_2014_{}.json", "densepose_{}2014.json"])
def test_annotation_file_is_found_under_either_name(tmp_path, split, there):
    touch(tmp_path, there.format(split))
    for asked in ("densepose_coco_2014_{}.json", "densepose_{}2014.json"):
        found = find_annotation_file(str(tmp_path / asked.format(split)))
        assert found == str(tmp_path / there.format(split))


def test_missing_annotation_file_says_what_to_get(tmp_path):
    with pytest.raises(FileNotFoundError, match="annotation file not found") as error:
        find_annotation_file(str(tmp_path / "densepose_coco_2014_train.json"))
    for hint in ("densepose_train2014.json", "data/coco/annotations/", "docs/datasets.md"):
        assert hint in str(error.value)


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        (
            "data/synthetic_densepose/annotations/densepose_train.json",
            "mmktn synthesize --out data/synthetic_densepose --train 600 --val 60",
        ),
        ("data/real/densepose_real.json", "MMKTN_REAL_DATA"),
        ("elsewhere/densepose_real.json", "MMKTN_REAL_DATA"),
        ("data/coco/annotations/densepose_coco_2014_train.json", "cocodataset.org"),
        ("real/data/coco/annotations/densepose_coco_2014_train.json", "cocodataset.org"),
        ("data/really/densepose_coco_2014_train.json", "cocodataset.org"),
    ],
)
def test_help_belongs_to_the_set_that_is_missing(path, hint, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for missing in (find_annotation_file, ImageFolder):
        with pytest.raises(FileNotFoundError, match="not found") as error:
            missing(path)
        assert hint in str(error.value)
        assert ("DensePose-COCO consists" in str(error.value)) == (hint == "cocodataset.org")


def test_images_in_one_folder(tmp_path):
    touch(tmp_path, TRAIN["file_name"], PLAIN["file_name"])
    folder = ImageFolder(str(tmp_path))
    for image in (TRAIN, PLAIN):
        assert folder.path_of(image) == str(tmp_path / image["file_name"])


def test_images_in_one_folder_a_split(tmp_path):
    touch(
        tmp_path,
        f"train2014/{TRAIN['file_name']}",
        f"val2014/{VAL['file_name']}",
        f"val2017/{PLAIN['file_name']}",
    )
    folder = ImageFolder(str(tmp_path))
    assert folder.path_of(TRAIN) == str(tmp_path / "train2014" / TRAIN["file_name"])
    assert folder.path_of(VAL) == str(tmp_path / "val2014" / VAL["file_name"])
    assert folder.path_of(PLAIN) == str(tmp_path / "val2017" / PLAIN["file_name"])


def test_a_split_folder_given_as_root_is_not_repeated(tmp_path):
    root = tmp_path / "val2014"
    root.mkdir()
    assert ImageFolder(str(root)).path_of(VAL) == str(root / VAL["file_name"])


def test_names_with_a_folder_stay_as_they_are(tmp_path):
    image = {"file_name": f"val2014/{VAL['file_name']}"}
    assert ImageFolder(str(tmp_path)).path_of(image) == str(tmp_path / image["file_name"])


def test_missing_image_folder_says_what_to_get(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"image folder not found.*train2014"):
        ImageFolder(str(tmp_path / "nowhere"))
