import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mmktn.surface import CHART_FLIP, load_surface
from mmktn.surface.io import HUMAN_BODY
from mmktn.surface.parts import CHART_NAMES, COCO_KEYPOINT_NAMES
from tests.test_surface.conftest import is_closed_manifold


def _signed_uv_areas(atlas) -> np.ndarray:
    corner = atlas.uv[atlas.faces]
    first, second = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    return 0.5 * (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0])


def _centroid(body, chart: int) -> np.ndarray:
    mine = body.atlas.face_charts == chart
    middle = body.mesh.vertices[body.mesh.faces[mine]].mean(axis=1)
    return np.average(middle, axis=0, weights=body.mesh.face_areas[mine])


def test_file_is_small_and_loads_to_one_object():
    assert HUMAN_BODY.stat().st_size < 1_500_000
    assert load_surface() is load_surface("human")


def test_mesh_is_one_closed_body_of_human_size(body):
    mesh = body.mesh
    assert 5000 <= mesh.num_vertices <= 8000
    assert is_closed_manifold(mesh)
    # sphere-like: V - E + F = 2, so one piece without handles
    assert mesh.num_vertices - len(mesh.edges) + mesh.num_faces == 2
    graph = coo_array((np.ones(len(mesh.edges)), mesh.edges.T), shape=(mesh.num_vertices,) * 2)
    assert connected_components(graph, directed=False)[0] == 1
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    assert high[1] - low[1] == pytest.approx(1.63, abs=0.01)
    # normals out, 51 litres
    assert 0.05 < mesh.volume < 0.07


def test_triangles_are_good(body):
    mesh = body.mesh
    corner = mesh.vertices[mesh.faces]
    side = np.linalg.norm(corner - np.roll(corner, 1, axis=1), axis=2)
    quality = 4 * np.sqrt(3) * mesh.face_areas / (side**2).sum(axis=1)
    assert quality.mean() > 0.93
    assert quality.min() > 0.38


def test_mirror_is_exact_for_vertices_faces_and_charts(body):
    mirror = body.vertex_mirror
    np.testing.assert_array_equal(mirror[mirror], np.arange(body.num_mesh_vertices))
    np.testing.assert_array_equal(body.mesh.vertices[mirror], body.mesh.vertices * [-1, 1, 1])
    chart_of = {
        tuple(sorted(f)): c
        for f, c in zip(body.mesh.faces.tolist(), body.atlas.face_charts, strict=True)
    }
    for face, chart in chart_of.items():
        assert chart_of[tuple(sorted(mirror[list(face)].tolist()))] == CHART_FLIP[chart]


def test_convention_person_faces_z_with_the_left_at_positive_x(body):
    nose, ears = body.keypoints["nose"], body.keypoints["left_ear"]
    assert nose[2] > ears[2] + 0.05
    for chart, name in enumerate(CHART_NAMES[1:], 1):
        x = _centroid(body, chart)[0]
        if name.startswith("left"):
            assert x > 0.02, name
        elif name.startswith("right"):
            assert x < -0.02, name
        else:
            assert abs(x) < 1e-6
    # toes ahead of the heel
    toe = body.mesh.vertices[body.mesh.vertices[:, 1] < 0.05]
    assert toe[:, 2].max() > 0.12
    assert toe[:, 2].min() > -0.12


def test_charts_lie_where_their_names_say(body):
    place = {name: _centroid(body, chart) for chart, name in enumerate(CHART_NAMES) if chart}
    order = [
        "right head",
        "torso front",
        "right upper leg front",
        "right lower leg front",
        "right foot",
    ]
    heights = [place[name][1] for name in order]
    assert heights == sorted(heights, reverse=True)
    reach = [abs(place[f"left {n}"][0]) for n in ("upper arm front", "lower arm front", "hand")]
    assert reach == sorted(reach)
    for name in place:
        if name.endswith("front"):
            assert place[name][2] > place[name.replace("front", "back")][2] + 0.02


