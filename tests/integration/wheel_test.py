"""A wheel has all that the package needs, also where no checkout is."""

import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest

_ROOT = pathlib.Path(__file__).parents[2]
_PACKAGES = ("ofa_aec_tf", "data_pipeline")
_BUILD_FILES = ("setup.py", "pyproject.toml", "README.md", "LICENSE")


def _tracked(*places):
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        + list(places),
        cwd=_ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode:
        pytest.skip("git does not know which files belong to the repository")
    return [name for name in listed.stdout.split("\n") if name]


def _pip(*arguments):
    result = subprocess.run(
        [sys.executable, "-m", "pip", "--quiet", *map(str, arguments)],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    directory = tmp_path_factory.mktemp("wheel")
    source = directory / "source"
    for name in _tracked(*_PACKAGES, "flags", *_BUILD_FILES):
        if (_ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(_ROOT / name, source / name)
    # What an earlier build has left does not get into the next.
    stale = source / "build" / "lib" / "ofa_aec_tf" / "flags" / "stale.cfg"
    stale.parent.mkdir(parents=True)
    stale.touch()
    options = ("--no-deps", "--no-build-isolation", "--no-index")
    _pip("wheel", *options, f"--wheel-dir={directory}", source)
    (path,) = directory.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    directory = tmp_path_factory.mktemp("installed")
    options = ("--no-deps", "--no-compile", "--no-index")
    _pip("install", *options, f"--target={directory}", wheel)
    return directory


def test_a_wheel_has_all_files_of_the_packages_and_the_recipes(wheel):
    expected = {
        name for name in _tracked(*_PACKAGES) if (_ROOT / name).is_file()
    }
    expected |= {f"ofa_aec_tf/{name}" for name in _tracked("flags")}
    with zipfile.ZipFile(wheel) as file:
        found = {n for n in file.namelist() if ".dist-info/" not in n}
    # For more kinds of files see `_DATA_SUFFIXES` in setup.py.
    assert found == expected


def test_an_installed_wheel_works_outside_of_a_checkout(installed, tmp_path):
    def run(*arguments):
        return subprocess.run(
            [sys.executable, installed / "bin" / "ofa-aec", *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(installed)},
            capture_output=True,
            text=True,
        )

    assert "  preprocess " in run().stdout
    assert "quickstart/teacher.cfg" in run("recipes").stdout
    result = run(
        "preprocess",
        "--flagfile=ofa:quickstart/preprocess.cfg",
        "--num_train=3",
        "--num_validation=0",
        "--num_test=0",
        "--num_workers=1",
        "--output_dir=data",
    )
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "data" / "dataset.json").is_file()
    assert os.listdir(tmp_path) == ["data"]


def test_installed_recipes_include_each_other(installed, tmp_path):
    code = (
        "from ofa_aec_tf.command_flags import flagfiles, recipes\n"
        "for name in recipes.descriptions():\n"
        "  print(name, *flagfiles.read(f'ofa:{name}'), sep='|')\n"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(directory)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.replace(str(recipes_dir), "flags")
        for directory, recipes_dir in (
            (_ROOT, _ROOT / "flags"),
            (installed, installed / "ofa_aec_tf" / "flags"),
        )
    ]
    assert outputs[0] == outputs[1]
    assert len(outputs[0].splitlines()) > 80
