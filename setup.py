"""Packaging of ofa_aec_tf; tool settings are in pyproject.toml."""

import pathlib
import re
import shutil

import setuptools
from setuptools.command import build_py

_ROOT = pathlib.Path(__file__).parent
_VERSION = re.search(
    r'^__version__ = "(.+)"$',
    (_ROOT / "ofa_aec_tf" / "__init__.py").read_text(encoding="utf-8"),
    re.MULTILINE,
).group(1)

_BEAM = ["apache-beam>=2.70,<3"]
# Its wheels bring FFmpeg, with libraries under the GPL in it.
_AV = ["av>=18,<19"]
_MEDIAPIPE = ["mediapipe>=1.2,<2"]
# Of pages and reports.
_DATA_SUFFIXES = ("css", "html", "jinja", "js", "md", "svg")


class _BuildWithRecipes(build_py.build_py):
    """Brings `flags/` into the package, where `ofa:NAME` finds it."""

    def run(self):
        super().run()
        if not self.editable_mode:
            target = pathlib.Path(self.build_lib, "ofa_aec_tf", "flags")
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(_ROOT / "flags", target)

    def get_source_files(self):
        recipes = sorted((_ROOT / "flags").rglob("*.cfg"))
        return [
            *super().get_source_files(),
            *(str(path.relative_to(_ROOT)) for path in recipes),
        ]


setuptools.setup(
    name="ofa_aec_tf",
    version=_VERSION,
    description="Once-for-all networks for acoustic event classification",
    long_description=(_ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=setuptools.find_packages(
        include=["ofa_aec_tf*", "data_pipeline*"]
    ),
    package_data={"": [f"**/*.{suffix}" for suffix in _DATA_SUFFIXES]},
    cmdclass={"build_py": _BuildWithRecipes},
    entry_points={"console_scripts": ["ofa-aec = ofa_aec_tf.__main__:console"]},
    python_requires=">=3.11,<3.13",
    install_requires=[
        "absl-py>=1.4,<3",
        "ai-edge-litert>=2.1,<3",
        # In the version that TensorFlow and MediaPipe agree on.
        "flatbuffers>=25.9,<26",
        "google-crc32c>=1.5,<2",
        "jinja2>=3.1,<4",
        "keras>=3.15,<3.16",
        "matplotlib>=3.9,<4",
        "numpy>=2.0,<2.5",
        "optuna>=5,<6",
        # Below 7, so that Apache Beam can be installed beside TensorFlow.
        "protobuf>=6.31.1,<7",
        "scikit-learn>=1.6,<2",
        "threadpoolctl>=3.1",
        "scipy>=1.15,<2",
        "soundfile>=0.13,<1",
        "soxr>=0.5,<2",
        # What Optuna keeps trials in; for its errors.
        "sqlalchemy>=2,<3",
        "tensorboard>=2.20,<3",
        "tensorflow>=2.21,<2.22",
        "tqdm>=4.66,<5",
    ],
    extras_require={
        "av": _AV,
        "beam": _BEAM,
        # Weights of image transformers.
        "hub": ["keras-hub>=0.32,<0.33"],
        # What Android apps load a model with, to try it here.
        "mediapipe": _MEDIAPIPE,
        "microphone": ["sounddevice>=0.5,<1"],
        # Not beside `mediapipe`: it wants absl-py 1, and that one 2. `make
        # test-qat` has an environment of its own for it.
        "qat": [
            "tensorflow-model-optimization>=0.8.1,<0.9",
            "tf_keras>=2.21,<2.22",
        ],
        # Works with TensorFlow 2.16 only: `make test-tfio` has an environment
        # of its own for it.
        "tfio": ["tensorflow-io>=0.37,<0.38"],
        "test": [
            *_AV,
            *_BEAM,
            *_MEDIAPIPE,
            "hypothesis>=6.100,<7",
            "import-linter>=2.1,<3",
            "librosa>=0.11,<1",
            "pytest>=8.3,<10",
            "pytest-xdist>=3.6,<4",
            "ruff>=0.17,<0.18",
        ],
    },
)
