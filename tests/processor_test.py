"""What the CPU can do, read from Linux's description of it."""

import pytest

from ofa_aec_tf import processor


@pytest.fixture(name="cpu_info")
def fixture_cpu_info(tmp_path, monkeypatch):
    path = tmp_path / "cpuinfo"
    monkeypatch.setattr(processor, "_CPU_INFO", path)
    processor.features.cache_clear()
    yield path
    processor.features.cache_clear()


def test_features_of_x86(cpu_info):
    cpu_info.write_text(
        "processor\t: 0\nmodel name\t: flags of avx\n"
        "flags\t\t: fpu avx2 avx512_bf16 rdpid\nbugs\t\t: spectre_v1\n"
    )
    assert processor.features() == {"fpu", "avx2", "avx512_bf16", "rdpid"}
    assert processor.has_bfloat16_products()
    assert not processor.has_bfloat16_tiles()


def test_features_of_a_cpu_with_matrix_units(cpu_info):
    cpu_info.write_text("flags : avx512_bf16 amx_bf16 amx_tile\n")
    assert processor.has_bfloat16_products()
    assert processor.has_bfloat16_tiles()


def test_features_of_arm(cpu_info):
    cpu_info.write_text("processor : 0\nFeatures : fp asimd bf16\n")
    assert processor.features() == {"fp", "asimd", "bf16"}
    assert not processor.has_bfloat16_products()


def test_no_features_where_there_is_no_description(cpu_info):
    assert processor.features() == frozenset()
