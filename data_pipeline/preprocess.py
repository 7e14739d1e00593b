"""Command: labelled audio to sharded TFRecords of log-mel spectrograms.

    python -m data_pipeline.preprocess --source=csv --audio_dir=sounds \\
        --labels_csv=labels.csv --output_dir=data/sounds --clip_seconds=5

Other machines do the work with `--runner`; what follows `--` are flags of
Apache Beam:

    python -m data_pipeline.preprocess ... --runner=FlinkRunner -- \\
        --flink_master=host:8081
"""

import dataclasses
import pathlib

from absl import flags

from data_pipeline.jobs import guards
from data_pipeline.jobs import job
from data_pipeline.jobs.summary import summary
from data_pipeline.runners.runner import RunnerSettings
from data_pipeline.shards.config import PreprocessConfig
from data_pipeline.sources.choose import ChoiceFlags
from ofa_aec_tf.command_flags import command_line
from ofa_aec_tf.command_flags import flagfiles
from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.command_flags import setting_flags
from ofa_aec_tf.data.class_map import ClassMap
from ofa_aec_tf.runs import workdir

_OUTPUT_DIR = path_flags.define_path(
    "output_dir", None, "Directory for the TFRecords.", required=True
)
_CHOICE = ChoiceFlags()
_CONFIG = setting_flags.define(PreprocessConfig, shared={})
_TERMS = setting_flags.define(job.Terms, shared={})
_RUNNER = setting_flags.define(RunnerSettings, shared={})


def main(beam_arguments):
    """Preprocesses as the flags say.

    Args:
        beam_arguments: list of str, what follows `--`.
    """
    output_dir = _OUTPUT_DIR.value
    # A mistake should not wait for the source to be read.
    runner = _RUNNER.values().make(beam_arguments)
    config = _CONFIG.values()
    terms = _TERMS.values()
    guards.check_output(output_dir)
    chosen = _CHOICE.choose(config.clip_seconds)
    result = job.run(
        chosen.clips,
        dataclasses.replace(
            config,
            class_map=chosen.class_names and ClassMap(chosen.class_names),
            label_type=chosen.label_type,
        ),
        output_dir,
        chosen.record,
        dataclasses.replace(terms, may_lose_classes=chosen.may_lose_classes),
        runner,
        chosen.remarks,
    )
    # Not recorded, so that a run from the record does not replace anything.
    flags.FLAGS[_TERMS["overwrite"].name].unparse()
    workdir.write_text(
        pathlib.Path(output_dir) / workdir.RESOLVED_FLAGS, flagfiles.recorded()
    )
    print(summary(result, output_dir))


if __name__ == "__main__":
    command_line.run(main, takes_arguments=True)
