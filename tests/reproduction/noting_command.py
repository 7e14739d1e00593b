"""A command that notes that it ran, for tests of steps.

Writes its flags to `note.json` in --workdir, and fails with status 3 if there
is a file `fail` in --data_dir.
"""

import json
import pathlib
import sys

values = dict(
    argument.lstrip("-").split("=", 1)
    for argument in sys.argv[1:]
    if not argument.startswith("--flagfile")
)
data_dir = pathlib.Path(values["data_dir"])
if (data_dir / "fail").exists():
    sys.exit(3)
with open(data_dir / "calls", "a", encoding="utf-8") as calls:
    calls.write(f"{values['name']}\n")
directory = pathlib.Path(values["workdir"])
(directory / "note.json").write_text(json.dumps(values))
