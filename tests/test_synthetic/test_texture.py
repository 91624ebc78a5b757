import numpy as np

from mmktn.synthetic.texture import random_light, surface_colors
from mmktn.synthetic.wardrobe import random_outfit


def test_eyes_are_drawn_on_both_sides_and_cheeks_are_skin(template):
    rest = template.garment[template.mesh.faces].mean(axis=1)
    charts = template.face_charts
    outfit = random_outfit(np.random.default_rng(2))
    outfit.bald = outfit.beard = outfit.glasses = False
    outfit.skin = np.float32([0.9, 0.7, 0.6])
    eye = template.garment_at("left_eye")[:3]
    head = np.nonzero(charts >= 23)[0]
    colors = surface_colors(outfit, template, rest[head], charts[head])
    for side in (1, -1):
        near = np.linalg.norm(rest[head, :3] - eye * [side, 1, 1], axis=1) < 0.02
        assert colors[near].std(axis=0).max() > 0.08  # dark iris, white of the eye, skin
    cheek = np.linalg.norm(rest[head, :3] - [0.050, 1.545, 0.060], axis=1) < 0.015
    assert np.abs(colors[cheek] - outfit.skin).max() < 0.2


def test_light_comes_from_its_direction():
    light = random_light(np.random.default_rng(0))
    toward, away = light.shade(np.stack([light.direction, -light.direction]))
    assert (toward > away).all()
    assert away.min() > 0
