"""How well the charts of our body agree with labels on pictures of people.

    python projects/human_body/measure_borders.py LABELS.npz ...

Each file holds the label maps of one person: I (H, W) 0..24 (other values are left out), U and V
(H, W) in [0, 1]. The body is posed and shaped so that its places (I, U, V) come to lie on the
pixels that carry them, and rendered; printed is the share of pixels that get the same chart, and
how far U and V are apart where they do. A body whose borders run elsewhere cannot be posed into
agreement.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from mmktn.surface import BodySurface, load_surface
from mmktn.surface.rasterize import RasterResult, rasterize
from mmktn.utils.array_files import read_arrays
from mmktn.utils.user_error import one_line_errors

Array = NDArray[np.float64]
_LIMBS = ("clavicle", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
_MOVED = (
    *("pelvis", "spine", "chest", "neck", "head"),
    *(f"{side}_{joint}" for side in ("left", "right") for joint in _LIMBS),
)
_SHAPES = 8


@dataclass
class Agreement:
    """Of one person.

    Attributes:
        pixels: that both label.
        same_chart: share of them with one chart.
        gap_u: median gap of U there.
        gap_v: median gap of V there.
        foreground: intersection over union of the two foregrounds.
        confusion: (25, 25) counts of charts, labels by body.
    """

    pixels: int
    same_chart: float
    gap_u: float
    gap_v: float
    foreground: float
    confusion: NDArray[np.int64]


class Fit:
    """A body under a camera without perspective, moved so that places lie on pixels.

    Args:
        body: With skeleton and shapes.
        vertices: (N, 3) mesh vertices whose weighted mean is each place.
        weights: (N, 3).
        pixels: (N, 2) x, y where they shall lie.
    """

    def __init__(
        self, body: BodySurface, vertices: NDArray[np.int64], weights: Array, pixels: Array
    ) -> None:
        self.body, self.pixels = body, pixels
        self.used, index = np.unique(vertices, return_inverse=True)
        self.corners, self.weights = index.reshape(-1, 3), weights
        self.size = float(np.ptp(pixels, axis=0).max())
        self.index = [body.skeleton.joint_index(name) for name in _MOVED]
        count = body.num_mesh_vertices
        rows = np.concatenate([self.used, count + np.arange(len(body.skeleton.joint_names))])
        self.basis = body.shapes.basis[:_SHAPES][:, rows]
        self.mean = body.shapes.mean[rows]

    def start(self, yaw: float) -> Array:
        """Parameters of a standing person who is turned by `yaw`."""
        values = np.zeros(3 * len(_MOVED) + _SHAPES + 3)
        values[1] = yaw
        middle = 0.5 * (self.pixels.min(axis=0) + self.pixels.max(axis=0))
        values[-3:] = np.log(self.size / 1.7), *middle
        return values

    def vertices(self, values: Array, used: NDArray[np.int64] | None = None) -> Array:
        """Image places (x, y, depth) of the used vertices, or of all."""
        skeleton, count = self.body.skeleton, len(self.used)
        basis, mean = self.basis, self.mean
        if used is not None:
            basis, mean, count = self.body.shapes.basis[:_SHAPES], self.body.shapes.mean, len(used)
        rows = self.used if used is None else used
        coefficients = values[3 * len(_MOVED) : -3]
        moved = mean + np.tensordot(coefficients, basis, axes=1)
        turns = np.tile(np.eye(3), (len(skeleton.joint_names), 1, 1))
        vectors = values[: 3 * len(_MOVED)].reshape(-1, 3)
        turns[self.index] = Rotation.from_rotvec(vectors).as_matrix()
        own = replace(
            skeleton,
            joint_positions=skeleton.joint_positions + moved[count:],
            weights=np.eye(len(turns)),
        )
        motion = own.joint_transforms(turns).reshape(len(turns), 12)
        blended = (skeleton.weights[rows] @ motion).reshape(-1, 3, 4)
        rest = self.body.mesh.vertices[rows] + moved[:count]
        posed = np.einsum("vij,vj->vi", blended[:, :, :3], rest) + blended[:, :, 3]
        posed = (posed - own.joint_positions[0]) * np.exp(values[-3])
        return np.stack(
            [posed[:, 0] + values[-2], values[-1] - posed[:, 1], 1e4 - posed[:, 2]], axis=1
        )

    def residuals(self, values: Array) -> Array:
        """Distances in hundredths of the person's size, and how unusual pose and shape are."""
        corners = self.vertices(values)[self.corners, :2]
        places = np.einsum("nk,nkd->nd", self.weights, corners)
        gap = (places - self.pixels).ravel() * (100 / self.size)
        angles, shape = values[3 : 3 * len(_MOVED)], values[3 * len(_MOVED) : -3]
        return np.concatenate([gap / np.sqrt(len(gap) / 40), 0.6 * angles, 0.3 * shape])

    def solve(self, yaws: list[float], rounds: int) -> Array:
        """Best parameters of several starts."""
        results = [
            least_squares(self.residuals, self.start(yaw), loss="soft_l1", max_nfev=rounds)
            for yaw in yaws
        ]
        return np.asarray(min(results, key=lambda result: result.cost).x)


