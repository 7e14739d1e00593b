"""Workers: how many there are, and where they run."""

import dataclasses
import logging
import pathlib
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Protocol

from data_pipeline.runners import shard_task
from data_pipeline.runners.processes import run_all
from ofa_aec_tf.checks import settings
from ofa_aec_tf.checks.settings import setting
from ofa_aec_tf.runs import machine

_LOCAL = "local"
# Beam ignores the case of these.
_BEAM_ON_THIS_MACHINE = ("fnapirunner", "directrunner")


class Runner(Protocol):
    """Has shards written, somewhere."""

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


@dataclasses.dataclass(frozen=True)
class ProcessPool:
    """A runner that needs only this machine.

    Args:
        num_workers: int. Number of processes; 1 is this process.
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
        """Writes shards, as `Runner.run`."""
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


@dataclasses.dataclass(frozen=True)
class RunnerSettings(settings.Settings):
    """Which runner writes the shards."""

    runner: str = setting(
        _LOCAL,
        f"{_LOCAL}: processes of this machine. Any other name is a runner of "
        "Apache Beam, such as FnApiRunner, FlinkRunner, SparkRunner or "
        "DataflowRunner, whose own flags follow after `--`.",
    )
    num_workers: int | None = setting(
        None,
        f"Processes of --runner={_LOCAL} and FnApiRunner. By default one for "
        "each core.",
        at_least=1,
    )
    isolate: bool = setting(
        False,
        "Whether to decode in separate processes, so that a file that makes a "
        "decoder crash or hang is skipped like any other bad one.",
    )
    clip_timeout_seconds: float = setting(
        60.0,
        "With --isolate: clips that take longer than this are skipped.",
        at_least=0.1,
        when={"isolate": True},
    )

    def make(self, beam_arguments: Sequence[str] = ()) -> Runner:
        """Makes the runner.

        Args:
            beam_arguments: sequence of str. Flags of Apache Beam.

        Raises:
            ValueError: if Beam is not installed, or something given is not for
                this runner.
        """
        isolation_seconds = self.clip_timeout_seconds if self.isolate else None
        num_workers = self.num_workers or machine.num_cores()
        if self.runner == _LOCAL:
            if beam_arguments:
                raise ValueError(
                    "Expected only flags, such as --name=value. What follows "
                    "`--` are flags of Apache Beam, for another --runner than "
                    f"{_LOCAL}. Received: {list(beam_arguments)}"
                )
            return ProcessPool(num_workers, isolation_seconds)
        if (
            self.num_workers is not None
            and self.runner.lower() not in _BEAM_ON_THIS_MACHINE
        ):
            raise ValueError(
                f"--num_workers is for --runner={_LOCAL} and FnApiRunner. "
                f"That of {self.runner} follows after `--`."
            )
        # Beam warns of libraries that only Google's cloud needs.
        logging.disable(logging.WARNING)
        try:
            # Optional, and not needed by the local runner.
            from data_pipeline.runners.beam_runner import BeamRunner
        except ImportError as error:
            raise ValueError(
                f"--runner={self.runner} needs Apache Beam: pip install "
                f"'ofa_aec_tf[beam]' ({error})"
            ) from error
        finally:
            logging.disable(logging.NOTSET)
        runner = BeamRunner(
            self.runner, tuple(beam_arguments), num_workers, isolation_seconds
        )
        # A mistake in them should not wait for the plan to be made.
        runner.options()
        return runner
