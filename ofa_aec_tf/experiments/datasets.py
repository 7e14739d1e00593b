"""The data that the steps of a run read, preprocessed once."""

import hashlib
import pathlib
from collections.abc import Sequence

from ofa_aec_tf.command_flags import flagfiles
from ofa_aec_tf.data import dataset_info
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.runs import child_commands
from ofa_aec_tf.runs import workdir


def preprocessed(
    parent: pathlib.Path,
    flagfile,
    audio_dir: str | None,
    arguments: Sequence[str] = (),
    title: str = "data",
) -> pathlib.Path:
    """A directory of preprocessed data, made where it is not there.

    Args:
        parent: path of the directory that holds it.
        flagfile: path of a flagfile of data_pipeline.preprocess.
        audio_dir: str or None. Its --audio_dir.
        arguments: sequence of str. Flags that count for more than those of
            the flagfile.
        title: str. What it is called above what it prints.

    Raises:
        ValueError: if there is no such flagfile.
    """
    content = [*flagfiles.read(flagfile), str(audio_dir), *arguments]
    content += _file_digests(content)
    digest = hashlib.sha256("\n".join(content).encode()).hexdigest()
    # Other settings make other data.
    data_dir = parent / f"data-{digest[:8]}"
    if (data_dir / dataset_info.FILE_NAME).is_file():
        print(f"== {title}: those in {data_dir}")
    else:
        child_commands.call(
            title,
            "data_pipeline.preprocess",
            f"--flagfile={flagfile}",
            *([] if audio_dir is None else [f"--audio_dir={audio_dir}"]),
            *arguments,
            f"--output_dir={data_dir}",
        )
    return data_dir


def _file_digests(flag_texts) -> list[str]:
    """Of the tables that flags name: other content makes other data."""
    values = [text.partition("=")[2] for text in flag_texts]
    return [
        workdir.file_digest(value)
        for value in values
        if value and pathlib.Path(value).is_file()
    ]


def facts(dataset: DatasetInfo) -> dict:
    """What a report says of a data set."""
    return {
        "clips": {
            name: split.num_clips for name, split in dataset.splits.items()
        },
        "seconds a clip": dataset.clip_seconds,
        "classes": len(dataset.class_map),
        "fingerprint": dataset.fingerprint,
    }
