"""Script: prints the flags that a command defines, and those of no library.

Run by `commands.flags_of`, in a process that has imported the libraries.
"""

import importlib
import json
import sys

from absl import flags

if __name__ == "__main__":
    of_libraries = set(flags.FLAGS)
    importlib.import_module(sys.argv[1])
    found = {}
    for name in sorted(set(flags.FLAGS) - of_libraries):
        flag = flags.FLAGS[name]
        shown = f"[no]{name}" if flag.boolean else name
        found[shown] = {"parser": type(flag.parser).__name__, "help": flag.help}
    print(json.dumps(found))
