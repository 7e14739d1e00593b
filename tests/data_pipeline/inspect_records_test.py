"""The inspect command, run as a user runs it."""

import dataclasses
import json

import numpy as np
import pytest
from matplotlib import image

from data_pipeline.reports import single_record
from ofa_aec_tf.audio.frontend import FrontendConfig
from ofa_aec_tf.data import records
from tests import commands
from tests.synthetic_data import damage
from tests.synthetic_data import write_dataset


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    directory = tmp_path_factory.mktemp("data")
    return (directory, *write_dataset(directory, num_clips=(10, 4, 4)))


def _inspect(data_dir, *arguments):
    return commands.run(
        "data_pipeline.inspect_records", f"--data_dir={data_dir}", *arguments
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["--split=test", "--index=3"],
        ["--clip_id=test-3"],
        ["--clip_id=test-3", "--split=test"],
    ],
)
def test_a_record_is_described(data, arguments):
    directory, info, clips = data
    result = _inspect(directory, *arguments)
    assert result.returncode == 0, result.stderr
    log_mel, labels = clips["test-3"]
    name = info.splits["test"].shards[1].file
    offset = json.loads(records.side_car_path(directory / name).read_text())[
        "offsets"
    ][1]
    names = ", ".join(("low", "middle", "high")[label] for label in labels)
    assert result.stdout.splitlines() == [
        "id      test-3",
        "split   test, record 3",
        f"shard   {name}, byte {offset}",
        f"labels  {names}",
        "shape   51 frames x 64 mel bands (0.5 s)",
        f"dB      min {log_mel.min():.1f}, mean {log_mel.mean():.1f}, max "
        f"{log_mel.max():.1f}",
    ]


def test_by_default_it_is_the_first_training_clip(data):
    result = _inspect(data[0])
    assert result.stdout.startswith("id      train-0\nsplit   train, record 0")


def test_a_picture_is_drawn(data, tmp_path):
    path = tmp_path / "pictures" / "clip.png"
    result = _inspect(data[0], f"--png={path}")
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == f"wrote {path}"
    pixels = image.imread(path)
    assert pixels.shape[:2] == (600, 1500)
    assert pixels[..., :3].std() > 0.1


def test_the_mel_bands_are_where_their_frequencies_are():
    config = FrontendConfig()
    centers_hz = single_record._band_centers_hz(config)
    # Slaney's scale by hand: 15 mel to 1 kHz, then 27 a factor of 6.4.
    highest = 15 + 27 * np.log(14) / np.log(6.4)
    mel = np.linspace(0.75, highest, 66)[1:-1]
    expected = np.where(
        mel < 15, mel * 200 / 3, 1000 * 6.4 ** ((mel - 15) / 27)
    )
    np.testing.assert_allclose(centers_hz, expected, rtol=0.01, atol=8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--index=10"], "has the records 0 to 9. Received: 10"),
        (["--index=-1"], "has the records 0 to 9. Received: -1"),
        (["--clip_id=x", "--index=1"], "either --clip_id or --index"),
        (
            ["--clip_id=test-9"],
            "No clip of train, validation, test has this id; 0 records are "
            "damaged and cannot tell. Received: 'test-9'",
        ),
        (["--clip_id=test-3", "--split=train"], "No clip of train has this"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(data, arguments, message):
    result = _inspect(data[0], *arguments)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert message in line


def test_damaged_records_are_told_or_passed_over(tmp_path):
    info, _ = write_dataset(tmp_path, num_clips=(10, 4, 4))
    damage(tmp_path / info.splits["train"].shards[0].file, 3000)
    with pytest.raises(ValueError, match="at byte 0 is damaged"):
        single_record.record_at(tmp_path, info, "train", 0)
    splits = ("train",)
    found = single_record.record_of_clip(tmp_path, info, splits, "train-7")
    assert found.number == 8
    with pytest.raises(ValueError, match="1 records are damaged"):
        single_record.record_of_clip(tmp_path, info, splits, "train-0")


def test_names_with_dollar_signs_and_long_names_are_drawn(data, tmp_path):
    directory, info, _ = data
    found = single_record.record_at(directory, info, "train", 0)
    odd = dataclasses.replace(
        found,
        record=dataclasses.replace(
            found.record, clip_id="a$b_{c$ " + "very " * 40, labels=()
        ),
    )
    single_record.draw(tmp_path / "odd.png", odd, info)
    assert (tmp_path / "odd.png").stat().st_size > 10_000
    assert "labels  none" in single_record.describe(odd, info)
