"""Command: labelled audio to sharded TFRecords of log-mel spectrograms.

    python -m data_pipeline.preprocess --source=csv --audio_dir=sounds \\
        --labels_csv=labels.csv --output_dir=data/sounds --clip_seconds=5

Other machines do the work with `--runner`; what follows `--` are flags of
Apache Beam:

    python -m data_pipeline.preprocess ... --runner=FlinkRunner -- \\
        --flink_master=host:8081
"""

import logging
import pathlib

from absl import flags

from data_pipeline import assembly
from data_pipeline import job
from data_pipeline import plan
from data_pipeline import report
from data_pipeline import source_flags
from data_pipeline.config import PreprocessConfig
from data_pipeline.process_pool import ProcessPool
from ofa_aec_tf.audio.frontend import FrontendConfig
from ofa_aec_tf.command_flags import command_line
from ofa_aec_tf.command_flags import flagfiles
from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.data.class_map import ClassMap
from ofa_aec_tf.runs import machine
from ofa_aec_tf.runs import text_tables
from ofa_aec_tf.runs import workdir

LOCAL_RUNNER = "local"

_DEFAULTS = FrontendConfig()

_OUTPUT_DIR = path_flags.define_path(
    "output_dir", None, "Directory for the TFRecords.", required=True
)
_CLIP_SECONDS = flags.DEFINE_float(
    "clip_seconds",
    10.0,
    "Length of every clip: longer ones are cropped, shorter ones padded.",
)
_NUM_SHARDS = flags.DEFINE_integer(
    "num_shards",
    None,
    "TFRecord files of each split. By default one for about "
    f"{plan.CLIPS_PER_SHARD} clips, and at least {plan.MIN_SHARDS}; fewer "
    f"where they would hold less than {plan.MIN_CLIPS_PER_SHARD} clips.",
    lower_bound=1,
)
_RUNNER = flags.DEFINE_string(
    "runner",
    LOCAL_RUNNER,
    f"{LOCAL_RUNNER}: processes of this machine. Any other name is a runner of "
    "Apache Beam, such as FnApiRunner, FlinkRunner, SparkRunner or "
    "DataflowRunner, whose own flags follow after `--`.",
)
_NUM_WORKERS = flags.DEFINE_integer(
    "num_workers",
    machine.num_cores(),
    f"Processes of --runner={LOCAL_RUNNER} and FnApiRunner.",
    lower_bound=1,
)
_ISOLATE = flags.DEFINE_bool(
    "isolate",
    False,
    "Whether to decode in processes of their own, so that a file that makes a "
    "decoder crash or hang is skipped like any other bad one.",
)
_CLIP_TIMEOUT_SECONDS = flags.DEFINE_float(
    "clip_timeout_seconds",
    60.0,
    "With --isolate: what takes longer than this is skipped.",
    lower_bound=0.1,
)
_MAX_BAD_FRACTION = flags.DEFINE_float(
    "max_bad_fraction",
    0.05,
    "The job fails, after all its lists are written, if a larger share of the "
    "clips had to be skipped.",
    lower_bound=0,
    upper_bound=1,
)
_OVERWRITE = flags.DEFINE_bool(
    "overwrite",
    False,
    "Whether to replace a finished data set in --output_dir by one of another "
    "source, of other settings, or without some of its clips.",
)
_SAMPLE_RATE_HZ = flags.DEFINE_integer(
    "sample_rate_hz", _DEFAULTS.sample_rate_hz, "Rate of the waveforms."
)
_WINDOW_SAMPLES = flags.DEFINE_integer(
    "window_samples", _DEFAULTS.window_samples, "Length of window and FFT."
)
_HOP_SAMPLES = flags.DEFINE_integer(
    "hop_samples", _DEFAULTS.hop_samples, "Distance between two frames."
)
_NUM_MEL_BINS = flags.DEFINE_integer(
    "num_mel_bins", _DEFAULTS.num_mel_bins, "Mel bands."
)
_MIN_FREQUENCY_HZ = flags.DEFINE_float(
    "min_frequency_hz", _DEFAULTS.min_frequency_hz, "Lower edge of the bands."
)
_MAX_FREQUENCY_HZ = flags.DEFINE_float(
    "max_frequency_hz", _DEFAULTS.max_frequency_hz, "Upper edge of the bands."
)


