r"""Names the sound events of audio files, or of a microphone.

python -m ofa_aec_tf.predict --model=exported/subnet_int8.tflite a.wav b.flac
python -m ofa_aec_tf.predict --model=exported/subnet_int8.tflite \
    --per_window --window_hop_seconds=0.5 --format=csv --output=events.csv DIR

Sound is scored in windows of the length that the model was trained on; the
score of a class in a file is its highest over the windows. The events of each
file, or with --per_window of each window, are written as soon as they are
known. Files that cannot be read are reported on standard error and skipped;
the exit status is 2 if none could be read, or if the model cannot score one. A
directory stands for all audio files in and below it.
"""

from ofa_aec_tf.command_flags import command_line
from ofa_aec_tf.command_flags import path_flags
from ofa_aec_tf.command_flags import setting_flags
from ofa_aec_tf.deployment.prediction import prediction_job
from ofa_aec_tf.deployment.prediction.prediction_job import PredictionJob
from ofa_aec_tf.deployment.prediction.prediction_job import PredictionSettings
from ofa_aec_tf.runs import workdir

_MODEL = path_flags.define_path(
    "model", None, "Model: a .keras or .tflite file.", required=True
)
_PREDICTION = setting_flags.define(PredictionSettings)


def main(arguments):
    """Runs the command on audio files, directories or a microphone."""
    config = _PREDICTION.values()
    if config.microphone == bool(arguments):
        raise ValueError(
            "Name at least one audio file after the flags, or else "
            f"--microphone. Received: --microphone={config.microphone}, "
            f"{len(arguments)} files"
        )
    if config.output_file is not None:
        workdir.check_writable(config.output_file)
    job = PredictionJob(_MODEL.value, config)
    if config.microphone:
        job.listen()
        return
    paths = [path_flags.local_path(argument) for argument in arguments]
    job.predict_files(prediction_job.find_audio_files(paths))


if __name__ == "__main__":
    command_line.run(main, takes_arguments=True)
