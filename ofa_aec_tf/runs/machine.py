"""Facts about this machine, its processor and memory, and its processes."""

import functools
import math
import os
import pathlib
import platform
import resource
import sys

_CPU_INFO = pathlib.Path("/proc/cpuinfo")
_MEMORY_INFO = pathlib.Path("/proc/meminfo")
_CONTROL_GROUPS = pathlib.Path("/proc/self/cgroup")
_CONTROL_GROUP_DIR = pathlib.Path("/sys/fs/cgroup")
_PROCESS_STATUS = pathlib.Path("/proc/self/status")
# Of the fields behind the name of a process in /proc/<id>/stat.
_STATE_FIELD, _START_FIELD = 0, 19


def _values(path):
    """Yields pairs of name and value of a Linux file; none if it is missing."""
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            yield name.strip(), value.strip()


@functools.cache
def features():
    """Names of the CPU's instruction sets, as Linux writes them.

    Returns:
        frozenset of str, such as `avx512_bf16`; empty where unknown.
    """
    for name, value in _values(_CPU_INFO):
        if name in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


def has_bfloat16_products():
    """Whether the CPU has fast bfloat16 products."""
    return bool(features() & {"avx512_bf16", "amx_bf16"})


def has_bfloat16_tiles():
    """Whether the CPU has matrix units for bfloat16 (AMX), faster still."""
    return "amx_bf16" in features()


def available_memory_bytes():
    """Memory that a process can still allocate without swapping.

    Returns:
        int. A quarter of all memory on systems other than Linux.
    """
    for name, value in _values(_MEMORY_INFO):
        if name == "MemAvailable":
            return int(value.split()[0]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4


def cpu_model():
    """Name of the processor, or of its architecture."""
    for name, value in _values(_CPU_INFO):
        if name == "model name":
            return value
    return platform.processor() or platform.machine()


def num_cores():
    """Cores that this process may use.

    Returns:
        int. CPU affinity and the limits of control groups, such as those of a
        container, are taken into account.
    """
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, min([cores, *map(math.ceil, _core_limits())]))


def _core_limits():
    """Yields the CPU limit of each control group, in cores."""
    if not _CONTROL_GROUPS.is_file():
        return
    for line in _CONTROL_GROUPS.read_text(encoding="utf-8").splitlines():
        _, controllers, group = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = _CONTROL_GROUP_DIR / ("cpu" if controllers else "")
        # In a container this may be the path outside, of which only the root
        # exists.
        path = root.joinpath(*pathlib.PurePosixPath(group).parts[1:])
        for directory in (path, *path.parents):
            if directory.is_relative_to(root):
                yield from _core_limit(directory)


def _core_limit(directory):
    """Yields the limit of a control group, of version 2 or 1, if it has one."""
    try:
        if (directory / "cpu.max").is_file():
            quota, period = (directory / "cpu.max").read_text().split()
        else:
            quota, period = (
                (directory / f"cpu.cfs_{name}_us").read_text()
                for name in ("quota", "period")
            )
        if quota != "max" and int(quota) > 0:
            yield int(quota) / int(period)
    except (OSError, ValueError):
        # No such limit here.
        return


def description():
    """Processor, cores and system of this machine, as one line."""
    return f"{cpu_model()}, {num_cores()} cores, {platform.platform()}"


def resident_memory_bytes():
    """Resident memory of this process; None on systems other than Linux."""
    return _process_bytes("VmRSS")


def peak_resident_memory_bytes():
    """Peak resident memory of this process."""
    peak = _process_bytes("VmHWM")
    if peak is not None:
        return peak
    # Second choice: on Linux it includes the memory of the parent process.
    # macOS counts in bytes, others in KiB.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024)


def _process_bytes(wanted):
    for name, value in _values(_PROCESS_STATUS):
        if name == wanted:
            return int(value.split()[0]) * 1024
    return None


def process_start(process_id):
    """When a process of this machine started.

    An id alone may belong to a later process, which is likely in a container.

    Args:
        process_id: int.

    Returns:
        str, the same for one process and different for others. Empty if the
        system does not tell; None if there is no such process.
    """
    try:
        status = pathlib.Path(f"/proc/{process_id}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return (
            None
            if _PROCESS_STATUS.is_file()
            else _start_without_proc(process_id)
        )
    fields = status.rpartition(")")[2].split()
    # A zombie has ended; its parent has not noticed yet.
    return None if fields[_STATE_FIELD] == "Z" else fields[_START_FIELD]


def _start_without_proc(process_id):
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        # It exists, and is another user's.
        pass
    return ""
