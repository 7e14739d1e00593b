"""Flagfiles as people have them, wherever a command is run."""

import os
import pathlib

import pytest
from absl import flags

from ofa_aec_tf.command_flags import flagfiles
from ofa_aec_tf.command_flags import path_flags
from tests import commands

_ROOT = pathlib.Path(__file__).parents[2]


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        content = content.encode()
    path.write_bytes(content)
    return path


def test_included_files_are_found_beside_and_then_from_here(
    tmp_path, monkeypatch
):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    write(tmp_path / "a" / "base.cfg", "--where=beside\n")
    write(here / "base.cfg", "--where=here\n")
    write(here / "only_here.cfg", "--only=here\n")
    stage = write(
        tmp_path / "a" / "stage.cfg",
        "--flagfile=base.cfg\n--flagfile=only_here.cfg\n--flagfile=sub/x.cfg\n",
    )
    write(tmp_path / "a" / "sub" / "x.cfg", "--flagfile=../base.cfg\n--x=1\n")
    expected = ["--where=beside", "--only=here", "--where=beside", "--x=1"]
    assert flagfiles.read(stage) == expected
    assert flagfiles.read("../a/stage.cfg") == expected
    # A link to a flagfile is that flagfile.
    os.symlink(stage, tmp_path / "link.cfg")
    assert flagfiles.read(tmp_path / "link.cfg")[-1] == "--x=1"


def test_what_names_flagfiles_is_found_like_them(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folds = write(
        tmp_path / "a" / "folds.cfg",
        "--preprocess=preprocess.cfg\n--flags_dir=stages\n"
        "--run=A b:net.cfg:teacher=C+D\n--run=E:elsewhere.cfg\n"
        "--audio_dir=stages\n",
    )
    write(tmp_path / "a" / "preprocess.cfg", "")
    write(tmp_path / "a" / "net.cfg", "")
    (tmp_path / "a" / "stages").mkdir()
    assert flagfiles.read(folds) == [
        f"--preprocess={tmp_path}/a/preprocess.cfg",
        f"--flags_dir={tmp_path}/a/stages",
        f"--run=A b:{tmp_path}/a/net.cfg:teacher=C+D",
        "--run=E:elsewhere.cfg",
        # Data are where the command runs.
        "--audio_dir=stages",
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"# Note.\r\n--a=b c, d\r\n\r\n  --e\r\n// more\r\n",
        b"\xef\xbb\xbf--a=b c, d\n\n \t\n--e  \n",
        "--a=b c, d\n--e\n".encode("utf-16"),
    ],
)
def test_line_ends_marks_blanks_and_comments_are_no_flags(tmp_path, content):
    path = write(tmp_path / "with space" / "x.cfg", content)
    assert flagfiles.read(path) == ["--a=b c, d", "--e"]


def test_a_path_in_another_encoding_is_kept(tmp_path):
    path = write(tmp_path / "x.cfg", b"--a=Gr\xfcn\n")
    assert flagfiles.read(path) == [os.fsdecode(b"--a=Gr\xfcn")]


def test_a_circle_a_missing_file_and_a_line_that_is_no_flag_are_named(tmp_path):
    first = write(tmp_path / "first.cfg", "--flagfile=second.cfg\n")
    second = write(tmp_path / "second.cfg", "--flagfile=first.cfg\n")
    with pytest.raises(ValueError, match="include each other: .*second.cfg"):
        flagfiles.read(first)
    second.write_text("--flagfile=third.cfg\n")
    with pytest.raises(ValueError, match="third.cfg, which .*second.cfg incl"):
        flagfiles.read(first)
    second.write_text("--a=1\nb=2\n")
    with pytest.raises(ValueError, match="Line 2 of .*second.cfg is no flag"):
        flagfiles.read(first)
    with pytest.raises(ValueError, match="There is no flagfile .*absent"):
        flagfiles.read(tmp_path / "absent.cfg")
    with pytest.raises(ValueError, match="There is no flagfile"):
        flagfiles.read(tmp_path)
    # Twice is no circle.
    second.write_text("--a=1\n")
    first.write_text("--flagfile=second.cfg\n--flagfile=second.cfg\n")
    assert flagfiles.read(first) == ["--a=1", "--a=1"]


