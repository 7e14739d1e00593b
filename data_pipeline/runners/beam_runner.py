"""Writes the shards of a plan in an Apache Beam pipeline (extra `[beam]`).

An element of the pipeline is the number of a shard. The worker reads the clips
of the shard from the plan, and writes its file and side-car. Only numbers are
shuffled, so memory does not grow with the corpus, and a bundle that is retried
writes the same bytes again. Plan, audio and output must have the same paths on
all workers.
"""

import dataclasses
import logging
import os
import pathlib
import tempfile
import threading
import time
from collections.abc import Iterator
from collections.abc import Sequence

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.metrics.metric import MetricsFilter
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners import create_runner

from data_pipeline.runners import shard_task
from ofa_aec_tf.runs import workdir

LOCAL_RUNNER = "FnApiRunner"
COUNTERS = "preprocess"
FAILURES = "preprocess_failures"

# It logs every port that it opens.
logging.getLogger("apache_beam").setLevel(logging.ERROR)

# It tries to download a program, and falls back to LOCAL_RUNNER.
_DOWNLOADING_RUNNER = "DirectRunner"
_POLL_SECONDS = 0.5
# A network file system may show files of other machines so late.
_LATE_SECONDS = 60.0


class WriteShard(beam.DoFn):
    """Writes a shard, and its summary into a directory of receipts.

    If the output cannot be written, the error becomes the name of a counter:
    that needs no disk, and Beam's log of an exception is hundreds of lines.
    Later shards are then skipped.

    Args:
        plan_path: str.
        output_dir: str.
        receipts_dir: str.
        isolation_seconds: as in `shard_task.run`.
    """

    def __init__(self, plan_path, output_dir, receipts_dir, isolation_seconds):
        self._arguments = (plan_path, output_dir, isolation_seconds)
        self._receipts_dir = receipts_dir
        self._has_failed = False

    def process(self, number):
        if self._has_failed:
            return
        plan_path, output_dir, isolation_seconds = self._arguments
        try:
            summary = shard_task.run(
                plan_path, number, output_dir, isolation_seconds
            )
            workdir.write_json(_receipt(self._receipts_dir, number), summary)
        except OSError as error:
            self._has_failed = True
            Metrics.counter(FAILURES, str(error)).inc()
            return
        for name, value in (
            ("shards", 1),
            ("shards_reused", int(summary["reused"])),
            ("clips", summary["num_records"]),
            ("clips_skipped", summary["num_dead_letters"]),
        ):
            Metrics.counter(COUNTERS, name).inc(value)


def _receipt(receipts_dir, number: int) -> pathlib.Path:
    return pathlib.Path(receipts_dir) / f"{number}.json"


class _Background(threading.Thread):
    """Runs a function without arguments, and does not block the exit."""

    def __init__(self, function):
        super().__init__(daemon=True)
        self._function = function
        self.error = None

    def run(self):
        try:
            self._function()
        except BaseException as error:
            self.error = error


