r"""Finds the best subnet of a supernet for each device budget.

python -m ofa_aec_tf.search --supernet=runs/ofa/supernet.keras \
    --data_dir=data --workdir=runs/search --budget='phone:parameters<=1M'
"""

import pathlib

from ofa_aec_tf.command_flags import command_line
from ofa_aec_tf.command_flags import flagfiles
from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.command_flags import reading_flags
from ofa_aec_tf.command_flags import setting_flags
from ofa_aec_tf.data.preprocessed_data import PreprocessedData
from ofa_aec_tf.nas import report
from ofa_aec_tf.nas import search

_SUPERNET = path_flags.define_path(
    "supernet", None, "The `supernet.keras` to search in.", required=True
)
_DATA_DIR = path_flags.define_path(
    "data_dir", None, "Directory of data_pipeline.preprocess.", required=True
)
_SKIP_CORRUPT = reading_flags.define_skip_corrupt()
_WORKDIR = path_flags.define_path(
    "workdir",
    None,
    "Where the search keeps its trials and results, and resumes.",
    required=True,
)
_SETTINGS = setting_flags.define(search.SearchSettings)


def main(unused_arguments):
    """Runs the command."""
    config = _SETTINGS.values()
    data = PreprocessedData(_DATA_DIR.value, _SKIP_CORRUPT.value)
    results, notes = search.search(
        _SUPERNET.value,
        data,
        _WORKDIR.value,
        config,
        flagfiles.recorded(),
    )
    for line in report.summary_lines(results, notes):
        print(line)
    print(f"wrote {pathlib.Path(_WORKDIR.value) / report.PARETO_REPORT}")


if __name__ == "__main__":
    command_line.run(main)