def test_flagfiles_stand_in_their_place_among_arguments(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / "x.cfg", "--a=file\n")
    assert flagfiles.expand(
        ["--a=1", "--flagfile=~/x.cfg", "--b=2", "file", "--flagfile=y"]
    ) == ["--a=1", "--a=file", "--b=2", "file", "--flagfile=y"]
    expected = ["--a=file", "--", "--flagfile=y"]
    path = str(tmp_path / "x.cfg")
    assert flagfiles.expand(["-flagfile", path, *expected[1:]]) == expected
    with pytest.raises(ValueError, match="needs the path"):
        flagfiles.expand(["--flagfile="])


def test_a_pipe_of_the_shell_is_a_flagfile(tmp_path):
    read_end, write_end = os.pipe()
    os.write(write_end, b"--a=1\n")
    os.close(write_end)
    try:
        assert flagfiles.read(f"/dev/fd/{read_end}") == ["--a=1"]
    finally:
        os.close(read_end)


def test_a_shipped_flagfile_works_in_another_directory(tmp_path):
    result = commands.run(
        "ofa_aec_tf.cross_validate",
        f"--flagfile={_ROOT / 'flags/cmkd/esc10_supernet.cfg'}",
        f"--audio_dir={tmp_path / 'none'}",
        "--workdir=run",
        cwd=tmp_path,
        PYTHONPATH=str(_ROOT),
    )
    # All flagfiles of its stages are read before the data are looked for.
    assert result.returncode == 2
    assert "no flagfile" not in result.stderr
    assert result.stderr.endswith("stopped: data of fold 1 failed, see above\n")
    assert (tmp_path / "run").is_dir()


def test_what_is_recorded_starts_a_command_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values = flags.FlagValues()
    monkeypatch.setattr(flags, "FLAGS", values)
    module = "ofa_aec_tf.some"
    for define, name, default in (
        (flags.DEFINE_integer, "steps", 3),
        (flags.DEFINE_bool, "fast", True),
        (flags.DEFINE_string, "subnet", None),
        (flags.DEFINE_multi_string, "budget", []),
        (flags.DEFINE_list, "ratios", ["1"]),
        (flags.DEFINE_string, "unset", None),
    ):
        define(name, default, "", flag_values=values, module_name=module)
    for parser, name in (
        (path_flags.PathParser(), "workdir"),
        (path_flags.PathsParser(), "teacher"),
    ):
        serializer = path_flags.serializer_of(parser)
        flags.DEFINE(
            parser, name, None, "", values, serializer, module_name=module
        )
    flags.DEFINE_string(
        "library", "x", "", flag_values=values, module_name="other"
    )
    values(
        [
            "command",
            "--nofast",
            '--subnet={"a":\n 1}',
            "--budget=b:x<=1,y<=2",
            "--budget=a:x<=1",
            "--ratios=0.5,1.0",
            "--workdir=runs/a, b",
            "--teacher=x.keras,y.keras",
        ]
    )
    text = flagfiles.recorded()
    assert text.splitlines() == [
        "--budget=b:x<=1,y<=2",
        "--budget=a:x<=1",
        "--nofast",
        "--ratios=0.5,1.0",
        '--subnet={"a": 1}',
        f"--teacher={tmp_path}/x.keras,{tmp_path}/y.keras",
        f"--workdir={tmp_path}/runs/a, b",
        "# --steps=3",
        "# --unset",
    ]
    write(tmp_path / "flags.cfg", text)
    values.unparse_flags()
    for name in values:
        values[name].unparse()
    values(["command", *flagfiles.read(tmp_path / "flags.cfg")])
    assert flagfiles.recorded() == text
