"""A command that notes that it ran, for tests of steps.

Writes its flags and cores to `note.json` in --workdir. It fails with status 3
if there is a file `fail` in --data_dir, or one `fail_` and its name; and where
there is one `meet`, it waits until as many commands have begun as it says.
With --seconds it takes so long.
"""

import json
import os
import pathlib
import sys
import time

_PATIENCE_SECONDS = 60

values = dict(
    argument.lstrip("-").split("=", 1)
    for argument in sys.argv[1:]
    if not argument.startswith("--flagfile")
)
data_dir = pathlib.Path(values["data_dir"])
if (data_dir / "fail").exists() or (
    data_dir / f"fail_{values['name']}"
).exists():
    print("no more of this")
    sys.exit(3)
with open(data_dir / "calls", "a", encoding="utf-8") as calls:
    calls.write(f"{values['name']}\n")
if (data_dir / "meet").exists():
    num_wanted = int((data_dir / "meet").read_text())
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while len((data_dir / "calls").read_text().split()) < num_wanted:
        if time.monotonic() > deadline:
            sys.exit(4)
        time.sleep(0.05)
if hasattr(os, "sched_getaffinity"):
    values["cores"] = sorted(os.sched_getaffinity(0))
directory = pathlib.Path(values["workdir"])
(directory / "note.json").write_text(json.dumps(values))
