import base64
import re

import numpy as np
import pytest

from mmktn.evaluation.functional.densepose.point_errors import PointDistances
from mmktn.evaluation.functional.densepose.pointwise import evaluate_pointwise
from mmktn.evaluation.functional.densepose.scores import evaluate_densepose
from mmktn.evaluation.report import write_report
from mmktn.evaluation.report.body_figure import CAP_M, face_errors
from mmktn.evaluation.report.instance_figure import chart_colours, ranked_instances
from tests.test_evaluation.builders import World


@pytest.fixture(scope="module")
def evaluated(surface):
    world = World(0)
    detections = world.spoiled()
    truth = world.truth()
    return (
        truth,
        detections,
        evaluate_densepose(truth, detections, surface, metrics=["gps"]),
        evaluate_pointwise(truth, detections, surface, with_iou=False),
    )


def test_page_holds_all_pictures_and_needs_no_other_file(evaluated, surface, tmp_path):
    truth, detections, dense, pointwise = evaluated
    path = write_report(
        tmp_path / "sub" / "report.html", dense, pointwise, truth=truth, detections=detections,
        surface=surface,
    )  # fmt: skip
    page = path.read_text()
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    # precision-recall, correct points, body, 4 worst and 4 best people
    assert len(pictures) == 11
    assert all(base64.b64decode(p).startswith(b"\x89PNG") for p in pictures)
    assert len(re.findall("src=|href=", page)) == 11
    assert page.index("Worst</h3>") < page.index("Best</h3>")
    with pytest.raises(FileNotFoundError, match="images: no folder"):
        write_report(path, dense, pointwise, truth=truth, detections=detections, surface=surface,
                     images=tmp_path / "none")  # fmt: skip


def test_people_are_sorted_from_worst_to_best(evaluated):
    truth, _, dense, _ = evaluated
    ranked = ranked_instances(dense, truth)
    values = [i.similarity for i in ranked]
    assert values == sorted(values)
    assert len(ranked) == 12
    assert all((i.det_index < 0) == (i.similarity == 0) for i in ranked)


def test_error_of_a_face_is_that_of_the_points_on_it(surface):
    vertices, faces = np.asarray(surface.mesh.vertices), np.asarray(surface.mesh.faces)
    face = faces[100]
    points = PointDistances(
        np.full(3, 0.07, dtype=np.float32), np.ones(3, dtype=np.uint8), face.astype(np.int32),
        np.ones(3, dtype=np.int64),
    )  # fmt: skip
    found = face_errors(vertices, faces, points)
    assert found[100] == pytest.approx(0.07, abs=1e-6)
    centres = vertices[faces].mean(axis=1)
    far = np.linalg.norm(centres - centres[100], axis=1) > 0.3
    assert np.isnan(found[far]).all()
    missed = PointDistances(np.full(3, np.inf, dtype=np.float32), *(
        getattr(points, name) for name in ("charts", "vertices", "image_ids")))  # fmt: skip
    assert face_errors(vertices, faces, missed)[100] == pytest.approx(CAP_M)


def test_charts_have_colours_of_their_own():
    colours = chart_colours()
    assert colours.shape == (25, 3)
    assert len(np.unique(colours.round(3), axis=0)) == 25
