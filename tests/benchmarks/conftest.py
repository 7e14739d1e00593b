"""Makes the modules of `benchmarks/` importable, as its scripts see them."""

import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).parents[2] / "benchmarks"))
