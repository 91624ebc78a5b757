import numpy as np
import pytest

from mmktn.annotation.error_picture import colours_of, draw_vertex_values


def test_front_and_back_are_coloured_by_their_own_vertices(body):
    front = (body.mesh.vertex_normals[:, 2] > 0).astype(float)
    picture = draw_vertex_values(body, front, upper=1.0, height=120)
    half = (picture.shape[1] - 44) // 2
    for panel, share in ((picture[:, :half], 1.0), (picture[:, half : 2 * half], 0.0)):
        ink = panel[(panel < 250).any(axis=-1)].astype(float)
        hue = colours_of(share)
        # Light scales all channels alike: red over blue tells the ends of the ramp apart.
        assert ((ink[:, 0] > ink[:, 2]) == (hue[0] > hue[2])).mean() > 0.85


def test_ramp_is_in_order_and_clamped():
    assert (colours_of(-1) == colours_of(0)).all()
    assert (colours_of(2) == colours_of(1)).all()
    reds = colours_of(np.linspace(0, 0.6, 7))[:, 0]
    assert (np.diff(reds) > 0).all()


def test_unusable_values_are_named(body):
    with pytest.raises(ValueError, match="values: shape"):
        draw_vertex_values(body, np.zeros(3), upper=1.0)
    with pytest.raises(ValueError, match="upper"):
        draw_vertex_values(body, np.zeros(body.num_mesh_vertices), upper=0.0)
