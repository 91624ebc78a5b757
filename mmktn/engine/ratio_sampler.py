"""Draws from several data sets in a fixed ratio: annotated pictures beside a teacher's labels.

The `RATIO` of detectron2's bootstrapping of DensePose, without loaders of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Sampler

from mmktn.registry import DATA_SAMPLERS
from mmktn.utils.user_error import UserError


@DATA_SAMPLERS.register_module()
class RatioSampler(Sampler[int]):
    """Shuffled indices of a `ConcatDataset`, its parts mixed in a fixed ratio.

    After any number of draws each part has been drawn as often as the ratio says, but for less than
    one draw, in every process. No sample of a part comes again before all others of it have come.
    An epoch goes through the first part once. Everything follows from the seed and the number of
    the epoch.

    Args:
        dataset: A `ConcatDataset`.
        ratio: How often each part is drawn, >= 0, in the order of the parts; (3, 1) draws the first
            three times as often as the second. The first is above 0.
        seed: Of the shuffles; None: one that all processes agree on.
        round_up: Give every process as many indices (else the last draws of an epoch are left out).

    Raises:
        UserError: The data set has no parts, or the ratio does not fit them.
    """

    def __init__(
        self,
        dataset: Any,
        ratio: Sequence[float],
        *,
        seed: int | None = None,
        round_up: bool = True,
    ) -> None:
        ends = getattr(dataset, "cumulative_sizes", None)
        if ends is None:
            raise UserError(
                "RatioSampler mixes the parts of a ConcatDataset; this is a "
                f"{type(dataset).__name__}"
            )
        self.sizes = np.diff([0, *ends]).tolist()
        self.starts = [end - size for end, size in zip(ends, self.sizes, strict=True)]
        self.ratio = _checked(ratio, self.sizes)
        self.rank, self.world_size = get_dist_info()
        self.seed = sync_random_seed() if seed is None else seed
        self.epoch = 0
        share = self.ratio[0] / sum(self.ratio)
        draws = self.sizes[0] / share / self.world_size
        # Whole numbers that a division missed by a rounding error stay whole.
        self.num_samples = max(int(np.ceil(draws - 1e-9) if round_up else draws + 1e-9), 1)

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch the next iteration draws."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the indices of this process in an epoch."""
        return self.num_samples

    def __iter__(self) -> Iterator[int]:
        """Yield the indices of this process in the epoch."""
        parts = self._parts()
        drawn = np.bincount(parts, minlength=len(self.sizes)) * (self.epoch * self.world_size)
        shuffles: dict[int, tuple[int, np.ndarray]] = {}
        seen = [0] * len(self.sizes)
        for part in parts.tolist():
            place = int(drawn[part]) + seen[part] * self.world_size + self.rank
            seen[part] += 1
            turn, index = divmod(place, self.sizes[part])
            if shuffles.get(part, (-1,))[0] != turn:
                order = np.random.default_rng((self.seed, part, turn)).permutation(self.sizes[part])
                shuffles[part] = turn, order
            yield self.starts[part] + int(shuffles[part][1][index])

    def _parts(self) -> np.ndarray:
        """Choose the part of each draw, the same in all processes: the one that lags most."""
        share = np.asarray(self.ratio) / sum(self.ratio)
        count = np.zeros(len(share))
        parts = np.zeros(self.num_samples, dtype=np.int64)
        for draw in range(self.num_samples):
            parts[draw] = np.argmax(share * (draw + 1) - count)
            count[parts[draw]] += 1
        return parts


def _checked(ratio: Sequence[float], sizes: Sequence[int]) -> list[float]:
    """Return the ratio, if it fits parts of these sizes."""
    values = [float(value) for value in ratio]
    if len(values) != len(sizes):
        raise UserError(
            f"RatioSampler: ratio has {len(values)} numbers, the data set {len(sizes)} parts"
        )
    if not all(0 <= value < np.inf for value in values) or values[0] <= 0:
        raise UserError(f"RatioSampler: ratio={values}; numbers >= 0, the first above 0")
    for place, (value, size) in enumerate(zip(values, sizes, strict=True)):
        if value > 0 and not size:
            raise UserError(
                f"RatioSampler: part {place} of the data set is empty; its ratio is {value:g}"
            )
    return values
