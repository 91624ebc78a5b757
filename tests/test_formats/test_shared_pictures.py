"""Pictures that two sets share are found, others are not."""

import json

import cv2
import numpy as np
import pytest

from mmktn.formats.shared_command import main
from mmktn.formats.shared_pictures import PictureMark, code_of, shared_pictures
from tests.command_line import refused


def scene(seed, size=(120, 160)):
    """Smooth colours with some shapes on them."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)
    picture = cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC)
    for _ in range(6):
        centre = (int(rng.integers(size[1])), int(rng.integers(size[0])))
        cv2.circle(picture, centre, int(rng.integers(5, 30)), rng.integers(0, 256, 3).tolist(), -1)
    return picture


def marks(pictures):
    return [PictureMark(str(k), *code_of(picture)) for k, picture in enumerate(pictures)]


@pytest.fixture
def sets(tmp_path):
    """Two folders: b holds a file of a, one coded anew at half the size, and others."""
    for name in ("a/in", "b"):
        (tmp_path / name).mkdir(parents=True)
    for seed in range(4):
        cv2.imwrite(str(tmp_path / "a" / "in" / f"{seed}.png"), scene(seed))
    (tmp_path / "b" / "same.png").write_bytes((tmp_path / "a/in/2.png").read_bytes())
    small = cv2.resize(scene(1), (80, 60), interpolation=cv2.INTER_AREA)
    cv2.imwrite(str(tmp_path / "b" / "small.jpg"), small, [cv2.IMWRITE_JPEG_QUALITY, 40])
    cv2.imwrite(str(tmp_path / "b" / "other.png"), scene(77))
    return tmp_path


def test_the_command_reports_equal_files_and_near_duplicates(sets, capsys):
    out = sets / "r.json"
    assert main([str(sets / "a"), str(sets / "b"), "--out", str(out), "--workers", "1"]) == 0
    text = capsys.readouterr().out
    assert "1 pictures of the first set are files of the second, 1 more are near" in text
    found = json.loads(out.read_text())
    pairs = {(p["first"][-5:], p["second"].rpartition("/")[2], p["kind"]) for p in found["pairs"]}
    assert pairs == {
        ("1.png", "small.jpg", "near duplicate"),
        ("2.png", "same.png", "equal file"),
    }
    assert found["first"]["pictures"] == 4


def test_a_set_may_be_an_annotation_file(sets):
    names = [{"id": k, "file_name": f"in/{k}.png"} for k in (0, 2)]
    (sets / "ann.json").write_text(json.dumps({"images": names}))
    arguments = [f"{sets / 'ann.json'}={sets / 'a'}", str(sets / "b"), "--out", str(sets / "r")]
    assert main(arguments) == 0
    found = json.loads((sets / "r").read_text())
    assert [p["kind"] for p in found["pairs"]] == ["equal file"]
    refused(main, arguments, "exists")
    refused(main, [*arguments[:-1], sets / "ann.json", "--overwrite"], "is an input")
    refused(main, [*arguments[:-1], sets / "b/same.png", "--overwrite"], "is an input")
    for content in (
        "[]",
        '{"images": [{"file_name": "../x"}]}',
        '{"images": [{"file_name": "/x"}]}',
        '{"images": [5]}',
        "{",
    ):
        (sets / "ann.json").write_text(content)
        refused(main, [*arguments, "--overwrite"], r"ann\.json")
    assert (sets / "ann.json").read_text() == "{"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--max-bits", "64"), "max_bits 64"),
        (("--max-bits", "-1"), "max_bits -1"),
        (("--min-likeness", "nan"), "min_likeness nan"),
        (("--workers", "0"), "--workers"),
    ],
)
def test_wrong_options_are_named(sets, options, message):
    refused(main, [sets / "a", sets / "b", *options], message)
    refused(main, [sets / "none", sets / "b"], "none is no folder")
    (sets / "void").mkdir()
    refused(main, [sets / "a", sets / "void"], "holds no pictures")


def test_what_cannot_be_read_is_named_and_the_rest_compared(sets, capsys):
    (sets / "a" / "text.jpg").write_text("no picture")
    (sets / "a" / "folder.jpg").mkdir()
    (sets / "a" / "loop.jpg").symlink_to(sets / "a" / "loop.jpg")
    assert main([str(sets / "a"), str(sets / "b")]) == 1
    said = capsys.readouterr()
    assert len(said.err.splitlines()) == 3
    assert all(": not compared, " in line for line in said.err.splitlines())
    assert "1 more are near duplicates" in said.out


def test_changes_of_size_coding_and_light_are_seen_through():
    kinds = {
        "half": lambda p: cv2.resize(p, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
        "jpeg": lambda p: cv2.imdecode(cv2.imencode(".jpg", p, [1, 25])[1], cv2.IMREAD_COLOR),
        "darker": lambda p: (p * 0.7).astype(np.uint8),
        "grey": lambda p: np.repeat(cv2.cvtColor(p, cv2.COLOR_BGR2GRAY)[..., None], 3, axis=2),
    }
    originals = [scene(seed) for seed in range(40)]
    for change in kinds.values():
        found = shared_pictures(marks(originals), marks([change(p) for p in originals]))
        near = [(pair.first, pair.second) for pair in found if not pair.exact]
        equal = [(pair.first, pair.second) for pair in found if pair.exact]
        assert sorted(near + equal) == [(k, k) for k in range(40)]


def test_mirrored_and_other_pictures_are_not_shared():
    originals = [scene(seed) for seed in range(60)]
    others = [PictureMark(f"x{k}", m.code, m.grey) for k, m in enumerate(marks(originals[30:]))]
    assert shared_pictures(marks(originals[:30]), others) == []
    flipped = [PictureMark("x", *code_of(p[:, ::-1])) for p in originals]
    assert shared_pictures(marks(originals), flipped) == []


def test_blank_pictures_are_compared_by_their_files_alone():
    blank = [np.full((50, 50, 3), value, np.uint8) for value in (0, 255)]
    first = marks(blank)
    second = [PictureMark("0", *code_of(blank[0])), PictureMark("new", *code_of(blank[1]))]
    assert [(p.first, p.second, p.exact) for p in shared_pictures(first, second)] == [(0, 0, True)]


def test_every_pair_within_the_bits_is_found():
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (32, 32), dtype=np.uint8)
    codes = [int(v) for v in rng.integers(0, 1 << 63, 40)]
    first = [PictureMark(f"a{k}", code, grey) for k, code in enumerate(codes)]
    second = []
    for k, code in enumerate(codes):
        for flips in range(9):
            for bit in rng.choice(64, flips, replace=False).tolist():
                code ^= 1 << bit
            second.append(PictureMark(f"b{k}.{flips}", code, grey))
            code = codes[k]
    for limit in (0, 3, 7):
        found = {(p.first, p.second) for p in shared_pictures(first, second, max_bits=limit)}
        wanted = {
            (i, j)
            for i, one in enumerate(first)
            for j, other in enumerate(second)
            if (one.code ^ other.code).bit_count() <= limit
        }
        assert found == wanted


def test_many_codes_are_compared():
    rng = np.random.default_rng(1)
    grey = rng.integers(0, 256, (32, 32), dtype=np.uint8)
    first, second = (
        [
            PictureMark(f"{name}{k}", int(code), grey)
            for k, code in enumerate(rng.integers(0, 1 << 62, 3000))
        ]
        for name in "ab"
    )
    second[7] = PictureMark("c", first[2900].code ^ 3, grey)
    assert [(p.first, p.second, p.bits) for p in shared_pictures(first, second)] == [(2900, 7, 2)]
