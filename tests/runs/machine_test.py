"""What the machine has, read from Linux's description of it."""

import os
import platform
import subprocess
import sys

import pytest

from ofa_aec_tf.runs import machine


@pytest.fixture(name="cpu_info")
def fixture_cpu_info(tmp_path, monkeypatch):
    path = tmp_path / "cpuinfo"
    monkeypatch.setattr(machine, "_CPU_INFO", path)
    machine.features.cache_clear()
    yield path
    machine.features.cache_clear()


def test_features_of_x86(cpu_info):
    cpu_info.write_text(
        "processor\t: 0\nmodel name\t: flags of avx\n"
        "flags\t\t: fpu avx2 avx512_bf16 rdpid\nbugs\t\t: spectre_v1\n"
    )
    assert machine.features() == {"fpu", "avx2", "avx512_bf16", "rdpid"}
    assert machine.has_bfloat16_products()
    assert not machine.has_bfloat16_tiles()


def test_features_of_a_cpu_with_matrix_units(cpu_info):
    cpu_info.write_text("flags : avx512_bf16 amx_bf16 amx_tile\n")
    assert machine.has_bfloat16_products()
    assert machine.has_bfloat16_tiles()


def test_features_of_arm(cpu_info):
    cpu_info.write_text("processor : 0\nFeatures : fp asimd bf16\n")
    assert machine.features() == {"fp", "asimd", "bf16"}
    assert not machine.has_bfloat16_products()


def test_no_features_where_there_is_no_description(cpu_info):
    assert machine.features() == frozenset()


def test_memory_that_is_available(tmp_path, monkeypatch):
    path = tmp_path / "meminfo"
    path.write_text("MemTotal: 8000 kB\nMemFree: 10 kB\nMemAvailable: 64 kB\n")
    monkeypatch.setattr(machine, "_MEMORY_INFO", path)
    assert machine.available_memory_bytes() == 64 * 1024


def test_memory_where_linux_does_not_tell(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "_MEMORY_INFO", tmp_path / "none")
    assert machine.available_memory_bytes() > 2**20


def test_name_of_the_processor(cpu_info):
    cpu_info.write_text("processor\t: 0\nmodel name\t: Fast CPU @ 3 GHz\n")
    assert machine.cpu_model() == "Fast CPU @ 3 GHz"
    assert machine.description().startswith("Fast CPU @ 3 GHz, ")


def test_a_processor_without_a_name_has_that_of_its_architecture(cpu_info):
    assert machine.cpu_model() in (platform.processor(), platform.machine())


def test_memory_of_this_process(tmp_path, monkeypatch):
    path = tmp_path / "status"
    path.write_text("Name:\tx\nVmHWM:\t   300 kB\nVmRSS:\t   200 kB\n")
    monkeypatch.setattr(machine, "_PROCESS_STATUS", path)
    assert machine.resident_memory_bytes() == 200 * 1024
    assert machine.peak_resident_memory_bytes() == 300 * 1024


def test_memory_of_this_process_where_linux_does_not_tell(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(machine, "_PROCESS_STATUS", tmp_path / "none")
    assert machine.resident_memory_bytes() is None
    assert machine.peak_resident_memory_bytes() > 2**20


def test_the_start_of_a_process_tells_it_from_others():
    own = machine.process_start(os.getpid())
    assert own == machine.process_start(os.getpid())
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE
    ) as process:
        started = machine.process_start(process.pid)
        assert started is not None
        if started:
            assert started != own
            # As /proc says it, which counts since the machine was started.
            assert int(started) >= int(own)
        process.kill()
        process.wait()
        # Its id may have been given to another since.
        assert machine.process_start(process.pid) != started


@pytest.fixture(name="groups")
def fixture_groups(tmp_path, monkeypatch):
    """Control groups of a process that may run on eight cores."""
    monkeypatch.setattr(
        os, "sched_getaffinity", lambda unused: range(8), raising=False
    )
    monkeypatch.setattr(machine, "_CONTROL_GROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(machine, "_CONTROL_GROUP_DIR", tmp_path / "sys")
    return tmp_path


def _write(directory, **files):
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (directory / name.replace("_dot_", ".")).write_text(content + "\n")


def test_cores_without_control_groups(groups):
    assert machine.num_cores() == 8


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("max 100000", 8),
        ("300000 100000", 3),
        ("150000 100000", 2),
        ("20000 100000", 1),
        ("6400000 100000", 8),
    ],
)
def test_cores_that_a_control_group_gives(groups, limit, expected):
    (groups / "cgroup").write_text("0::/a/b\n")
    _write(groups / "sys" / "a" / "b", cpu_dot_max=limit)
    _write(groups / "sys" / "a", cpu_dot_max="max 100000")
    assert machine.num_cores() == expected


@pytest.mark.parametrize("place", ["", "a"])
def test_the_groups_above_limit_the_cores_too(groups, place):
    (groups / "cgroup").write_text("0::/a/b\n")
    _write(groups / "sys" / "a" / "b", cpu_dot_max="max 100000")
    _write(groups / "sys" / place, cpu_dot_max="200000 100000")
    assert machine.num_cores() == 2


@pytest.mark.parametrize(("quota", "expected"), [("-1", 8), ("250000", 3)])
def test_cores_by_groups_of_version_1(groups, quota, expected):
    (groups / "cgroup").write_text("4:memory:/a\n3:cpu,cpuacct:/a\n0::/\n")
    _write(
        groups / "sys" / "cpu" / "a",
        cpu_dot_cfs_quota_us=quota,
        cpu_dot_cfs_period_us="100000",
    )
    # Of another group.
    _write(groups / "sys" / "memory" / "a", cpu_dot_max="100000 100000")
    assert machine.num_cores() == expected
