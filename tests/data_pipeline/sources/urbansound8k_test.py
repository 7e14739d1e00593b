"""Tests of reading UrbanSound8K."""

import pytest

from data_pipeline.clips.clip import ClipRow
from data_pipeline.sources.urbansound8k import UrbanSound8KSettings

_TABLE = (
    "slice_file_name,fsID,start,end,salience,fold,classID,class\n"
    "100032-3-0-0.wav,100032,0.0,0.317551,1,5,3,dog_bark\n"
    "100263-2-0-117.wav,100263,58.5,62.5,1,5,2,children_playing\n"
    "100648-1-0-0.wav,100648,4.823402,5.471927,2,10,1,car_horn\n"
)


def _urbansound8k(tmp_path, audio="audio", metadata="metadata"):
    for fold in (5, 10):
        (tmp_path / audio / f"fold{fold}").mkdir(parents=True)
    (tmp_path / metadata).mkdir(exist_ok=True)
    (tmp_path / metadata / "UrbanSound8K.csv").write_text(_TABLE)
    return tmp_path


@pytest.mark.parametrize(
    ("audio", "metadata"), [("audio", "metadata"), (".", ".")]
)
def test_clips_are_in_the_folders_of_their_folds(tmp_path, audio, metadata):
    directory = _urbansound8k(tmp_path, audio, metadata)
    source = UrbanSound8KSettings(audio_dir=directory).open()
    rows = list(source.rows)
    assert rows[1] == ClipRow(
        "100263-2-0-117.wav",
        str(directory / audio / "fold5" / "100263-2-0-117.wav"),
        ("children_playing",),
        group="100263",
        fold=5,
    )
    assert [row.fold for row in rows] == [5, 5, 10]
    assert source.class_names == ("car_horn", "children_playing", "dog_bark")


def test_another_layout_is_refused_with_what_is_there(tmp_path):
    (_urbansound8k(tmp_path) / "metadata/UrbanSound8K.csv").write_text("a,b\n")
    with pytest.raises(
        ValueError, match=r"slice_file_name,fold,classID.*\['audio', 'metadat"
    ):
        UrbanSound8KSettings(audio_dir=tmp_path).open()