def agreement(
    body: BodySurface,
    chart: NDArray[np.int64],
    uv: Array,
    *,
    points: int,
    rounds: int,
    yaws: list[float],
) -> Agreement:
    """Fit the body to labels and compare its charts with them.

    Args:
        body: With mesh, skeleton and shapes.
        chart: (H, W) 0 for background, 1..24, anything else undecided.
        uv: (H, W, 2).
        points: Labelled pixels that the fit uses.
        rounds: Steps of each fit.
        yaws: Turns to start from, radians.

    Returns:
        The agreement.
    """
    labelled = (chart >= 1) & (chart <= 24)
    rows, columns = np.nonzero(labelled)
    if len(rows) < 50:
        raise ValueError(f"{len(rows)} labelled pixels, need 50")
    rng = np.random.default_rng(0)
    share = 1 / np.bincount(chart[labelled], minlength=25)[chart[labelled]] ** 0.5
    pick = rng.choice(len(rows), min(points, len(rows)), replace=False, p=share / share.sum())
    y, x = rows[pick], columns[pick]
    faces, weights = body.atlas.locate(chart[y, x], uv[y, x, 0], uv[y, x, 1])
    pixels = np.stack([x, y], axis=1) + 0.5
    fit = Fit(body, body.mesh.faces[faces], weights, pixels)
    values = fit.solve(yaws, rounds)
    found = fit.vertices(values, np.arange(body.num_mesh_vertices))
    raster = rasterize(found, body.mesh.faces, height=chart.shape[0], width=chart.shape[1])
    return compare(body, raster, chart, uv)


def compare(
    body: BodySurface, raster: RasterResult, chart: NDArray[np.int64], uv: Array
) -> Agreement:
    """Charts of a rendered body against labels (H, W) and (H, W, 2)."""
    own = np.zeros(chart.shape, np.int64)
    own[raster.hit] = body.atlas.face_charts[raster.face_ids[raster.hit]]
    labelled = (chart >= 1) & (chart <= 24)
    both = labelled & raster.hit
    same = both & (own == chart)
    mine = raster.interpolate(body.atlas.uv[body.atlas.faces], same)
    gap = np.median(np.abs(mine - uv[same]), axis=0) if same.any() else np.full(2, np.nan)
    known = labelled | (chart == 0)
    union = (labelled | (raster.hit & known)).sum()
    confusion = np.zeros((25, 25), np.int64)
    np.add.at(confusion, (chart[both], own[both]), 1)
    return Agreement(
        int(both.sum()),
        float(same.sum() / max(both.sum(), 1)),
        float(gap[0]),
        float(gap[1]),
        float(both.sum() / max(union, 1)),
        confusion,
    )


def read_labels(file: Path) -> tuple[NDArray[np.int64], Array]:
    """Chart (H, W) and U, V (H, W, 2) of a file."""
    maps = read_arrays(file, "IUV", what="labels")
    uv = np.stack([maps["U"], maps["V"]], axis=-1)
    return maps["I"].astype(np.int64), uv.astype(np.float64)


@one_line_errors("measure_borders")
def main(arguments: list[str] | None = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("labels", type=Path, nargs="+", help=".npz with I, U, V of one person")
    parser.add_argument("--surface", default="human", help="as load_surface takes it")
    parser.add_argument("--points", type=int, default=400, help="labelled pixels that a fit uses")
    parser.add_argument("--rounds", type=int, default=30, help="steps of each fit")
    parser.add_argument(
        "--yaws", type=float, nargs="+", default=[0.0, 1.57, 3.14, -1.57],
        help="turns to start from, radians",
    )  # fmt: skip
    args = parser.parse_args(arguments)
    body = load_surface(args.surface).require("mesh", "skeleton", "shapes")
    table = Table("file", "pixels", "same chart", "U gap", "V gap", "foreground IoU")
    results = []
    for file in args.labels:
        result = agreement(
            body, *read_labels(file), points=args.points, rounds=args.rounds, yaws=args.yaws
        )
        results.append(result)
        numbers = (result.same_chart, result.gap_u, result.gap_v, result.foreground)
        table.add_row(file.name, str(result.pixels), *(f"{number:.3f}" for number in numbers))
    console = Console()
    console.print(table)
    total = np.sum([result.confusion for result in results], axis=0)
    same = total.diagonal().sum() / max(total.sum(), 1)
    console.print(f"same chart at {same:.3f} of all pixels")
    for chart in range(1, 25):
        if total[chart].sum():
            share = total[chart, chart] / total[chart].sum()
            other = np.argsort(-(total[chart] - np.eye(25, dtype=int)[chart] * 10**9))[0]
            console.print(f"chart {chart}: {share:.2f}, else mostly {other}")


if __name__ == "__main__":
    main()
