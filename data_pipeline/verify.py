"""Command: reads a data set again and lists what is wrong with it.

    python -m data_pipeline.verify --data_dir=data

One line for each finding; without any, the table of classes and splits, and
warnings, which are no findings. The exit status is 0 without findings, 1 with
some, and 2 for a mistake such as a directory without a data set.
"""

import sys

from absl import flags

from data_pipeline.reports import contents_text
from data_pipeline.reports import findings
from ofa_aec_tf.command_flags import command_line
from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.data.dataset_info import DatasetInfo
from ofa_aec_tf.runs import machine

_FINDINGS_STATUS = 1

_DATA_DIR = path_flags.define_path(
    "data_dir", None, "Directory of data_pipeline.preprocess.", required=True
)
_NUM_WORKERS = flags.DEFINE_integer(
    "num_workers", machine.num_cores(), "Processes.", lower_bound=1
)


def main(unused_arguments):
    """Verifies as the flags say."""
    info = DatasetInfo.read(_DATA_DIR.value)
    if findings.verify(_DATA_DIR.value, info, _NUM_WORKERS.value):
        sys.exit(_FINDINGS_STATUS)
    print(contents_text.text(_DATA_DIR.value, info))


if __name__ == "__main__":
    command_line.run(main)
