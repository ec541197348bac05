"""Names read from the string section of made-up BTF files."""

from __future__ import annotations

from pathlib import Path
from struct import pack

import pytest

from pytrace.runtime import btf_strings


def btf(*names: str) -> bytes:
    strings = b"\0" + b"".join(name.encode() + b"\0" for name in names)
    types = bytes(16)
    return pack("<HBB5I", 0xEB9F, 1, 0, 24, 0, len(types), len(types), len(strings)) + types + strings


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(btf_strings, "_FOLDER", str(tmp_path))
    monkeypatch.delenv("BPFTRACE_BTF", raising=False)
    return tmp_path


def test_names_of_the_kernel_and_of_its_modules(folder: Path) -> None:
    (folder / "zram").write_bytes(btf("it__zram", "x"))
    (folder / "vmlinux").write_bytes(btf("it__a", "not_it__b", "it__", "it__c"))
    (folder / "ext4").write_bytes(btf("it__ext"))
    assert btf_strings.BtfNames.load().beginning_with("it__") == [
        ("vmlinux", "a"), ("vmlinux", ""), ("vmlinux", "c"), ("ext4", "ext"), ("zram", "zram"),
    ]  # fmt: skip


def test_another_file_for_vmlinux(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (folder / "vmlinux").write_bytes(btf("it__a"))
    other = tmp_path / "other"
    other.mkdir()
    (other / "raw").write_bytes(btf("it__b"))
    monkeypatch.setattr(btf_strings, "_FOLDER", str(tmp_path / "none"))
    monkeypatch.setenv("BPFTRACE_BTF", str(other / "raw"))
    assert btf_strings.BtfNames.load().beginning_with("it__") == [("vmlinux", "b")]


@pytest.mark.parametrize("content", [b"", b"\x9f\xeb", b"ELF" * 20, btf("it__a")[:20]])
def test_what_is_no_btf_has_no_names(folder: Path, content: bytes) -> None:
    (folder / "vmlinux").write_bytes(content)
    assert btf_strings.BtfNames.load().beginning_with("it__") == []


def test_no_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(btf_strings, "_FOLDER", str(tmp_path / "none"))
    assert btf_strings.BtfNames.load().beginning_with("it__") == []
