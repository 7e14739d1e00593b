"""What this machine has: instructions of its processor, free memory."""

import functools
import os
import pathlib

_CPU_INFO = pathlib.Path("/proc/cpuinfo")
_MEMORY_INFO = pathlib.Path("/proc/meminfo")


@functools.cache
def features():
    """Names of the CPU's instruction sets, as Linux writes them.

    Returns:
        frozenset of str, such as `avx512_bf16`; empty where unknown.
    """
    if not _CPU_INFO.is_file():
        return frozenset()
    for line in _CPU_INFO.read_text(encoding="utf-8").splitlines():
        name, _, values = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return frozenset(values.split())
    return frozenset()


def has_bfloat16_products():
    """Whether the CPU multiplies bfloat16 faster than float32."""
    return bool(features() & {"avx512_bf16", "amx_bf16"})


def has_bfloat16_tiles():
    """Whether it has matrix units for bfloat16 (AMX), far faster still."""
    return "amx_bf16" in features()


def available_memory_bytes():
    """Memory that a process can still take without swapping.

    Returns:
        int. Where Linux does not tell, a quarter of all there is.
    """
    if _MEMORY_INFO.is_file():
        for line in _MEMORY_INFO.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name == "MemAvailable":
                return int(value.split()[0]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4
