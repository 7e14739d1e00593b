"""What every runner runs: writing one shard of a plan."""

import contextlib
import os
from collections.abc import Iterator
from collections.abc import Mapping

import threadpoolctl

from data_pipeline.clips import clip as clip_types
from data_pipeline.runners.isolated_renderer import IsolatedRenderer
from data_pipeline.runners.processes import environment
from data_pipeline.shards import shard_writer
from data_pipeline.shards.plan import Plan

# One thread each for linear algebra, as there is a worker for each core. And by
# default glibc returns every freed array to the system, only to fault its pages
# in again for the next clip. Both are read when a process starts.
WORKER_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": str(2**30),
    "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1),
}

# Too large to keep for thousands of shards: the job reads the side-cars, one
# after the other.
_LARGE_KEYS = ("offsets", "labels", "notes", "clips", "dead_letters")


def summary_of(side_car: Mapping) -> dict:
    """The short parts of a side-car, with the number of dead letters."""
    return {
        "num_dead_letters": len(side_car["dead_letters"]),
        **{k: v for k, v in side_car.items() if k not in _LARGE_KEYS},
    }


@contextlib.contextmanager
def worker_settings() -> Iterator[None]:
    """Settings while shards are written, in this process and in new ones.

    The number of threads decides the last bit of matrix products.
    """
    with (
        environment(WORKER_ENVIRONMENT),
        threadpoolctl.threadpool_limits(1, "blas"),
    ):
        yield


def run(
    plan_path: str | os.PathLike,
    number: int,
    output_dir: str | os.PathLike,
    isolation_seconds: float | None = None,
) -> dict:
    """Writes a shard, unless it exists already.

    Args:
        plan_path: path of the plan.
        number: int. Of the shard in the plan.
        output_dir: path of an existing directory.
        isolation_seconds: float or None. If given, clips are rendered in a
            separate process, and one that takes longer is skipped.

    Returns:
        dict: `summary_of` what `shard_writer.write_shard` returns.

    Raises:
        OSError: if the output cannot be written.
    """
    # Workers of Beam were not started with these settings.
    threadpoolctl.threadpool_limits(1, "blas")
    with Plan(plan_path) as plan, contextlib.ExitStack() as stack:
        render = clip_types.render
        if isolation_seconds is not None:
            renderer = IsolatedRenderer(isolation_seconds)
            render = stack.enter_context(renderer).render
        side_car = shard_writer.write_shard(
            plan.shard(number), output_dir, render, plan.earlier(output_dir)
        )
    return summary_of(side_car)
