import numpy as np
import pytest

from mmktn.annotation.annotator_error import vertex_parts
from mmktn.annotation.simulated_annotator import AnnotatorNoise, SimulatedAnnotator


@pytest.fixture
def torso(body):
    return np.flatnonzero(vertex_parts(body) == 1)[::15]


def place(body, views_of, vertices, **noise):
    annotator = SimulatedAnnotator(body, views_of, noise=AnnotatorNoise(**noise))
    return annotator.annotate(vertices, rng=np.random.default_rng(0))


def test_without_noise_the_error_is_that_of_a_pixel(body, views_of, torso):
    found = place(body, views_of, torso, click=0.0, side_confusion=0.0)
    error = body.geodesics.distance(torso, found)
    # The nearest vertex to the middle of a pixel: half its diagonal, seen at up to 60 degrees, and
    # the way to that vertex.
    spacing = np.quantile(body.mesh.edge_lengths, 0.99)
    assert np.quantile(error, 0.95) < 1.5 / views_of(1).pixels_per_m + spacing


def test_error_grows_in_proportion_to_the_noise(body, views_of, torso):
    means = [
        body.geodesics.distance(
            torso, place(body, views_of, torso, click=click, side_confusion=0.0)
        ).mean()
        for click in (0.02, 0.04)
    ]
    # Two independent normals of deviation s are s * sqrt(pi / 2) off on average.
    expected = 0.02 * 128 / views_of(1).pixels_per_m * np.sqrt(np.pi / 2)
    assert means[0] == pytest.approx(expected, rel=0.35)
    assert means[1] / means[0] == pytest.approx(2, rel=0.3)


def test_confused_sides_are_mirrored(body, views_of, torso):
    right = place(body, views_of, torso, click=0.0, side_confusion=0.0)
    assert (
        place(body, views_of, torso, click=0.0, side_confusion=1.0) == body.vertex_mirror[right]
    ).all()


def test_noise_has_a_range():
    with pytest.raises(ValueError, match="click=-1"):
        AnnotatorNoise(click=-1)
    with pytest.raises(ValueError, match="side_confusion=2"):
        AnnotatorNoise(side_confusion=2)
