"""Command: statistics of a data set, as JSON and as tables.

    python -m data_pipeline.stats --data_dir=data --output_dir=data_statistics

Mean and standard deviation of every mel band, the clips of each class, and the
weights that `--sampling=weighted` draws clips by, for each split.
"""

from data_pipeline.reports import statistics
from ofa_aec_tf.command_flags import command_line
from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.data.dataset_info import DatasetInfo

_DATA_DIR = path_flags.define_path(
    "data_dir", None, "Directory of data_pipeline.preprocess.", required=True
)
_OUTPUT_DIR = path_flags.define_path(
    "output_dir", None, "Directory for the statistics.", required=True
)


def main(unused_arguments):
    """Writes the statistics of a data set."""
    info = DatasetInfo.read(_DATA_DIR.value)
    computed = statistics.compute(_DATA_DIR.value, info)
    for path in statistics.write(_OUTPUT_DIR.value, info, computed):
        print(f"wrote {path}")


if __name__ == "__main__":
    command_line.run(main)
