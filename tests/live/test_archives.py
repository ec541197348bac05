"""Probes in libraries that lie in ZIP archives, uncompressed, as Android's packages hold them (spec 03 §4)."""

from __future__ import annotations

import shlex
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import pytest

from pytrace.runtime.elf import ElfFile
from tests.harness.process import Finished, run
from tests.harness.tracer import SCALE

PAGE = 4096

pytestmark = [pytest.mark.feature("root", "btf", "uprobe", "gcc"), pytest.mark.usefixtures("nothing_left_behind")]


def archive(path: Path, library: Path, method: int = ZIP_STORED) -> int:
    """A ZIP file with lib/side.so at the start of a page, behind another member; the library's offset in it."""
    with ZipFile(path, "w") as file:
        file.writestr("first.txt", "something before it")
        info = ZipInfo("lib/side.so")
        info.compress_type = method
        head = file.fp.tell() + 30 + len(info.filename)  # type: ignore[union-attr]
        pad = -head % PAGE
        pad += PAGE if pad < 4 else 0
        info.extra = b"\xfe\xca" + (pad - 4).to_bytes(2, "little") + bytes(pad - 4)
        file.writestr(info, library.read_bytes())
    return head + pad


def traced(pytrace: str, script: str, command: str) -> Finished:
    return run(f"{pytrace} -e {shlex.quote(script)} -c {shlex.quote(command)}", timeout=30 * SCALE)


def test_a_probe_in_a_member(pytrace: str, test_programs: Path, tmp_path: Path) -> None:
    library = test_programs / "libside.so"
    path = tmp_path / "package.zip"
    at = archive(path, library)
    assert path.read_bytes()[at : at + 4] == b"\x7fELF"
    symbol = next(iter(ElfFile(str(library)).named("side_double")))
    place = at + ElfFile(str(library)).offset_of(symbol.address)
    member = f"{path}!/lib/side.so"
    script = f'uprobe:{member}:side_double {{ printf("called %d\\n", arg0); }} '
    script += f"uretprobe:{member}:side_double {{ @ = sum(retval); }} uprobe:{member}:side_h* {{ @none = count(); }}"
    done = traced(pytrace, script, f"{test_programs}/mapped {path} {place} 3")
    assert done.status == 0, done.describe()
    assert {"called 1", "called 2", "called 3", "sum 12", "@: 12"} <= set(done.stdout.splitlines()), done.describe()
    assert "@none" not in done.stdout


def test_functions_of_a_member_are_listed(pytrace: str, test_programs: Path, tmp_path: Path) -> None:
    archive(tmp_path / "package.zip", test_programs / "libside.so")
    done = run(f"{pytrace} -l 'uprobe:{tmp_path}/package.zip!/lib/side.so:side_*'", timeout=30 * SCALE)
    shown = [line.rpartition(":")[2] for line in done.stdout.splitlines()]
    assert shown == ["side_double", "side_half"], done.describe()


@pytest.mark.parametrize("member", ["lib/other.so", "first.txt"])
def test_what_is_no_library(pytrace: str, test_programs: Path, tmp_path: Path, member: str) -> None:
    archive(tmp_path / "package.zip", test_programs / "libside.so")
    done = run(f"{pytrace} -e 'uprobe:{tmp_path}/package.zip!/{member}:f {{ }}'", timeout=30 * SCALE)
    assert done.status == 1 and "ERROR: " in done.stderr and "BUG" not in done.stderr, done.describe()


def test_a_compressed_member(pytrace: str, test_programs: Path, tmp_path: Path) -> None:
    archive(tmp_path / "package.zip", test_programs / "libside.so", ZIP_DEFLATED)
    done = run(f"{pytrace} -e 'uprobe:{tmp_path}/package.zip!/lib/side.so:side_half {{ }}'", timeout=30 * SCALE)
    assert done.status == 1 and "or compressed" in done.stderr, done.describe()