def _make_runner(beam_arguments):
    if _CLIP_TIMEOUT_SECONDS.present and not _ISOLATE.value:
        raise ValueError("--clip_timeout_seconds needs --isolate.")
    isolation_seconds = _CLIP_TIMEOUT_SECONDS.value if _ISOLATE.value else None
    if _RUNNER.value == LOCAL_RUNNER:
        if beam_arguments:
            raise ValueError(
                "Expected only flags, such as --name=value. What follows `--` "
                "are flags of Apache Beam, for another --runner than "
                f"{LOCAL_RUNNER}. Received: {beam_arguments}"
            )
        return ProcessPool(_NUM_WORKERS.value, isolation_seconds)
    if _NUM_WORKERS.present and _RUNNER.value.lower() not in (
        "fnapirunner",
        "directrunner",
    ):
        raise ValueError(
            f"--num_workers is for --runner={LOCAL_RUNNER} and FnApiRunner. "
            f"That of {_RUNNER.value} follows after `--`."
        )
    # Beam warns of libraries that only Google's cloud needs.
    logging.disable(logging.WARNING)
    try:
        # Not needed, and perhaps not installed, where the runner is local.
        from data_pipeline.beam_runner import BeamRunner
    except ImportError as error:
        raise ValueError(
            f"--runner={_RUNNER.value} needs Apache Beam: pip install "
            f"'ofa_aec_tf[beam]' ({error})"
        ) from error
    finally:
        logging.disable(logging.NOTSET)
    runner = BeamRunner(
        _RUNNER.value,
        tuple(beam_arguments),
        _NUM_WORKERS.value,
        isolation_seconds,
    )
    # A mistake in them should not wait for the plan to be made.
    runner.options()
    return runner


def _counts(counts) -> str:
    text = ", ".join(f"{n} {code}" for code, n in sorted(counts.items()))
    return f"{sum(counts.values())}" + (text and f" ({text})")


def _print_summary(result, output_dir):
    dataset, content = result.dataset, result.report
    rows = [("split", "clips", "shards", "MiB")]
    for name, split in dataset.splits.items():
        num_bytes = sum(shard.num_bytes for shard in split.shards)
        rows.append(
            (
                name,
                str(split.num_clips),
                str(len(split.shards)),
                f"{num_bytes / 2**20:.1f}",
            )
        )
    lines = ["", text_tables.aligned(rows), ""]
    lines += [*report.class_table(content), ""]
    lines.append(
        f"classes      {len(dataset.class_map)} ({dataset.label_type})"
    )
    lines.append(f"skipped      {_counts(content['skipped'])}")
    for title, key in (("noted", "notes"), ("rows", "rows")):
        if content[key]:
            lines.append(f"{title:<13}{_counts(content[key])}")
    if content["unused_columns"]:
        lines.append(
            f"unused       columns: {report.named(content['unused_columns'])}"
        )
    lines += [f"source       {text}" for text in content["remarks"]]
    lines += report.summary(content)
    num_written = content["num_clips"] - result.num_reused
    lines.append(
        f"speed        {num_written / result.seconds:.0f} clips/s "
        f"({num_written} written in {result.seconds:.1f} s, "
        f"{result.num_reused} kept from an earlier run)"
    )
    lines.append(f"written to   {output_dir}")
    for counts, file, what in (
        (content["skipped"], assembly.DEAD_LETTERS, "skipped clips"),
        (content["notes"], assembly.NOTES, "notes"),
    ):
        if counts:
            lines.append(f"{what} are listed in {output_dir}/{file}")
    lines += [f"warning: {text}" for text in content["warnings"]]
    if content["warnings"]:
        lines.append(f"all names are in {output_dir}/{assembly.REPORT}")
    print("\n".join(lines))


def main(beam_arguments):
    """Preprocesses as the flags say.

    Args:
        beam_arguments: list of str, what follows `--`.
    """
    runner = _make_runner(beam_arguments)
    frontend_config = FrontendConfig(
        sample_rate_hz=_SAMPLE_RATE_HZ.value,
        window_samples=_WINDOW_SAMPLES.value,
        hop_samples=_HOP_SAMPLES.value,
        num_mel_bins=_NUM_MEL_BINS.value,
        min_frequency_hz=_MIN_FREQUENCY_HZ.value,
        max_frequency_hz=_MAX_FREQUENCY_HZ.value,
    )
    # A mistake should not wait for the source to be read.
    job.check_output(_OUTPUT_DIR.value)
    chosen = source_flags.read(_CLIP_SECONDS.value)
    config = PreprocessConfig(
        frontend=frontend_config,
        clip_seconds=_CLIP_SECONDS.value,
        class_map=chosen.class_names and ClassMap(chosen.class_names),
        label_type=chosen.label_type,
    )
    result = job.run(
        chosen.clips,
        config,
        _OUTPUT_DIR.value,
        chosen.record,
        num_shards=_NUM_SHARDS.value,
        runner=runner,
        terms=job.Terms(
            max_bad_fraction=_MAX_BAD_FRACTION.value,
            # Few of the videos of AudioSet are still to be had.
            may_lose_classes=chosen.record["source"] == "audioset",
            overwrite=_OVERWRITE.value,
        ),
        remarks=lambda: {
            "rows": dict(sorted(chosen.notes.items())),
            "unused_columns": list(chosen.unused_columns),
            "remarks": list(chosen.remarks),
        },
    )
    # Asked for once: a run from the record may not replace anything.
    flags.FLAGS[_OVERWRITE.name].unparse()
    workdir.write_text(
        pathlib.Path(_OUTPUT_DIR.value) / workdir.RESOLVED_FLAGS,
        flagfiles.recorded(),
    )
    _print_summary(result, _OUTPUT_DIR.value)


if __name__ == "__main__":
    command_line.run(main, takes_arguments=True)
