"""Times preprocessing: audio files to TFRecords of log-mel spectrograms.

python benchmarks/preprocessing.py --audio_dir=ESC-50/audio --pairs=5

It runs, in turn and each in a process of its own, our job with one worker, the
same chain made of librosa (load with soxr HQ, mel spectrogram, decibels; our
records) in one process without other threads, and our job with --num_workers.
Our worker has the environment that a job gives its workers.
Then our job with one worker and a tenth of the clips: its memory, and that of
the first run, is of a process that does all the work. Files are used again
until there are --num_clips. The last line is a JSON object with the medians of
the clips a second, `ratio_to_librosa`, `ratio_of_workers` and `memory_ratio`,
that of the peak resident memory with all clips and with a tenth.
"""

import pathlib
import statistics
import tempfile
import time

import measurement
from absl import flags

from data_pipeline.clips.clip import ClipRow
from data_pipeline.jobs import job
from data_pipeline.runners.processes import environment
from data_pipeline.runners.runner import ProcessPool
from data_pipeline.runners.shard_task import WORKER_ENVIRONMENT
from data_pipeline.shards.config import PreprocessConfig
from ofa_aec_tf import audio
from ofa_aec_tf.audio import AUDIO_SUFFIXES
from ofa_aec_tf.audio.frontend import FrontendConfig
from ofa_aec_tf.command_flags import command_line
from ofa_aec_tf.data import records
from ofa_aec_tf.data.class_map import ClassMap
from ofa_aec_tf.runs import machine

_WHAT = "preprocessing"
_ENGINES = ("ours", "librosa")

measurement.define_what(_WHAT)
_AUDIO_DIR = flags.DEFINE_string(
    "audio_dir", None, "Directory of audio files.", required=True
)
_NUM_CLIPS = flags.DEFINE_integer(
    "num_clips", 1200, "Clips of a run.", lower_bound=10
)
_CLIP_SECONDS = flags.DEFINE_float("clip_seconds", 10.0, "Of every clip.")
_NUM_WORKERS = flags.DEFINE_integer(
    "num_workers",
    machine.num_cores(),
    "Processes of the third run.",
    lower_bound=1,
)
_PAIRS = flags.DEFINE_integer("pairs", 5, "Runs of each.", lower_bound=1)
_ENGINE = flags.DEFINE_enum(
    "engine", None, _ENGINES, "Make one run only, of this, and print it."
)


def _rows():
    files = sorted(
        path
        for path in pathlib.Path(_AUDIO_DIR.value).iterdir()
        if path.suffix.lower() in AUDIO_SUFFIXES
    )
    if not files:
        raise ValueError(f"There are no audio files in {_AUDIO_DIR.value}.")
    return [
        ClipRow(f"clip-{n}", str(files[n % len(files)]), ("event",), "train")
        for n in range(_NUM_CLIPS.value)
    ]


def _run_ours(rows, directory):
    """Seconds of the job."""
    config = PreprocessConfig(
        FrontendConfig(),
        _CLIP_SECONDS.value,
        ClassMap(("event",)),
        "multi_label",
    )
    start = time.perf_counter()
    job.run(
        rows,
        config,
        directory,
        {},
        # Enough that workers end together.
        job.Terms(num_shards=max(2, len(rows) // 50)),
        ProcessPool(_NUM_WORKERS.value),
    )
    return time.perf_counter() - start


def _run_librosa(rows, directory):
    """Seconds of the same work by librosa."""
    import librosa

    config = FrontendConfig()
    num_samples = config.num_samples(_CLIP_SECONDS.value)

    def log_mel(row):
        waveform, _ = librosa.load(row.path, sr=config.sample_rate_hz)
        power = librosa.feature.melspectrogram(
            y=audio.fit_length(waveform, num_samples),
            sr=config.sample_rate_hz,
            n_fft=config.window_samples,
            hop_length=config.hop_samples,
            n_mels=config.num_mel_bins,
            fmin=config.min_frequency_hz,
            fmax=config.max_frequency_hz,
            pad_mode="reflect",
        )
        return librosa.power_to_db(
            power, amin=config.power_floor, top_db=None
        ).T

    # Its imports are lazy: the first clip pays for them.
    log_mel(rows[0])
    start = time.perf_counter()
    with records.RecordFileWriter(directory / "librosa.tfrecord") as writer:
        for row in rows:
            writer.write(records.encode_record(row.clip_id, log_mel(row), [0]))
        writer.finish()
    return time.perf_counter() - start


def _run_here():
    """One run of `--engine` in this process."""
    rows = _rows()
    run = _run_ours if _ENGINE.value == "ours" else _run_librosa
    with tempfile.TemporaryDirectory() as name:
        seconds = run(rows, pathlib.Path(name))
    measurement.print_json(
        {
            "clips_per_second": len(rows) / seconds,
            "peak_rss_mib": measurement.peak_rss_mib(),
        }
    )


def _run_child(engine, num_workers, num_clips):
    # A job gives it to its workers; one worker is the process itself. The peer
    # is kept to one core: threads of linear algebra would take others.
    values = {
        name: value
        for name, value in WORKER_ENVIRONMENT.items()
        if engine == "ours" or name.endswith("_NUM_THREADS")
    }
    with environment(values):
        return measurement.run_benchmark(
            [
                *measurement.script_command(_WHAT),
                f"--audio_dir={_AUDIO_DIR.value}",
                f"--clip_seconds={_CLIP_SECONDS.value}",
                f"--engine={engine}",
                f"--num_workers={num_workers}",
                f"--num_clips={num_clips}",
            ]
        )


def main(_):
    """Runs the benchmark."""
    if _ENGINE.value:
        _run_here()
        return
    _rows()
    num_workers, num_clips = _NUM_WORKERS.value, _NUM_CLIPS.value
    runs = {
        "ours": ("ours", 1, num_clips),
        "librosa": ("librosa", 1, num_clips),
        "workers": ("ours", num_workers, num_clips),
    }
    speeds = {name: [] for name in runs}
    peaks_mib = []
    for pair in range(_PAIRS.value):
        for name, arguments in runs.items():
            result = _run_child(*arguments)
            speeds[name].append(result["clips_per_second"])
            if name == "ours":
                peaks_mib.append(result["peak_rss_mib"])
            print(
                f"pair {pair}, {name}: {speeds[name][-1]:.4g} clips/s",
                flush=True,
            )
    few = _run_child("ours", 1, num_clips // 10)
    medians = {name: statistics.median(of) for name, of in speeds.items()}
    result = {
        "engine": measurement.engine("librosa"),
        "what": _WHAT,
        "num_clips": num_clips,
        "clip_seconds": _CLIP_SECONDS.value,
        "num_workers": num_workers,
        "pairs": _PAIRS.value,
        "clips_per_second": medians,
        "ratio_to_librosa": medians["ours"] / medians["librosa"],
        "ratio_of_workers": medians["workers"] / medians["ours"],
        "peak_rss_mib": max(peaks_mib),
        "memory_ratio": max(peaks_mib) / few["peak_rss_mib"],
        "machine": measurement.machine(),
    }
    print(
        f"one worker: {result['ratio_to_librosa']:.3f} times librosa; "
        f"{num_workers} workers: {result['ratio_of_workers']:.3f} times one; "
        f"memory with {num_clips} clips: {result['memory_ratio']:.3f} times "
        f"that with {num_clips // 10}"
    )
    measurement.print_json(result)


if __name__ == "__main__":
    command_line.run(main)
