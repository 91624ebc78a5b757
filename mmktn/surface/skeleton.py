"""Joints and skinning weights of a body, for posing it.

Linear blend skinning: each vertex follows a weighted mean of the rigid motions of the joints.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class SyntheticSkeleton:
    """Joints with parents, and how strongly each vertex follows each joint.

    Attributes:
        joint_names: J names; ``left_`` and ``right_`` are the person's own sides.
        joint_positions: (J, 3) rest positions, metres.
        parents: (J,) parent of each joint, -1 for the root; parents come before children.
        weights: (V, J) non-negative, rows sum to 1.
    """

    joint_names: tuple[str, ...]
    joint_positions: NDArray[np.float64]
    parents: NDArray[np.int64]
    weights: NDArray[np.float64]

    def __post_init__(self) -> None:
        count = len(self.joint_names)
        if self.joint_positions.shape != (count, 3):
            raise ValueError(f"joint_positions must be ({count}, 3)")
        if self.parents.shape != (count,) or np.any(self.parents >= np.arange(count)):
            raise ValueError("parents must be (J,), each before its children")
        if self.weights.ndim != 2 or self.weights.shape[1] != count:
            raise ValueError(f"weights must be (V, {count}), got {self.weights.shape}")
        if self.weights.min() < 0 or not np.allclose(self.weights.sum(axis=1), 1, atol=1e-5):
            raise ValueError("weights must be non-negative with rows that sum to 1")

    def joint_index(self, name: str) -> int:
        """Index of a joint.

        Args:
            name: One of ``joint_names``.

        Returns:
            The index.

        Raises:
            KeyError: Unknown name.
        """
        if name not in self.joint_names:
            raise KeyError(f"no joint {name!r}; joints are {', '.join(self.joint_names)}")
        return self.joint_names.index(name)

    def joint_transforms(
        self, rotations: ArrayLike, translation: ArrayLike = (0.0, 0.0, 0.0)
    ) -> NDArray[np.float64]:
        """Return the motion of each joint from rest to a pose.

        Args:
            rotations: (J, 3, 3) rotation of each joint about itself, in rest axes, relative to its
                parent.
            translation: (3,) displacement of the root, metres.

        Returns:
            (J, 3, 4) affine maps of rest positions to posed positions.

        Raises:
            ValueError: Wrong shape.
        """
        local = np.asarray(rotations, dtype=np.float64)
        if local.shape != (len(self.parents), 3, 3):
            raise ValueError(f"rotations must be ({len(self.parents)}, 3, 3), got {local.shape}")
        motion = np.zeros((len(self.parents), 3, 4))
        for joint, parent in enumerate(self.parents):
            rest = self.joint_positions[joint]
            if parent < 0:
                turn, place = local[joint], rest + np.asarray(translation, dtype=np.float64)
            else:
                turn = motion[parent, :, :3] @ local[joint]
                place = motion[parent, :, :3] @ rest + motion[parent, :, 3]
            motion[joint, :, :3] = turn
            motion[joint, :, 3] = place - turn @ rest
        return motion

    def pose(
        self,
        vertices: ArrayLike,
        rotations: ArrayLike,
        *,
        translation: ArrayLike = (0.0, 0.0, 0.0),
    ) -> NDArray[np.float64]:
        """Return the posed vertices by linear blend skinning.

        Args:
            vertices: (V, 3) rest positions, metres.
            rotations: (J, 3, 3) as in ``joint_transforms``.
            translation: (3,) displacement of the root, metres.

        Returns:
            (V, 3) metres.
        """
        motion = self.joint_transforms(rotations, translation)
        points = np.asarray(vertices, dtype=np.float64)
        blended = np.tensordot(self.weights, motion, axes=1)
        return np.einsum("vij,vj->vi", blended[:, :, :3], points) + blended[:, :, 3]
