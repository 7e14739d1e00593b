"""Every shipped flagfile is understood by the command it is for."""

import math
import pathlib

import pytest

from tests import commands

ROOT = pathlib.Path(__file__).parents[1]
FLAGS = ROOT / "flags"

# Which command a flagfile is for, by its name.
COMMANDS = {
    "preprocess": "data_pipeline.preprocess",
    "search": "ofa_aec_tf.search",
    "export": "ofa_aec_tf.export",
    "folds": "ofa_aec_tf.cross_validate",
    "esc10": "ofa_aec_tf.cross_validate",
    "esc10_supernet": "ofa_aec_tf.cross_validate",
    "small": "ofa_aec_tf.cross_validate",
    "small_long": "ofa_aec_tf.cross_validate",
}
# Those of whole reproductions have the directories of their stages beside them.
REPRODUCTIONS = FLAGS / "paper"
# Included by others; not for a command on its own.
INCLUDED = ("network", "baseline")

# Flags that a user adds, which parsing needs.
REQUIRED = {
    "data_pipeline.preprocess": ["--output_dir=x"],
    "ofa_aec_tf.train": ["--data_dir=x", "--workdir=x"],
    "ofa_aec_tf.search": ["--supernet=x", "--data_dir=x", "--workdir=x"],
    "ofa_aec_tf.export": ["--model=x", "--data_dir=x", "--output_dir=x"],
    "ofa_aec_tf.reproduce": ["--workdir=x"],
    "ofa_aec_tf.cross_validate": ["--workdir=x"],
}

# Parses all of a command's files in one process: each start costs seconds.
CODE = """
import importlib, sys, types
from absl import flags
from ofa_aec_tf.command_flags import flagfiles
from ofa_aec_tf.data.dataset_info import SINGLE_LABEL
from ofa_aec_tf.nas import budgets
dataset = types.SimpleNamespace(
    class_map=range(10),
    frontend=types.SimpleNamespace(num_mel_bins=64),
    num_frames=501,
    label_type=SINGLE_LABEL,
)
module = importlib.import_module(sys.argv[1])
required = sys.argv[2].split()
for path in sys.argv[3:]:
    flags.FLAGS.unparse_flags()
    for name in flags.FLAGS:
        flags.FLAGS[name].unparse()
    arguments = flagfiles.expand(["--flagfile=" + path, *required])
    rest = flags.FLAGS(["command", *arguments])
    assert rest == ["command"], (path, rest)
    if sys.argv[1] == "ofa_aec_tf.train":
        config = module.training_flags.train_config(False, False)
        module.network_flags.family(dataset)
        print(
            path,
            config.stage,
            config.num_steps,
            config.loss.label_weight,
            config.sampling,
        )
    elif sys.argv[1] == "ofa_aec_tf.search":
        config = module._SETTINGS.values()
        print(path, *[b.name for b in budgets.parse_budgets(config.budget)])
    elif sys.argv[1] == "ofa_aec_tf.reproduce":
        config = module.SETTINGS.values()
        data = module.reproduction.Data("data", "abc")
        tasks = module.reproduction.tasks(config, data, (10, 501, 64))
        print(path, *sorted({task.step.command.module for task in tasks}))
    elif sys.argv[1] == "ofa_aec_tf.cross_validate":
        config = module.SETTINGS.values()
        folds = config.folds()
        num_tasks = len(config.seeds) * len(folds)
        num_tasks *= len(config.runs()) + len(config.ensembles())
        print(path, len(folds), num_tasks, config.num_results())
    else:
        print(path)
"""


def flagfiles_by_command():
    grouped = {}
    for path in sorted(FLAGS.rglob("*.cfg")):
        if path.stem not in INCLUDED:
            command = COMMANDS.get(path.stem, "ofa_aec_tf.train")
            if path.parent == REPRODUCTIONS:
                command = "ofa_aec_tf.reproduce"
            grouped.setdefault(command, []).append(path)
    return grouped


@pytest.mark.parametrize("command", sorted(REQUIRED))
def test_every_flagfile_parses(command, tmp_path):
    paths = flagfiles_by_command()[command]
    script = tmp_path / "parse.py"
    script.write_text(CODE)
    result = commands.run(
        script,
        command,
        " ".join(REQUIRED[command]),
        *(path.relative_to(ROOT) for path in paths),
    )
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert len(lines) == len(paths)
    if command == "ofa_aec_tf.train":
        # The paper's numbers: sections 3.2 and 3.3.
        assert "flags/ofa.cfg supernet 300000 0.0 class_balanced" in lines
        assert "flags/teacher.cfg teacher 400000 1.0 class_balanced" in lines
        assert "flags/kd.cfg kd 100000 0.0 class_balanced" in lines
        # Epochs of PSLA, AST and CMKD, times batches of all clips.
        for name, *numbers in (
            ("psla/audioset_balanced", 22_160, 100, 60),
            ("psla/audioset", 2_063_949, 100, 30),
            ("psla/fsd50k", 36_796, 24, 40),
            ("ast/audioset_balanced", 22_160, 12, 25),
            ("ast/audioset", 2_063_949, 12, 5),
            ("cmkd/cnn_fsd50k", 36_796, 24, 50),
            ("cmkd/ast_fsd50k", 36_796, 12, 50),
        ):
            num_clips, batch_size, num_epochs = numbers
            num_steps = math.ceil(num_clips / batch_size) * num_epochs
            assert any(
                line.startswith(f"flags/{name}.cfg ")
                and line.split()[2] == str(num_steps)
                for line in lines
            ), name
    if command == "ofa_aec_tf.search":
        assert "flags/search.cfg 0.9M 1.8M 2.7M 3.6M" in lines
    if command == "ofa_aec_tf.cross_validate":
        # One network, three seeds.
        assert "flags/esc10/folds.cfg 5 15 15" in lines
        # Six networks and two ensembles; three supernets of three subnets.
        assert "flags/cmkd/esc10.cfg 5 120 120" in lines
        assert "flags/cmkd/esc10_supernet.cfg 5 60 90" in lines


@pytest.mark.parametrize(
    "path", sorted(FLAGS.rglob("*.cfg")), ids=lambda p: str(p.relative_to(ROOT))
)
def test_every_flagfile_says_what_it_is_and_has_no_trap(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    for line in lines:
        # What absl would take as a part of the value, or as an argument.
        assert line.startswith(("#", "--")), line
        assert line == line.rstrip(), line
        if line.startswith("--"):
            assert "#" not in line and '"' not in line, line
