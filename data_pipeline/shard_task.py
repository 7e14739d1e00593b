"""What every runner runs: one shard of a plan, named by its number."""

import os
from collections.abc import Mapping

from data_pipeline import shard_writer
from data_pipeline.isolation import IsolatedRenderer
from data_pipeline.plan import Plan

# Threads of linear algebra would fight over the cores of the other workers;
# and by default glibc gives every freed array back to the system, only to
# fault its pages in again for the next clip. Read when a process starts.
WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1),
}

# A driver of thousands of shards keeps what is returned; it reads these from
# the side-cars, one after the other.
_LARGE_KEYS = ("offsets", "labels", "notes", "dead_letters")


def summary_of(side_car: Mapping) -> dict:
    """The short part of a side-car, with the number of its dead letters."""
    return {
        "num_dead_letters": len(side_car["dead_letters"]),
        **{k: v for k, v in side_car.items() if k not in _LARGE_KEYS},
    }


def run(
    plan_path: str | os.PathLike,
    number: int,
    output_dir: str | os.PathLike,
    isolation_seconds: float | None = None,
) -> dict:
    """Writes a shard, unless it is there already.

    Args:
        plan_path: path of the plan.
        number: int. Of the shard in the plan.
        output_dir: path of an existing directory.
        isolation_seconds: float or None. If given, clips are rendered in a
            process of their own, and one that takes longer is given up.

    Returns:
        dict: `summary_of` what `shard_writer.write_shard` returns.

    Raises:
        OSError: if the output cannot be written.
    """
    with Plan(plan_path) as plan:
        shard = plan.shard(number)
    if isolation_seconds is None:
        side_car = shard_writer.write_shard(shard, output_dir)
    else:
        with IsolatedRenderer(isolation_seconds) as renderer:
            side_car = shard_writer.write_shard(
                shard, output_dir, renderer.render
            )
    return summary_of(side_car)
