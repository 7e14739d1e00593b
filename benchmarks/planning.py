"""Times the plan of a job over an AudioSet of many rows, and its memory.

python benchmarks/planning.py --num_rows=100000

It lays out a synthetic AudioSet (the files are hard links to a few short ones)
in a temporary directory, reads its tables, looks its files up and divides the
clips into shards, as `data_pipeline.preprocess --source=audioset` does before
it decodes. A tenth of the rows comes first, in a process of its own. The last
line is a JSON object.
"""

import os
import pathlib
import tempfile
import time

import measurement
import numpy as np
import soundfile
from absl import flags

from data_pipeline.shards.config import PreprocessConfig
from data_pipeline.shards.plan import Plan
from data_pipeline.shards.plan import PlanBuilder
from data_pipeline.sources.audioset import AudioSetSettings
from ofa_aec_tf.audio.frontend import FrontendConfig
from ofa_aec_tf.command_flags import command_line
from ofa_aec_tf.data.class_map import ClassMap

_WHAT = "planning"
# File systems limit the links of one file, ext4 to 65,000.
_LINKS_PER_FILE = 20_000
_NUM_CLASSES = measurement.NUM_CLASSES
_ID_CHARACTERS = (
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
)

measurement.define_what(_WHAT)
measurement.define_flags("seed")
_NUM_ROWS = flags.DEFINE_integer(
    "num_rows", 100_000, "Rows of the segments table.", lower_bound=10
)
_DIRECTORY = flags.DEFINE_string(
    "directory", None, "Plan once, in this process, what is laid out there."
)


def _youtube_ids(rng, number):
    letters = rng.integers(len(_ID_CHARACTERS), size=(number, 11))
    characters = np.array(list(_ID_CHARACTERS))
    return sorted({"".join(row) for row in characters[letters].tolist()})


def _lay_out(directory, num_rows, rng):
    """Writes audio, classes and a segments table."""
    audio_dir = directory / "audio"
    audio_dir.mkdir()
    mids = [f"/m/{number:05x}" for number in range(_NUM_CLASSES)]
    with open(directory / "classes.csv", "w", encoding="utf-8") as file:
        file.write("index,mid,display_name\n")
        for number, mid in enumerate(mids):
            file.write(f'{number},{mid},"Sound, kind {number}"\n')
    original = None
    with open(directory / "train.csv", "w", encoding="utf-8") as file:
        file.write("# YTID, start_seconds, end_seconds, positive_labels\n")
        for number, youtube_id in enumerate(_youtube_ids(rng, num_rows)):
            labels = rng.choice(mids, rng.integers(1, 5), replace=False)
            file.write(f'{youtube_id}, 30.000, 40.000, "{",".join(labels)}"\n')
            path = audio_dir / f"Y{youtube_id}.wav"
            if number % _LINKS_PER_FILE:
                os.link(original, path)
            else:
                soundfile.write(path, np.zeros(3200), 32000)
                original = path


def _plan(directory):
    """Plans what is laid out in a directory; returns what it cost."""
    before_mib = measurement.peak_rss_mib()
    start = time.perf_counter()
    source = AudioSetSettings(
        audio_dir=directory / "audio",
        class_labels_csv=directory / "classes.csv",
        train_segments=[directory / "train.csv"],
        validation_fraction=0.05,
    ).open()
    with PlanBuilder(directory / "plan", "multi_label") as builder:
        builder.add(source.rows)
        builder.divide(
            PreprocessConfig(
                FrontendConfig(),
                10.0,
                ClassMap(source.class_names),
                "multi_label",
            ),
            None,
        )
    seconds = time.perf_counter() - start
    peak_mib = measurement.peak_rss_mib()
    with Plan(directory / "plan") as plan:
        shards = plan.shards()
        start = time.perf_counter()
        plan.shard(len(shards) // 2)
        shard_seconds = time.perf_counter() - start
    num_clips = sum(shard.num_clips for shard in shards)
    return {
        "rows": num_clips,
        "shards": len(shards),
        "seconds": seconds,
        "rows_per_second": num_clips / seconds,
        "read_shard_seconds": shard_seconds,
        "plan_mib": (directory / "plan").stat().st_size / 2**20,
        "peak_rss_mib": peak_mib,
        "peak_rss_before_mib": before_mib,
    }


def _run(num_rows):
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        rng = np.random.default_rng(flags.FLAGS.seed)
        _lay_out(directory, num_rows, rng)
        # In a process whose memory knows nothing of the layout.
        return measurement.run_benchmark(
            [*measurement.script_command(_WHAT), f"--directory={directory}"]
        )


def main(_):
    """Runs the benchmark."""
    if _DIRECTORY.value:
        measurement.print_json(_plan(pathlib.Path(_DIRECTORY.value)))
        return
    num_rows = _NUM_ROWS.value
    rows = [_run(number) for number in (num_rows // 10, num_rows)]
    for row in rows:
        print(
            f"{row['rows']} rows: {row['seconds']:.1f} s, "
            f"{row['peak_rss_mib']:.0f} MiB, plan {row['plan_mib']:.0f} MiB, "
            f"{row['shards']} shards"
        )
    measurement.print_json(
        {
            "engine": measurement.engine(),
            "what": _WHAT,
            "bytes_per_row": (rows[1]["peak_rss_mib"] - rows[0]["peak_rss_mib"])
            * 2**20
            / (rows[1]["rows"] - rows[0]["rows"]),
            "rows": rows,
            "machine": measurement.machine(),
        }
    )


if __name__ == "__main__":
    command_line.run(main)
