"""Pareto dominance: quality to maximize, costs to minimize."""

import dataclasses
from collections.abc import Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class Point:
    """The quality and the costs of a network.

    Args:
        quality: float. Higher is better, as for mAP.
        costs: tuple of numbers. Lower is better for each.
    """

    quality: float
    costs: tuple[float, ...]


def dominates(point: Point, other: Point) -> bool:
    """Whether `point` is at least as good in all and better in something."""
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
    """The points that no other point dominates.

    Args:
        points: sequence of Points with the same number of costs. Equal points
            do not dominate each other.

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
            "Points need the same number of costs. "
            f"Received: {sorted(num_costs)}"
        )
    # Quality as one more cost, so that less is better in every column.
    values = np.array([(-p.quality, *p.costs) for p in points], np.float64)
    if np.isnan(values).any():
        raise ValueError(
            "A point with NaN cannot be on a front. Leave failed trials out. "
            f"Received: {int(np.isnan(values).any(axis=1).sum())} of "
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
    """The volume that points dominate, up to a reference point.

    Args:
        points: sequence of Points with the same number of costs.
        reference: Point. Points that are worse than it in anything add
            nothing.

    Returns:
        float, 0 without points. It is a product of all costs: bring them to
        one scale first.
    """
    worst = np.array([-reference.quality, *reference.costs], np.float64)
    # Dominated points add nothing to the volume.
    best = [points[index] for index in front(points)]
    values = np.array(
        [(-p.quality, *p.costs) for p in best], np.float64
    ).reshape(-1, len(worst))
    return float(_dominated(values[(values < worst).all(axis=1)], worst))


def _dominated(values, worst) -> float:
    """Volume between points and the worst one, by slices of the last axis."""
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
