"""What a prediction can tell: people, vertices, textures, files."""

import json

import cv2
import numpy as np
import pytest
import torch

from mmktn.apis import ImagePrediction
from mmktn.structures import ChartResult, ChartResults
from mmktn.surface import load_surface
from mmktn.utils.user_error import UserError
from mmktn.visualization import render_preset


@pytest.fixture
def prediction() -> ImagePrediction:
    """Two people of charts 2 and 9 whose boxes overlap, on a picture of noise."""
    rng = np.random.default_rng(0)
    people = [
        ChartResult(
            torch.full((8, 6), chart, dtype=torch.uint8),
            torch.as_tensor(rng.random((2, 8, 6)), dtype=torch.float32),
            xy=corner,
        )
        for chart, corner in ((9, (4, 2)), (2, (1, 1)))
    ]
    return ImagePrediction(
        "a.png",
        7,
        (20, 30),
        boxes_xyxy=np.array([[4, 2, 10, 10], [1, 1, 7, 9]], np.float32),
        scores=np.array([0.9, 0.5], np.float32),
        densepose=ChartResults(people),
        image=rng.integers(0, 256, (20, 30, 3), dtype=np.uint8),
        further={
            "keypoints": np.arange(8, dtype=np.float32).reshape(2, 2, 2),
            "keypoint_scores": np.array([[0.1, 0.2], [0.3, 0.4]]),
        },
    )


def test_people_have_their_own_maps(prediction):
    first, second = prediction.people
    assert first.score == pytest.approx(0.9)
    assert second.box_xyxy.tolist() == [1, 1, 7, 9]
    assert (first.iuv[0] == 9).all()
    assert first.mask.shape == (8, 6)
    assert first.mask.all()
    assert second.keypoints == pytest.approx(np.array([[4, 5, 0.3], [6, 7, 0.4]]))
    assert prediction.iuv[0, 3, 5] == 9
    assert second.canvas().labels[3, 5] == 2
    prediction.further.clear()
    assert first.keypoints is None


def test_vertices_of_pixels_and_of_given_points(prediction):
    person = prediction.people[0]
    body = load_surface("human")
    points = person.vertices(surface=body)
    assert len(points) == 48
    assert points.xy[0].tolist() == [4, 2]
    uv = person.result.uv.numpy().reshape(2, -1)
    expected = body.atlas.nearest_mesh_vertex(np.full(48, 9), *uv)
    assert (points.vertices == expected).all()
    asked = person.vertices(np.array([[4.5, 2.5], [0.0, 0.0]]))
    assert asked.vertices.tolist() == [expected[0], -1]


def test_a_texture_is_worn_by_another_person(prediction):
    """The atlas of a person on that person gives the photo back; on the other one its colours."""
    first, second = prediction.people
    texture = first.texture()
    worn = first.wear(texture)
    # No two of the 48 random places share one of the 200 x 200 texels.
    assert (worn == prediction.image).all()
    dressed = second.wear(texture)
    mask = second.canvas().mask
    assert (dressed[~mask] == prediction.image[~mask]).all()
    assert not dressed[mask].any(), "chart 2 was not seen on the first person"
    assert (second.wear(texture, alpha=0) == prediction.image).all()


def test_one_file_by_its_suffix(prediction, tmp_path):
    prediction.save(tmp_path / "a.json")
    entries = json.loads((tmp_path / "a.json").read_text())
    assert entries == json.loads(json.dumps(prediction.to_official()))
    prediction.save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz") as arrays:
        assert (arrays["labels_0"] == 9).all()
    prediction.save(tmp_path / "a.png", preset="detectron2")
    drawn = cv2.imread(str(tmp_path / "a.png"))[..., ::-1]
    expected = render_preset(prediction.canvas(), "detectron2", image=prediction.image)
    assert (drawn == expected).all()
    assert (prediction.plot("detectron2") == expected).all()


def test_files_are_not_replaced_and_kinds_are_named(prediction, tmp_path):
    (tmp_path / "mine.json").write_text("mine")
    with pytest.raises(UserError, match=r"mine\.json"):
        prediction.save(tmp_path / "mine.json")
    assert (tmp_path / "mine.json").read_text() == "mine"
    prediction.save(tmp_path / "mine.json", overwrite=True)
    with pytest.raises(UserError, match=r"unknown kind of file '\.pkl'; known: \.json"):
        prediction.save(tmp_path / "a.pkl")
    nothing = ImagePrediction("b.png", 0, error="no such file: b.png")
    with pytest.raises(UserError, match=r"b\.png: there is nothing to save: no such file"):
        nothing.save(tmp_path / "b.json")
    with pytest.raises(UserError, match=r"has no picture: no such file"):
        nothing.plot()
    assert nothing.people == []


def test_supervision_gets_boxes_and_masks(prediction, monkeypatch):
    """Against the class itself where it is installed; its absence is one message."""
    try:
        import supervision
    except ImportError:
        with pytest.raises(ImportError, match=r'pip install "mmktn\[supervision\]"'):
            prediction.to_supervision()
        return
    found = prediction.to_supervision()
    assert isinstance(found, supervision.Detections)
    assert found.xyxy.tolist() == prediction.boxes_xyxy.tolist()
    assert found.mask.sum(axis=(1, 2)).tolist() == [48, 48]
    assert found.confidence.tolist() == prediction.scores.tolist()
