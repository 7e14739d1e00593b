"""Runs the shards of a plan in processes of this machine."""

import dataclasses
import pathlib
from collections.abc import Iterator
from collections.abc import Sequence

from data_pipeline.runners import shard_task
from data_pipeline.runners.processes import run_all


@dataclasses.dataclass(frozen=True)
class ProcessPool:
    """A runner that needs nothing but this machine.

    Args:
        num_workers: int. Processes; with 1, this process does the work.
        isolation_seconds: as in `shard_task.run`.
    """

    num_workers: int = 1
    isolation_seconds: float | None = None

    def __post_init__(self):
        if self.num_workers < 1:
            raise ValueError(
                f"--num_workers must be positive. Received: {self.num_workers}"
            )

    def run(
        self,
        plan_path: pathlib.Path,
        numbers: Sequence[int],
        output_dir: pathlib.Path,
    ) -> Iterator[dict]:
        """Writes shards.

        Args:
            plan_path: path of the plan.
            numbers: sequence of int. The shards.
            output_dir: path of an existing directory.

        Yields:
            What `shard_task.run` returns, as shards are finished.

        Raises:
            OSError: if the output cannot be written, or a worker dies.
        """
        tasks = [
            (plan_path, number, output_dir, self.isolation_seconds)
            for number in numbers
        ]
        with shard_task.worker_settings():
            yield from run_all(
                shard_task.run,
                tasks,
                self.num_workers,
                "Or a decoder crashed. Finished shards are kept: run the "
                "command again, with fewer --num_workers or with --isolate.",
            )