def test_every_face_has_one_chart_and_the_atlas_lists_the_faces_of_the_mesh(body):
    np.testing.assert_array_equal(body.atlas.mesh_faces, body.mesh.faces)
    assert set(np.unique(body.atlas.face_charts)) == set(range(1, 25))


@pytest.mark.parametrize("chart", range(1, 25))
def test_chart_is_a_disc_without_flips_that_fills_its_square(body, chart):
    atlas = body.atlas
    mine = atlas.face_charts == chart
    faces = atlas.faces[mine]
    half = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = np.unique(np.sort(half, axis=1), axis=0)
    assert len(np.unique(faces)) - len(edges) + len(faces) == 1
    areas = _signed_uv_areas(atlas)[mine]
    assert (areas > 0).all() or (areas < 0).all()
    assert 0.55 < np.abs(areas).sum() < 1
    own = atlas.uv[np.unique(faces)]
    np.testing.assert_allclose(own.min(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(own.max(axis=0), 1, atol=1e-5)


def test_no_two_triangles_of_a_chart_overlap(body):
    rng = np.random.default_rng(0)
    faces = np.repeat(np.arange(len(body.atlas.faces)), 3)
    weights = rng.dirichlet([2, 2, 2], len(faces))
    found, _ = body.atlas.locate(*body.atlas.interpolate(faces, weights))
    np.testing.assert_array_equal(found, faces)


def test_lengths_are_kept_by_the_charts(body):
    """Singular values of metres -> (U, V), after the scale of each axis is taken out."""
    atlas = body.atlas
    corner = body.mesh.vertices[body.mesh.faces]
    first, second = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    length = np.linalg.norm(first, axis=1)
    along = (first * second).sum(axis=1) / length
    height = np.linalg.norm(np.cross(first, second), axis=1) / length
    flat = np.zeros((len(corner), 2, 2))
    flat[:, 0, 0], flat[:, 0, 1], flat[:, 1, 1] = length, along, height
    plane = np.swapaxes(atlas.uv[atlas.faces][:, 1:] - atlas.uv[atlas.faces][:, :1], 1, 2)
    jacobian = plane @ np.linalg.inv(flat)
    for chart in range(1, 25):
        mine = atlas.face_charts == chart
        own, area = jacobian[mine], body.mesh.face_areas[mine]
        scale = np.sqrt(np.average((own**2).sum(axis=2), axis=0, weights=area))
        stretch = np.linalg.svd(own / scale[None, :, None], compute_uv=False)
        mean = np.average(stretch[:, 0] / stretch[:, 1], weights=area)
        assert mean < 1.5, chart


def test_symmetry_tables_agree_with_the_mirror_of_the_mesh(body):
    """(I, U, V) -> point -> mirrored point equals (I, U, V) -> flip -> point."""
    rng = np.random.default_rng(0)
    faces = rng.integers(0, len(body.atlas.faces), 3000)
    weights = rng.dirichlet([1, 1, 1], 3000)
    charts, u, v = body.atlas.interpolate(faces, weights)
    there = body.atlas.points(faces, weights) * [-1, 1, 1]
    flipped = CHART_FLIP[charts]
    found, found_weights = body.atlas.locate(flipped, *body.symmetry.flip_uv(charts, u, v))
    gap = np.linalg.norm(body.atlas.points(found, found_weights) - there, axis=1)
    # half a table step of a chart of at most 0.7 m; more where a finger tip is stretched
    assert np.median(gap) < 0.001
    assert np.percentile(gap, 99) < 0.004


def test_axis_directions_are_those_read_off_official_results(body):
    def correlation(chart: int, axis: int, direction: list[float]) -> float:
        mine = body.atlas.charts == chart
        place = body.mesh.vertices[body.atlas.mesh_vertex[mine]] @ direction
        return float(np.corrcoef(body.atlas.uv[mine][:, axis], place)[0, 1])

    down, up, left, back = [0, -1, 0], [0, 1, 0], [1, 0, 0], [0, 0, -1]
    right = [-1, 0, 0]
    for chart in (1, 2):
        assert correlation(chart, 0, down) > 0.9
        assert correlation(chart, 1, right) > 0.8
    # left leg: front upper U up, V inward; back upper U down, V outward; and so on
    for chart, u, v in ((10, up, right), (8, down, left), (14, down, left), (12, up, left)):
        assert correlation(chart, 0, u) > 0.9, chart
        assert correlation(chart, 1, v) > 0.7, chart
    for chart, u in ((15, left), (17, left), (19, right), (21, left)):
        assert correlation(chart, 0, u) > 0.8, chart
    assert correlation(24, 0, back) > 0.8
    assert correlation(24, 1, up) > 0.9
    assert correlation(23, 0, back) < -0.8
    assert correlation(5, 0, back) < -0.8


def test_keypoints_are_coco_and_crowdpose_points_on_their_side(body):
    names = (*COCO_KEYPOINT_NAMES, "head_top", "neck")
    assert tuple(body.keypoints) == names
    for name, place in body.keypoints.items():
        joint = body.keypoint_joint[name]
        assert joint in body.skeleton.joint_names
        if name.startswith("left_"):
            image = body.keypoints[name.replace("left", "right")]
            np.testing.assert_allclose(image, place * [-1, 1, 1])
            assert place[0] > 0.02
    heights = [body.keypoints[f"left_{n}"][1] for n in ("ear", "shoulder", "hip", "knee", "ankle")]
    assert heights == sorted(heights, reverse=True)
    # surface points of the face lie within a centimetre of the skin
    for name in ("nose", "left_eye", "left_ear", "head_top"):
        gap = np.linalg.norm(body.mesh.vertices - body.keypoints[name], axis=1).min()
        assert gap < 0.01, name


def test_skinning_is_smooth_local_and_symmetric(body):
    skeleton = body.skeleton
    swap = [
        skeleton.joint_index(n.replace("left", "#").replace("right", "left").replace("#", "right"))
        for n in skeleton.joint_names
    ]
    np.testing.assert_allclose(
        skeleton.weights[body.vertex_mirror][:, swap], skeleton.weights, atol=1e-4
    )
    hand = np.unique(body.mesh.faces[body.atlas.face_charts == 4])
    reach = np.linalg.norm(body.mesh.vertices[hand] - body.keypoints["left_wrist"], axis=1)
    far = hand[reach > 0.08]
    fingers = ("wrist", "thumb", "index", "middle", "ring", "little")
    own = [n.startswith(tuple(f"left_{f}" for f in fingers)) for n in skeleton.joint_names]
    assert skeleton.weights[far][:, own].sum(axis=1).min() > 0.99
    jump = np.abs(np.diff(skeleton.weights[body.mesh.edges], axis=1)).max(axis=2)
    # the joints of fingers are as narrow as the triangles there
    assert np.percentile(jump, 99) < 0.6


@pytest.mark.parametrize("joint", ["left_elbow", "left_knee", "right_shoulder", "right_hip"])
def test_bent_limbs_keep_their_volume(body, joint):
    skeleton = body.skeleton
    a = np.deg2rad(70)
    bend = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    rotations = np.stack([np.eye(3)] * len(skeleton.joint_names))
    rotations[skeleton.joint_index(joint)] = bend if "knee" in joint else bend.T
    posed = skeleton.pose(body.mesh.vertices, rotations)
    from mmktn.surface import SurfaceMesh

    moved = SurfaceMesh(posed, body.mesh.faces)
    assert moved.volume / body.mesh.volume == pytest.approx(1, abs=0.03)
    # bones keep their length, the far end of the limb really moves
    assert np.linalg.norm(posed - body.mesh.vertices, axis=1).max() > 0.15
