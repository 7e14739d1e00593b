"""Pareto dominance: quality to maximize, costs to minimize."""

import dataclasses
from collections.abc import Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class Point:
    """What a network achieves and what it costs.

    Args:
        quality: float. The more the better, such as mAP.
        costs: tuple of numbers. The less the better, each.
    """

    quality: float
    costs: tuple[float, ...]


def dominates(point: Point, other: Point) -> bool:
    """Whether `point` is nowhere worse than `other` and somewhere better."""
    pairs = list(zip(point.costs, other.costs, strict=True))
    return (
        point.quality >= other.quality
        and all(cost <= of_other for cost, of_other in pairs)
        and (
            point.quality > other.quality
            or any(cost < of_other for cost, of_other in pairs)
        )
    )


def front(points: Sequence[Point]) -> list[int]:
    """The points that no other one dominates.

    Args:
        points: Points with equally many costs. Equal ones stay all.

    Returns:
        list of int, indices into `points`, by ascending costs.

    Raises:
        ValueError: if the numbers of costs differ, or a value is NaN.
    """
    if not points:
        return []
    num_costs = {len(point.costs) for point in points}
    if len(num_costs) != 1:
        raise ValueError(
            f"All points need equally many costs. Received: {sorted(num_costs)}"
        )
    # Quality as one more cost, so that less is better in every column.
    values = np.array([(-p.quality, *p.costs) for p in points], np.float64)
    if np.isnan(values).any():
        raise ValueError(
            "A point with NaN has no place on a front; leave failed trials "
            f"out. Received: {int(np.isnan(values).any(axis=1).sum())} of "
            f"{len(points)} points with NaN"
        )
    kept = [
        index
        for index, value in enumerate(values)
        if not (
            (values <= value).all(axis=1) & (values < value).any(axis=1)
        ).any()
    ]
    return sorted(kept, key=lambda i: (points[i].costs, -points[i].quality, i))


def hypervolume(points: Sequence[Point], reference: Point) -> float:
    """How much of the space between a bad point and the best is dominated.

    Args:
        points: Points with equally many costs.
        reference: Point. Its quality is the lowest and its costs the highest
            that count; what is worse in anything adds nothing.

    Returns:
        float, 0 without any point. Costs on scales of their own count by the
        product of all: divide them by a maximum first.
    """
    worst = np.array([-reference.quality, *reference.costs], np.float64)
    # What is dominated adds nothing but time.
    best = [points[index] for index in front(points)]
    values = np.array(
        [(-p.quality, *p.costs) for p in best], np.float64
    ).reshape(-1, len(worst))
    return float(_dominated(values[(values < worst).all(axis=1)], worst))


def _dominated(values, worst) -> float:
    """Volume between points and the worst, in slices of the last axis."""
    if not len(values):
        return 0.0
    if len(worst) == 1:
        return float(worst[0] - values.min())
    values = values[np.argsort(values[:, -1], kind="stable")]
    ends = [*values[1:, -1], worst[-1]]
    return sum(
        (end - value[-1]) * _dominated(values[: index + 1, :-1], worst[:-1])
        for index, (value, end) in enumerate(zip(values, ends))
        if end > value[-1]
    )
