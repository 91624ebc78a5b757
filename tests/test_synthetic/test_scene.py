import numpy as np
import pytest

from mmktn.synthetic.camera import Camera
from mmktn.synthetic.scene import _MIN_GAP_M, SceneOptions, projected_box, sample_scene


def feet(person):
    points = person.figure.keypoints
    return 0.5 * (points["left_hip"] + points["right_hip"])[[0, 2]]


@pytest.mark.parametrize("seed", range(6))
def test_people_stand_on_the_ground_and_apart(template, seed):
    scene = sample_scene(template, np.random.default_rng(seed), options=SceneOptions(people=(2, 4)))
    places = [feet(person) for person in scene.people]
    for k, person in enumerate(scene.people):
        assert person.figure.vertices[:, 1].min() == pytest.approx(0, abs=1e-9)
        for other in places[:k]:
            # Hips lie within a few centimetres of the pelvis that was placed.
            assert np.linalg.norm(places[k] - other) > _MIN_GAP_M - 0.12


def test_number_of_people_and_occluders_follow_the_options(template):
    none = SceneOptions(people=(1, 1), occluder_rate=0.0)
    always = SceneOptions(people=(1, 1), occluder_rate=1.0)
    for seed in range(4):
        scene = sample_scene(template, np.random.default_rng(seed), options=none)
        assert (len(scene.people), len(scene.occluders)) == (1, 0)
        scene = sample_scene(template, np.random.default_rng(seed), options=always)
        assert len(scene.occluders) == 1
        nearest = scene.camera.project(scene.people[0].figure.vertices)[:, 2].min()
        assert scene.occluders[0].depth < nearest


def test_first_person_is_in_the_picture(template):
    for seed in range(10):
        scene = sample_scene(template, np.random.default_rng(seed), options=SceneOptions())
        x0, y0, x1, y1 = projected_box(scene.camera, scene.people[0].figure)
        assert (x1 - x0) * (y1 - y0) > 0.03 * scene.camera.height * scene.camera.width


def test_crowds_are_denser_for_higher_targets(template):
    def spread(target, seed):
        options = SceneOptions(people=(3, 3), occluder_rate=0.0)
        scene = sample_scene(
            template, np.random.default_rng(seed), options=options, crowd_target=target
        )
        columns = [
            projected_box(scene.camera, person.figure)[[0, 2]].mean() for person in scene.people
        ]
        return np.ptp(columns)

    loose = [spread(0.02, seed) for seed in range(4)]
    dense = [spread(0.95, seed) for seed in range(4)]
    assert min(loose) > max(dense)


def test_horizon_of_a_level_camera_is_in_the_middle(template):
    scene = sample_scene(template, np.random.default_rng(0), options=SceneOptions())
    scene.camera = Camera(100.0, 80, 60, np.array([0, 1.0, 3.0]), pitch=0.0)
    assert scene.horizon == 0.5
    scene.camera.pitch = -0.2
    far = scene.camera.project(np.array([[0, 1.0, -1e7]]))[0]
    assert scene.horizon * 80 == pytest.approx(far[1], abs=1e-3)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"size_hw": (10, 300)}, "size_hw"),
        ({"people": (3, 2)}, "people"),
        ({"people": (0, 2)}, "people"),
        ({"occluder_rate": 1.5}, "occluder_rate"),
    ],
)
def test_impossible_options_are_named(values, text):
    with pytest.raises(ValueError, match=text):
        SceneOptions(**values)


def test_limited_yaw_turns_everybody_to_the_camera(template):
    def turn(person):
        points = person.figure.keypoints
        across = points["left_hip"] - points["right_hip"]
        return abs(np.degrees(np.arctan2(across[2], across[0])))

    options = SceneOptions(people=(1, 1), occluder_rate=0.0, max_yaw_deg=45.0)
    scenes = [sample_scene(template, np.random.default_rng(s), options=options) for s in range(40)]
    # Who lies on a side has no turn of the hips.
    upright = [s for s in scenes if s.people[0].figure.keypoints["nose"][1] > 0.6]
    turns = [turn(scene.people[0]) for scene in upright]
    # Poses turn the pelvis by a few degrees on their own.
    assert max(turns) < 45 + 35
    free = [
        sample_scene(template, np.random.default_rng(s), options=SceneOptions(people=(1, 1)))
        for s in range(40)
    ]
    assert max(turn(scene.people[0]) for scene in free) > 120


def test_limiting_the_yaw_leaves_the_other_draws_alone(template):
    limited, free = (
        sample_scene(template, np.random.default_rng(3), options=SceneOptions(max_yaw_deg=yaw))
        for yaw in (30.0, 180.0)
    )
    np.testing.assert_array_equal(limited.camera.position, free.camera.position)
    for one, other in zip(limited.people, free.people, strict=True):
        np.testing.assert_allclose(feet(one), feet(other), atol=0.35)
        assert one.outfit.neckline == other.outfit.neckline


def test_yaw_limit_is_checked():
    with pytest.raises(ValueError, match="max_yaw_deg 200"):
        SceneOptions(max_yaw_deg=200)
