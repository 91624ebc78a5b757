"""Body models of the SMPL kind from the user's own model file: shape and pose in, vertices out.

v = skinning(template + shape directions . betas + pose directions . (R - 1)); joints are regressed
from the shaped template (Loper et al. 2015; SMPL-H and SMPL-X have more joints of the same kind).
No model file comes with mmktn.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmktn.utils.array_files import read_arrays
from mmktn.utils.user_error import UserError

_FIELDS = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table", "f")


@dataclass(frozen=True)
class LinearBodyModel:
    """V vertices, J joints, S shape directions.

    Attributes:
        template: (V, 3) metres.
        shapedirs: (V, 3, S).
        posedirs: (V, 3, 9 (J - 1)).
        regressor: (J, V) joints from the shaped template.
        weights: (V, J) skinning weights.
        parents: (J,) parent before its child; -1 for the root, which is joint 0.
        faces: (F, 3) triangles.
    """

    template: NDArray[np.float64]
    shapedirs: NDArray[np.float64]
    posedirs: NDArray[np.float64]
    regressor: NDArray[np.float64]
    weights: NDArray[np.float64]
    parents: NDArray[np.int64]
    faces: NDArray[np.int64]

    @property
    def num_joints(self) -> int:
        """J."""
        return len(self.parents)

    def vertices(
        self, pose: ArrayLike, betas: ArrayLike, translation: ArrayLike = (0.0, 0.0, 0.0)
    ) -> NDArray[np.float64]:
        """Pose the model.

        Args:
            pose: (3 k,) or (k, 3) axis-angle of the first k <= J joints, the root's first, radians;
                joints that are left out stay as they are. Hands in full, not as PCA coefficients.
            betas: (<= S,) shape.
            translation: (3,) metres.

        Returns:
            (V, 3) metres.

        Raises:
            UserError: Too many numbers, or some that are not finite.
        """
        # Behind the start: scipy costs more time than the rest of the package's import.
        from scipy.spatial.transform import Rotation

        turns, shape = np.zeros((self.num_joints, 3)), np.zeros(self.shapedirs.shape[2])
        given, coefficients = (np.asarray(a, dtype=np.float64).reshape(-1) for a in (pose, betas))
        if len(given) % 3 or len(given) > turns.size or len(coefficients) > len(shape):
            raise UserError(
                f"{len(given)} numbers of pose and {len(coefficients)} of shape; this model has "
                f"{self.num_joints} joints (3 numbers each) and {len(shape)} shape directions"
            )
        if not (np.isfinite(given).all() and np.isfinite(coefficients).all()):
            raise UserError("pose or shape holds values that are not finite")
        turns.reshape(-1)[: len(given)] = given
        shape[: len(coefficients)] = coefficients
        matrices = Rotation.from_rotvec(turns).as_matrix()
        shaped = self.template + self.shapedirs @ shape
        joints = self.regressor @ shaped
        bent = shaped + self.posedirs @ (matrices[1:] - np.eye(3)).reshape(-1)
        motion = np.zeros((self.num_joints, 3, 4))
        for joint, parent in enumerate(self.parents):
            if parent < 0:
                turn, place = matrices[joint], joints[joint]
            else:
                turn = motion[parent, :, :3] @ matrices[joint]
                place = motion[parent, :, :3] @ joints[joint] + motion[parent, :, 3]
            motion[joint] = np.concatenate([turn, (place - turn @ joints[joint])[:, None]], axis=1)
        blended = np.einsum("vj,jab->vab", self.weights, motion)
        posed = np.einsum("vab,vb->va", blended[:, :, :3], bent) + blended[:, :, 3]
        return posed + np.asarray(translation, dtype=np.float64)

    @classmethod
    def read(cls, path: str | Path) -> LinearBodyModel:
        """Read a model file in .npz form (SMPL-X is distributed so; nothing is unpickled).

        Args:
            path: The file, with the arrays v_template, shapedirs, posedirs, J_regressor, weights,
                kintree_table and f.

        Returns:
            The model.

        Raises:
            FileNotFoundError: No such file.
            UserError: No .npz, or an array is missing, pickled, not finite or does not fit.
        """
        file = Path(path)
        try:
            raw = read_arrays(file, _FIELDS, what="a body model")
        except UserError as error:
            raise UserError(f"{error}; docs/fits.md says how to make one of a .pkl") from error
        if any(raw[name].ndim < 2 for name in _FIELDS):
            raise UserError(f"body model {file}: an array has fewer than two dimensions")
        count, joints = len(raw["v_template"]), raw["weights"].shape[1]
        wanted = {
            "v_template": (count, 3),
            "shapedirs": (count, 3, raw["shapedirs"].shape[-1]),
            "posedirs": (count, 3, 9 * (joints - 1)),
            "J_regressor": (joints, count),
            "weights": (count, joints),
            "kintree_table": (2, joints),
            "f": (raw["f"].shape[0], 3),
        }
        for name, shape in wanted.items():
            numbers = raw[name].dtype.kind in "iuf" and np.isfinite(raw[name]).all()
            if raw[name].shape != shape or not numbers:
                raise UserError(
                    f"body model {file}: {name} is {raw[name].dtype} {raw[name].shape}, "
                    f"expected finite numbers {shape}"
                )
        parents = raw["kintree_table"][0].astype(np.int64)
        parents[0] = -1
        if (parents[1:] < 0).any() or (parents >= np.arange(joints)).any():
            raise UserError(f"body model {file}: kintree_table names a joint before its parent")
        template, shapedirs, posedirs, regressor, weights = (
            raw[name].astype(np.float64) for name in _FIELDS[:5]
        )
        return cls(
            template,
            shapedirs,
            posedirs,
            regressor,
            weights=weights,
            parents=parents,
            faces=raw["f"].astype(np.int64),
        )
