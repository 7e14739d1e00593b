"""Real recordings, damaged at random: a job takes them all."""

import json

import numpy as np
import pytest

from data_pipeline.clips.clip import ClipRow
from data_pipeline.jobs import job
from data_pipeline.reports import findings
from data_pipeline.runners.runner import ProcessPool
from data_pipeline.shards.config import PreprocessConfig
from ofa_aec_tf import audio
from ofa_aec_tf.audio.frontend import FrontendConfig
from ofa_aec_tf.data.class_map import ClassMap
from tests import esc10
from tests.audio import mutations
from tests.audio import sound_files

_NUM_FILES = 2000
_NUM_RECORDINGS = 20
_SECONDS = 2.0


def _contents(directory):
    """Recordings as they are, and their start in other formats."""
    recordings = sorted((esc10.DIRECTORY / "audio").glob("*.ogg"))
    for path in recordings[:_NUM_RECORDINGS]:
        yield path.read_bytes()
        waveform = audio.load_audio(path, 48000, _SECONDS)
        for options in (
            {"format": "WAV"},
            {"format": "FLAC"},
            {"format": "MP3"},
            {"format": "OGG", "subtype": "OPUS"},
        ):
            file = sound_files.write(
                directory / "file", waveform, 48000, **options
            )
            yield file.read_bytes()
        yield sound_files.write_with_av(
            directory / "file", waveform, "aac", "mp4", 48000
        ).read_bytes()
        yield sound_files.write_webm(directory / "file", waveform).read_bytes()


@pytest.mark.slow
@esc10.needs_recordings
def test_no_damage_stops_a_job_or_reaches_its_records(tmp_path):
    pytest.importorskip("av")
    contents = list(_contents(tmp_path))
    rows = []
    for index in range(_NUM_FILES):
        content = contents[index % len(contents)]
        path = tmp_path / f"{index}"
        path.write_bytes(
            mutations.mutate(content, index, np.random.default_rng(index))
        )
        rows.append(ClipRow(path.name, str(path), ("event",), "train"))
    result = job.run(
        rows,
        PreprocessConfig(
            FrontendConfig(), _SECONDS, ClassMap(("event",)), "multi_label"
        ),
        tmp_path / "out",
        {},
        job.Terms(max_bad_fraction=1.0),
        ProcessPool(2, isolation_seconds=20),
    )
    report = result.report
    assert report["num_clips"] + report["num_skipped"] == _NUM_FILES
    assert 0.1 < report["bad_fraction"] < 0.9
    # And nothing crashed a decoder, or let it hang.
    assert set(report["skipped"]) <= {
        "bad_sample_rate",
        "empty_file",
        "no_samples",
        "non_finite",
        "out_of_range",
        "too_short",
        "undecodable",
    }
    letters = (tmp_path / "out" / "dead_letters.jsonl").read_text()
    assert all(json.loads(line)["reason"] for line in letters.splitlines())
    # Among others: values that are not finite.
    reports = findings.verify_shards(tmp_path / "out", result.dataset, 2)
    assert not [f for shard_report in reports for f in shard_report.findings]
