"""A step that is done for several models, of which one may fail."""

import sys
from collections.abc import Callable
from collections.abc import Iterable


def for_each(
    paths: Iterable, step: Callable
) -> tuple[dict[str, object], list[str]]:
    """Does a step for each model; a failure does not stop the others.

    Args:
        paths: iterable of paths of models.
        step: function of a path.

    Returns:
        tuple of a dict from paths, as str, to what `step` returned, and of a
        list of the paths that it failed for, of which the user was warned.

    Raises:
        ValueError, OSError: by `step`, if there is only one model.
    """
    paths = list(paths)
    results, skipped = {}, []
    for path in paths:
        try:
            results[str(path)] = step(path)
        except (ValueError, OSError) as error:
            if len(paths) == 1:
                raise
            print(f"warning: skipped {path}: {error}", file=sys.stderr)
            skipped.append(str(path))
    return results, skipped


def check_none_skipped(skipped: list[str], num_models: int, failed: str):
    """Ends a command on the models that it failed for.

    Args:
        skipped: list of str. Paths of these models.
        num_models: int. How many there were.
        failed: str. What is wrong with them, such as `were not exported`.

    Raises:
        ValueError: if there is such a model.
    """
    if skipped:
        raise ValueError(
            f"{len(skipped)} of {num_models} models {failed}; the warnings "
            f"above say why: {skipped}"
        )
