"""How people differ: a basis of body shapes and a population to draw from.

Shapes are displacements of the rest body's vertices and joints. A drawn person lies between two
people of the population that are alike in age, sex and build, so that a child never gets the
shoulders of an adult.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_NEIGHBOURS = 8


@dataclass(frozen=True)
class BodyShapes:
    """A linear basis of shapes with a population.

    Attributes:
        mean: (V + J, 3) metres from the rest body to the mean person, vertices first, then joints.
        basis: (K, V + J, 3) metres per unit of a coefficient; coefficients have unit variance.
        people: (P, K) coefficients of the population.
        traits: (P, T) what each of them is, 0 to 1 (age, gender, ...).
        trait_names: T names; gender 0 is male, age 1/3 an infant's end, 2/3 a young adult.
    """

    mean: NDArray[np.float64]
    basis: NDArray[np.float64]
    people: NDArray[np.float64]
    traits: NDArray[np.float64]
    trait_names: tuple[str, ...]

    def __post_init__(self) -> None:
        if self.basis.ndim != 3 or self.basis.shape[1:] != self.mean.shape:
            raise ValueError(
                f"shape_basis {self.basis.shape} must be (K, {len(self.mean)}, 3) as shape_mean is"
            )
        if self.people.ndim != 2 or self.people.shape[1] != len(self.basis):
            raise ValueError(f"shape_people must be (P, {len(self.basis)})")
        if self.traits.shape != (len(self.people), len(self.trait_names)):
            raise ValueError("shape_traits must be (P, T) with T trait names")

    def displacements(self, coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the displacements (V + J, 3) of a person from the rest body, metres.

        Args:
            coefficients: (k,) with k <= K; missing ones are 0.

        Returns:
            Vertices first, then joints.

        Raises:
            ValueError: More coefficients than the basis has directions.
        """
        given = np.asarray(coefficients, dtype=np.float64)
        if given.ndim != 1 or len(given) > len(self.basis):
            raise ValueError(f"{given.shape} coefficients for {len(self.basis)} shape directions")
        return self.mean + np.tensordot(given, self.basis[: len(given)], axes=1)

    def draw(self, rng: np.random.Generator) -> tuple[NDArray[np.float64], dict[str, float]]:
        """Draw a person of the population's kind.

        Args:
            rng: Random source.

        Returns:
            (K,) coefficients and the traits by name.
        """
        one = int(rng.integers(len(self.people)))
        gap = np.abs(self.traits - self.traits[one]).sum(axis=1)
        near = np.argsort(gap, kind="stable")[: _NEIGHBOURS + 1]
        other, share = int(near[rng.integers(len(near))]), float(rng.uniform(0, 0.5))
        coefficients = (1 - share) * self.people[one] + share * self.people[other]
        values = (1 - share) * self.traits[one] + share * self.traits[other]
        return coefficients, dict(zip(self.trait_names, values.tolist(), strict=True))


_CARRIERS = 60
"""Nearest vertices that carry a point."""


def point_weights(
    vertices: NDArray[np.float64], points: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return weights by which vertices carry points that lie inside the body, such as keypoints.

    The weights of a point sum to 1 and reproduce its rest position exactly; of all such weights on
    the nearest vertices they are the smoothest.

    Args:
        vertices: (V, 3) rest positions, metres.
        points: (K, 3) rest positions, metres.

    Returns:
        (K, V), zero off the nearest vertices.
    """
    weights = np.zeros((len(points), len(vertices)))
    for row, point in zip(weights, points, strict=True):
        near = np.argsort(np.linalg.norm(vertices - point, axis=1), kind="stable")[:_CARRIERS]
        system = np.concatenate([np.ones((1, len(near))), (vertices[near] - point).T])
        row[near] = np.linalg.lstsq(system, np.array([1.0, 0.0, 0.0, 0.0]), rcond=None)[0]
    return weights
