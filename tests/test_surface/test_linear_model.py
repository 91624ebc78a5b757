import numpy as np
import pytest

from mmktn.surface.linear_model import LinearBodyModel
from mmktn.utils.user_error import UserError


def stick(**changes):
    """Two bones along x: joint 0 at 0, joint 1 at 1; three vertices at 0, 1 and 2."""
    arrays = {
        "v_template": np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0]]),
        "shapedirs": np.array([[[0.0], [0], [0]], [[1], [0], [0]], [[2], [0], [0]]]),
        "posedirs": np.zeros((3, 3, 9)),
        "J_regressor": np.array([[1.0, 0, 0], [0, 1, 0]]),
        "weights": np.array([[1.0, 0], [1, 0], [0, 1]]),
        "kintree_table": np.array([[2**32 - 1, 0], [0, 1]], dtype=np.uint32),
        "f": np.array([[0, 1, 2]], dtype=np.uint32),
    }
    return arrays | changes


def read(tmp_path, **changes):
    np.savez(tmp_path / "model.npz", **stick(**changes))
    return LinearBodyModel.read(tmp_path / "model.npz")


def test_shape_moves_joints_and_pose_turns_about_them(tmp_path):
    model = read(tmp_path)
    quarter = np.array([[0, 0, 0], [0, 0, np.pi / 2]])
    # Without shape the end turns about (1, 0); stretched by 1 the joint lies at 2, the end 2 above.
    np.testing.assert_allclose(model.vertices(quarter, [])[2], [1, 1, 0], atol=1e-12)
    np.testing.assert_allclose(model.vertices(quarter, [1.0])[2], [2, 2, 0], atol=1e-12)
    moved = model.vertices(quarter, [1.0], (0, 0, 5))
    np.testing.assert_allclose(moved[:, 2], 5)


def test_the_roots_turn_carries_the_children(tmp_path):
    both = np.array([[0, 0, np.pi / 2], [0, 0, np.pi / 2]])
    found = read(tmp_path).vertices(both, [])
    np.testing.assert_allclose(found, [[0, 0, 0], [0, 1, 0], [-1, 1, 0]], atol=1e-12)


def test_pose_directions_see_rotation_less_identity(tmp_path):
    bend = np.zeros((3, 3, 9))
    bend[0, 2, 1] = 10.0  # follows entry (0, 1) of joint 1's matrix, -sin of the angle
    found = read(tmp_path, posedirs=bend).vertices([0, 0, 0, 0, 0, 0.3], [])
    np.testing.assert_allclose(found[0], [0, 0, -10 * np.sin(0.3)], atol=1e-12)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"weights": np.ones((3, 5))}, "posedirs is"),
        ({"v_template": np.zeros((3, 2))}, "v_template is"),
        ({"v_template": np.full((3, 3), np.nan)}, "v_template is.*finite"),
        ({"kintree_table": np.array([[0, 1], [0, 1]])}, "before its parent"),
        ({"f": np.array(["a"])}, "fewer than two dimensions"),
        ({"shapedirs": np.array([None, None])}, "object"),
    ],
)
def test_unusable_models_are_named(tmp_path, changes, match):
    with pytest.raises(UserError, match=match) as error:
        read(tmp_path, **changes)
    assert "model.npz" in str(error.value)


def test_a_pickle_is_not_opened(tmp_path):
    (tmp_path / "model.pkl").write_bytes(b"cposix\nsystem\n(S'true'\ntR.")
    with pytest.raises(UserError, match=r"docs/fits\.md says how to make one"):
        LinearBodyModel.read(tmp_path / "model.pkl")


def test_too_many_numbers(tmp_path):
    model = read(tmp_path)
    with pytest.raises(UserError, match="2 joints"):
        model.vertices(np.zeros(9), [])
    with pytest.raises(UserError, match="1 shape directions"):
        model.vertices(np.zeros(6), [1.0, 2.0])
    with pytest.raises(UserError, match="not finite"):
        model.vertices(np.full(6, np.nan), [])
