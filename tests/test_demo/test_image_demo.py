from pathlib import Path

import cv2
import numpy as np
import pytest

from demo import image_demo
from mmktn.apis import DensePoseInferencer, open_inferencer
from tests.test_apis.fake_detector import FakeDetector

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture
def run(monkeypatch, tmp_path):
    """Run the demo on a detector that needs neither config nor weights."""
    monkeypatch.setattr(
        image_demo, "open_inferencer", lambda *_, **__: DensePoseInferencer(FakeDetector())
    )

    def call(*images, options=()):
        out = ["--out-dir", str(tmp_path / "out")]
        return image_demo.main([*map(str, images), "cfg.py", "weights.pth", *out, *options])

    return call


def _write(path: Path, value: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((20, 30, 3), value, np.uint8))
    return path


def test_people_are_drawn_side_by_side_under_the_name_of_the_image(run, tmp_path, capsys):
    assert run(_write(tmp_path / "holiday.png", 200)) == 0
    picture = cv2.imread(str(tmp_path / "out" / "holiday.png"))
    assert picture.shape[1] > 4 * 30
    assert "[1/1] holiday.png: 2 people, best score 0.90 -> " in capsys.readouterr().out


def test_nobody_found_is_said_and_is_no_failure(run, tmp_path, capsys):
    assert run(_write(tmp_path / "empty.png", 10)) == 0
    assert "empty.png: nobody found above score 0.3" in capsys.readouterr().out
    assert (tmp_path / "out" / "empty.png").is_file()


def test_broken_file_is_named_and_the_rest_go_on(run, tmp_path, capsys):
    folder = tmp_path / "in"
    _write(folder / "b.png", 200)
    (folder / "a.jpg").write_bytes(b"\xff\xd8 cut off")
    assert run(folder) == 0
    shown = capsys.readouterr()
    assert "[1/2] a.jpg: skipped, is truncated or no image" in shown.out
    assert "[2/2] b.png: 2 people" in shown.out
    assert "1 of 2 images could not be read" in shown.err


def test_failure_only_if_nothing_worked(run, tmp_path, capsys):
    assert run(tmp_path / "x.png", tmp_path / "y.png") == 1
    assert "x.png: skipped, no such file" in capsys.readouterr().out


def test_extra_files(run, tmp_path):
    image = _write(tmp_path / "a.png", 200)
    assert run(image, options=["--save", "json", "iuv", "charts", "--preset", "viton"]) == 0
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "a.png",
        "a.json",
        "a_IUV.png",
        "a_INDS.png",
        "a_viton.png",
    }


def test_missing_config_is_one_line_and_status_1(tmp_path, capsys):
    image = _write(tmp_path / "a.png", 200)
    assert image_demo.main([str(image), str(tmp_path / "no.py"), "w.pth"]) == 1
    assert capsys.readouterr().err.strip().endswith(f"config not found: {tmp_path / 'no.py'}")


def test_empty_folder_is_one_line_and_status_1(tmp_path, capsys):
    assert image_demo.main([str(tmp_path), "cfg.py", "w.pth"]) == 1
    assert "holds no images" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("fcn/dp-fcn-teacher_r18_cpu_dp-synth.py", "mmktn.LoadPersonMap"),
        ("tasks/keypoints_r18_fpn_cpu_dp-synth.py", "this model makes no charts"),
        ("stip/stip_hrnet-w16n_cpu_synthcrowd-128x96.py", "use demo/pose_demo.py"),
    ],
)
def test_systems_that_make_no_charts_of_pictures_say_so(
    config, message, tmp_path, capsys, monkeypatch
):
    def with_random_weights(path, _checkpoint, **_):
        return open_inferencer(path, None, device="cpu")

    monkeypatch.setattr(image_demo, "open_inferencer", with_random_weights)
    path = str(CONFIGS / config)
    image = _write(tmp_path / "a.png", 200)
    assert image_demo.main([str(image), path, "w.pth", "--out-dir", str(tmp_path / "out")]) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith(f"image_demo: {path}: ")
    assert message in last
