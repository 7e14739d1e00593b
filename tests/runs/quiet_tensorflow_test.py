"""What TensorFlow writes while it starts is kept off the screen."""

import pathlib

from tests import commands


def test_a_command_may_import_tensorflow_before_all_else(tmp_path):
    package = tmp_path / "data_pipeline"
    package.mkdir()
    (package / "__init__.py").write_text("import ofa_aec_tf\n")
    (package / "new.py").write_text(
        "import tensorflow as tf\n"
        "from ofa_aec_tf.command_flags import command_line\n"
        "def main(arguments):\n"
        "    print(int(tf.cast(tf.ones(1, tf.float16), tf.float32)[0]))\n"
        "command_line.run(main)\n"
    )
    result = commands.run_afresh(
        "data_pipeline.new",
        cwd=tmp_path,
        PYTHONPATH=str(pathlib.Path(__file__).parents[2]),
    )
    assert result.returncode == 0, result.stderr
    assert (result.stdout, result.stderr) == ("1\n", "")