@dataclasses.dataclass(frozen=True)
class BeamRunner:
    """Any runner of Apache Beam.

    Args:
        name: str. As Beam calls it, such as `FnApiRunner`, `DataflowRunner`,
            `FlinkRunner` or `PortableRunner`.
        arguments: tuple of str. Beam's own flags.
        num_workers: int. Processes of `FnApiRunner`; other runners have their
            own flags.
        isolation_seconds: as in `shard_task.run`.
    """

    name: str = LOCAL_RUNNER
    arguments: tuple[str, ...] = ()
    num_workers: int = 1
    isolation_seconds: float | None = None

    def options(self) -> PipelineOptions:
        """Parses Beam's options.

        Raises:
            ValueError: if there is no such runner, or a flag is unknown to
                Beam.
        """
        arguments = list(self.arguments)
        name = self.name
        # Beam ignores the case.
        if name.lower() in (LOCAL_RUNNER.lower(), _DOWNLOADING_RUNNER.lower()):
            name = LOCAL_RUNNER
        if name == LOCAL_RUNNER:
            # The last value of a flag counts, so the user's win.
            arguments = [
                "--direct_running_mode=multi_processing",
                f"--direct_num_workers={self.num_workers}",
                *arguments,
            ]
        try:
            create_runner(name)
        except ImportError as error:
            raise ValueError(
                f"The Beam runner {name} cannot be loaded: {error}"
            ) from error
        options = PipelineOptions([f"--runner={name}", *arguments])
        unknown = options.get_all_options(retain_unknown_options=True)
        known = options.get_all_options()
        surplus = sorted(set(unknown) - set(known))
        surplus += [
            argument
            for before, argument in zip(("", *self.arguments), self.arguments)
            if not argument.startswith("-")
            and ("=" in before or not before.startswith("-"))
        ]
        if surplus:
            raise ValueError(
                "What follows `--` are flags of Apache Beam. Received "
                f"unknown ones: {surplus}"
            )
        return options

    def run(
        self,
        plan_path: pathlib.Path,
        numbers: Sequence[int],
        output_dir: pathlib.Path,
    ) -> Iterator[dict]:
        """Writes shards, as `Runner.run`."""
        options = self.options()
        output_dir = output_dir.resolve()
        # A portable runner returns only counters to this process.
        with (
            tempfile.TemporaryDirectory(
                # A name that the next job removes, should this one be killed.
                dir=output_dir,
                prefix=f"{plan_path.name}.",
            ) as receipts_dir,
            shard_task.worker_settings(),
        ):
            # Workers may run as someone else.
            os.chmod(receipts_dir, 0o777)
            pipeline = _Background(
                lambda: self._run_pipeline(
                    options,
                    list(numbers),
                    WriteShard(
                        str(plan_path.resolve()),
                        str(output_dir),
                        receipts_dir,
                        self.isolation_seconds,
                    ),
                )
            )
            pipeline.start()
            yield from self._receipts(pipeline, receipts_dir, numbers)

    def _receipts(self, pipeline, receipts_dir, numbers) -> Iterator[dict]:
        pending = {_receipt(receipts_dir, number) for number in numbers}
        give_up_seconds = None
        while pending:
            pipeline.join(_POLL_SECONDS)
            is_done = not pipeline.is_alive()
            if is_done:
                if pipeline.error is not None:
                    raise pipeline.error
                give_up_seconds = (
                    give_up_seconds or time.monotonic() + _LATE_SECONDS
                )
            # Makes a network file system update its view.
            names = set(os.listdir(receipts_dir))
            for path in [path for path in pending if path.name in names]:
                pending.remove(path)
                yield workdir.read_json(path)
            if pending and is_done:
                if time.monotonic() > give_up_seconds:
                    raise ChildProcessError(
                        f"The runner {self.name} ended without writing "
                        f"{next(iter(pending))}. Is {receipts_dir} the same "
                        "directory on its workers?"
                    )
                time.sleep(_POLL_SECONDS)
        # The last file may be there before the runner has ended.
        pipeline.join()
        if pipeline.error is not None:
            raise pipeline.error

    def _run_pipeline(self, options, numbers, write_shard) -> None:
        try:
            pipeline = beam.Pipeline(options=options)
            (
                pipeline
                | "shards" >> beam.Create(numbers)
                | "spread" >> beam.Reshuffle()
                | "write" >> beam.ParDo(write_shard)
            )
            result = pipeline.run()
            state = result.wait_until_finish()
            failures = result.metrics().query(
                MetricsFilter().with_namespace(FAILURES)
            )["counters"]
        except Exception as error:
            # Beam raises what a worker raised, or a RuntimeError whose text is
            # the worker's trace. Its last line is the reason.
            lines = [line for line in str(error).splitlines() if line.strip()]
            raise ChildProcessError(
                f"The Beam runner {self.name} failed: "
                f"{lines[-1].strip() if lines else type(error).__name__}. "
                "Finished shards are kept."
            ) from error
        for failure in failures:
            raise OSError(
                f"{failure.key.metric.name}. Finished shards are kept."
            )
        if state != beam.runners.runner.PipelineState.DONE:
            raise ChildProcessError(
                f"The Beam runner {self.name} ended in the state {state}. "
                "Finished shards are kept."
            )
