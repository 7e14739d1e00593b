"""Links and commands of README.md and docs lead somewhere."""

import pathlib
import re
import shlex

import pytest

from tests import commands

_ROOT = pathlib.Path(__file__).parents[1]
_PACKAGES = ("ofa_aec_tf", "data_pipeline")
_DOCUMENTS = sorted(
    str(path.relative_to(_ROOT))
    for path in (_ROOT / "README.md", *_ROOT.glob("docs/**/*.md"))
)
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)
_MODULE = re.compile(rf"python -m\s+((?:{'|'.join(_PACKAGES)})\.\w+)")
# Of absl itself.
_ABSL_FLAGS = frozenset(("flagfile", "help", "helpfull", "verbosity"))


def _prose(text):
    return _FENCED.sub("", text)


def _anchors(text):
    """What headings are called in links, as GitHub does it."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in _HEADING.findall(_prose(text))
    }


def _broken_links(text, path):
    """Relative links of a document that lead nowhere."""
    for link in _LINK.findall(_prose(text)):
        if re.match(r"\w+:", link):
            continue
        file, _, anchor = link.partition("#")
        target = path.parent / file
        if not target.exists():
            yield link
        elif anchor:
            linked = target.read_text(encoding="utf-8") if file else text
            if anchor not in _anchors(linked):
                yield link


def _commands(text):
    """Modules of this repository that shell blocks run, and their flags."""
    for language, block in _FENCED.findall(text):
        if language != "sh":
            continue
        for line in block.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if "-m" in words and words[0].endswith("python"):
                module, *arguments = words[words.index("-m") + 1 :]
            elif len(words) > 1 and words[0].endswith("ofa-aec"):
                _, name, *arguments = words
                module = _of_script(name)
            else:
                continue
            if module.partition(".")[0] not in _PACKAGES:
                continue
            if "--" in arguments:
                # What follows is for another program.
                arguments = arguments[: arguments.index("--")]
            yield (
                module,
                [a[2:].partition("=")[0] for a in arguments if a[:2] == "--"],
            )


def _of_script(name):
    """The module that `ofa-aec NAME` runs."""
    modules = [f"{package}.{name.replace('-', '_')}" for package in _PACKAGES]
    return next(filter(commands.COMMANDS.__contains__, modules), modules[0])


def _path(module):
    return _ROOT / (module.replace(".", "/") + ".py")


def _arguments(module):
    """What may follow `--` in a command."""
    for name in commands.flags_of(module):
        yield name.removeprefix("[no]")
        if name.startswith("[no]"):
            yield name.replace("[no]", "no")


def _wrong_commands(text):
    """Modules that are missing, and flags that their modules do not define."""
    run = [module for module, _ in _commands(text)]
    for module in dict.fromkeys([*_MODULE.findall(text), *run]):
        if not _path(module).is_file():
            yield module
    for module, names in _commands(text):
        if not _path(module).is_file():
            continue
        known = _ABSL_FLAGS.union(_arguments(module))
        for name in names:
            if name not in known:
                yield f"{module} --{name}"


@pytest.mark.parametrize("document", _DOCUMENTS)
def test_links_lead_somewhere(document):
    path = _ROOT / document
    text = path.read_text(encoding="utf-8")
    assert not list(_broken_links(text, path))


@pytest.mark.parametrize("document", _DOCUMENTS)
def test_commands_and_their_flags_exist(document):
    text = (_ROOT / document).read_text(encoding="utf-8")
    assert not list(_wrong_commands(text))


def test_documents_are_found_and_have_commands():
    assert {"README.md", "docs/android.md"} <= set(_DOCUMENTS)
    text = (_ROOT / "docs" / "android.md").read_text(encoding="utf-8")
    module, names = next(_commands(text))
    assert module == "ofa_aec_tf.export"
    assert "window_seconds" in names


def test_broken_links_are_found(tmp_path):
    text = (
        "# One thing: `a`!\n[here](#one-thing-a) [no](#other) "
        "[far](https://absent.example) [file](there.md#top) "
        "[file](there.md#bottom) [gone](gone.md)\n"
        "```\n[code](absent.md)\n```\n"
    )
    (tmp_path / "there.md").write_text("## Top\n")
    assert list(_broken_links(text, tmp_path / "README.md")) == [
        "#other",
        "there.md#bottom",
        "gone.md",
    ]


def test_wrong_commands_are_found():
    text = (
        "`python -m\nofa_aec_tf.absent`\n"
        "```sh\n"
        "python -m data_pipeline.verify --data_dir=a --nodata_dir  # --no\n"
        "venv/bin/python -m ofa_aec_tf.export --model=a \\\n"
        "  --windw_seconds=1 --noskip_corrupt --flagfile=b -- --other\n"
        "other --wrong\n"
        "venv/bin/ofa-aec stats --data_dir=a --wrong_dir=b\n"
        "ofa-aec inspect-records --flagfile=a\n"
        "ofa-aec gone --data_dir=a\n"
        "```\n"
        "```\npython -m ofa_aec_tf.train --wrong\n```\n"
    )
    assert list(_wrong_commands(text)) == [
        "ofa_aec_tf.absent",
        "ofa_aec_tf.gone",
        "data_pipeline.verify --nodata_dir",
        "ofa_aec_tf.export --windw_seconds",
        "data_pipeline.stats --wrong_dir",
    ]
