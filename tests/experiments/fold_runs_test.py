"""The trainings of a cross-validation: what is refused."""

import pytest

from ofa_aec_tf.experiments import fold_runs
from tests.experiments import esc_folder


@pytest.fixture
def flags_dir(tmp_path):
    return esc_folder.write_flagfiles(tmp_path / "flags")


def parse(flags_dir, *texts):
    return fold_runs.parse_runs(
        text.replace(":", f":{flags_dir}/", 1) for text in texts
    )


@pytest.mark.parametrize(
    ("flag", "refused"),
    [
        ("--initial_weights=ours.keras", True),
        ("--initial_weights=theirs.keras", False),
        ("--initial_weights=imagenet", False),
        ("--subnet=runs/subnet.json", True),
        ("--subnet=largest", False),
        ('--subnet={"block2_width": 0.5}', False),
    ],
)
def test_models_that_may_have_heard_the_test_are_refused(
    flags_dir, tmp_path, monkeypatch, flag, refused
):
    monkeypatch.chdir(tmp_path)
    for name in ("ours.keras", "ours.json", "theirs.keras"):
        (tmp_path / name).touch()
    path = flags_dir / "alone.cfg"
    path.write_text(f"{path.read_text()}{flag}\n")
    if refused:
        with pytest.raises(ValueError, match="must not have --.* may have"):
            parse(flags_dir, "a:alone.cfg")
    else:
        parse(flags_dir, "a:alone.cfg")


def test_runs_have_names_flagfiles_and_teachers(flags_dir):
    first, second, third = parse(
        flags_dir,
        "CNN alone:alone.cfg",
        "b:taught.cfg:teacher=CNN alone",
        "c:supernet.cfg:teacher=CNN alone+b",
    )
    assert (first.name, first.teachers, first.stage) == (
        "CNN alone",
        (),
        "teacher",
    )
    assert first.flagfile == flags_dir / "alone.cfg"
    assert (second.teachers, second.stage) == (("CNN alone",), "kd")
    assert third.teachers == ("CNN alone", "b")
    assert third.rows == ("c largest", "c smallest")
    assert second.rows == ("b",)


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "Give a --run"),
        (["alone.cfg"], "written NAME:FLAGFILE, with"),
        (["a:alone.cfg:teachers=b"], "written NAME:FLAGFILE, with"),
        (["a:alone.cfg:teacher="], "written NAME:FLAGFILE, with"),
        (
            ["a:supernet.cfg:subnets=largest:teacher=b"],
            "written NAME:FLAGFILE, with",
        ),
        (["a:alone.cfg:subnets=width=0.8"], "which a supernet has.*=teacher"),
        # What a supernet would be given anyway.
        (["a:alone.cfg:subnets=largest+smallest"], "which a supernet has"),
        (
            ["a:supernet.cfg:subnets=largest+width=0.8+largest"],
            "each subnet of 'a' once",
        ),
        (["a+b:alone.cfg"], "written NAME:FLAGFILE, with"),
        (["a:alone.cfg", "a:taught.cfg:teacher=a"], "Received twice: a$"),
        (
            ["a smallest:alone.cfg", "a:supernet.cfg"],
            "Received twice: a smallest",
        ),
        (
            ["a:alone.cfg", "b:taught.cfg:teacher=c"],
            r"of 'b' are earlier runs, of \['a'\]. Received: 'c'",
        ),
        (["a:taught.cfg:teacher=a"], r"earlier runs, of \[\]. Received: 'a'"),
        (
            ["a:taught.cfg:teacher=b", "b:taught.cfg:teacher=a"],
            "earlier runs, of .*Received: 'b'",
        ),
        (
            ["a:alone.cfg", "b:taught.cfg:teacher=a+a"],
            r"Name each teacher of 'b' once. Received: a\+a",
        ),
        (
            ["a:supernet.cfg", "b:taught.cfg:teacher=a"],
            "A supernet cannot teach. Received: 'a'",
        ),
        (
            ["a:alone.cfg", "b:alone.cfg:teacher=a"],
            r"for --stage=supernet\|kd. Received: --stage=teacher",
        ),
        (["a:taught.cfg"], "'a' needs :teacher=NAME.*--stage=kd"),
        (
            ["a:finetuned.cfg"],
            "--stage of teacher, supernet, kd, scratch. Received: finetune",
        ),
        (["a:stageless.cfg"], "must have a --stage of.*Received: None"),
        (["a:leaking.cfg"], "must not have --teacher.*may have heard"),
        (["a:absent.cfg"], "There is no flagfile .*absent.cfg"),
    ],
)
def test_mistakes_are_named(flags_dir, texts, message):
    with pytest.raises(ValueError, match=message):
        parse(flags_dir, *texts)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("e", "written NAME:A\\+B. Received: 'e'"),
        ("e:a", "written NAME:A\\+B"),
        ("e:a+x", "Members of 'e' are some of .*'c smallest'.*a\\+x"),
        ("e:a+c", "Members of 'e' are some of"),
        ("e:a+a", "each once. Received: a\\+a"),
        ("a:a+b", "Received twice: a$"),
    ],
)
def test_mistakes_in_ensembles_are_named(flags_dir, text, message):
    runs = parse(
        flags_dir, "a:alone.cfg", "b:alone.cfg", "c:supernet.cfg:teacher=a"
    )
    with pytest.raises(ValueError, match=message):
        fold_runs.parse_ensembles([text], runs)
    with pytest.raises(ValueError, match="Received twice: e"):
        fold_runs.parse_ensembles(["e:a+b", "e:a+c largest"], runs)


def test_a_named_subnet_may_be_in_an_ensemble(flags_dir):
    runs = parse(flags_dir, "a:alone.cfg", "c:supernet.cfg:subnets=width=0.8")
    (ensemble,) = fold_runs.parse_ensembles(["e:c width=0.8+a"], runs)
    assert ensemble.members == ("c width=0.8", "a")
