import numpy as np
import pytest

from mmktn.synthetic.wardrobe import random_outfit, zones


@pytest.fixture(scope="module")
def face_centres(template):
    return template.garment[template.mesh.faces].mean(axis=1), template.face_charts


@pytest.mark.parametrize("seed", range(8))
def test_clothes_cover_what_they_should(template, face_centres, seed):
    rest, charts = face_centres
    outfit = random_outfit(np.random.default_rng(seed))
    zone = zones(outfit, rest, charts)
    hands, head, feet = np.isin(charts, [3, 4]), charts >= 23, np.isin(charts, [5, 6])
    cloth = zone.top | zone.bottom
    assert not (cloth & (hands | head | feet)).any()
    assert not (zone.shoe & ~feet).any()
    assert zone.shoe[feet].mean() > 0.8
    hips = (charts <= 2) & (rest[:, 1] < 0.95)
    assert zone.bottom[hips].all() or zone.top[hips & ~zone.bottom].all()
    assert not (zone.hair & (rest[:, 2] > 0.05) & (rest[:, 1] < 1.62)).any()


def test_sleeves_end_at_their_length(template, face_centres):
    rest, charts = face_centres
    outfit = random_outfit(np.random.default_rng(1))
    outfit.sleeve = 0.2
    zone = zones(outfit, rest, charts)
    arm = (charts >= 15) & (charts <= 22)
    np.testing.assert_array_equal(zone.top[arm], rest[arm, 3] < 0.2)
    places, index = template.skeleton.joint_positions, template.skeleton.joint_index
    shoulder, elbow, wrist = (
        places[index(f"right_{name}")] for name in ("shoulder", "elbow", "wrist")
    )
    upper, lower = np.linalg.norm(elbow - shoulder), np.linalg.norm(wrist - elbow)
    # sleeves are measured on an arm of 0.534 m
    wanted = 0.534 * upper / (upper + lower)
    assert template.garment_at("right_elbow")[3] == pytest.approx(wanted, abs=0.03)


def test_traits_shift_what_is_drawn():
    def share(traits, what):
        outfits = [random_outfit(np.random.default_rng(k), traits) for k in range(60)]
        return np.mean([what(outfit) for outfit in outfits])

    man, woman = {"gender": 0.0, "age": 0.75}, {"gender": 1.0, "age": 0.75}
    child = {"gender": 0.0, "age": 0.3}
    assert share(woman, lambda o: o.skirt) > share(man, lambda o: o.skirt) + 0.15
    assert share(woman, lambda o: o.beard) == share(child, lambda o: o.beard) == 0
    assert share(man, lambda o: o.beard) > 0.1


def test_an_outfit_is_its_seed():
    one, two = (random_outfit(np.random.default_rng(9)) for _ in "ab")
    np.testing.assert_array_equal(one.noise, two.noise)
    np.testing.assert_array_equal(one.top.colors, two.top.colors)
