r"""Cuts subnets out of a supernet as plain Keras models.

python -m ofa_aec_tf.materialize --supernet=runs/ofa/supernet.keras \
    --data_dir=data --pareto=runs/search/pareto.json --workdir=runs/subnets
"""

from ofa_aec_tf.command_flags import command_line
from ofa_aec_tf.command_flags import flagfiles
from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.command_flags import reading_flags
from ofa_aec_tf.command_flags import setting_flags
from ofa_aec_tf.data.preprocessed_data import PreprocessedData
from ofa_aec_tf.nas import materialize

_SUPERNET = path_flags.define_path(
    "supernet", None, "The `supernet.keras` to cut from.", required=True
)
_DATA_DIR = path_flags.define_path(
    "data_dir",
    None,
    "Directory of data_pipeline.preprocess; its training split gives the "
    "batch normalization statistics.",
    required=True,
)
_SKIP_CORRUPT = reading_flags.define_skip_corrupt()
_WORKDIR = path_flags.define_path(
    "workdir",
    None,
    f"Where to write {materialize.MODEL_NAME}; with --pareto, into a "
    "sub-directory for each budget.",
    required=True,
)
_SETTINGS = setting_flags.define(materialize.MaterializeSettings)


def main(unused_arguments):
    """Runs the command."""
    config = _SETTINGS.values()
    data = PreprocessedData(_DATA_DIR.value, _SKIP_CORRUPT.value)
    for line in materialize.materialize(
        _SUPERNET.value,
        data,
        _WORKDIR.value,
        config,
        _SETTINGS.given(),
        flagfiles.recorded(),
    ):
        print(line, flush=True)


if __name__ == "__main__":
    command_line.run(main)
