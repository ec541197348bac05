"""Call frame information read into tables: against what readelf says, and followed by a walk in Python."""

from __future__ import annotations

import re
import signal
import subprocess
from itertools import pairwise
from pathlib import Path
from struct import iter_unpack, unpack_from

import pytest

from pytrace import unwinding
from pytrace.runtime import eh_frame, unwind_rules
from pytrace.runtime.child import Child
from pytrace.runtime.elf import ElfFile
from pytrace.runtime.sys import kernel
from pytrace.runtime.unwind import prefixes
from pytrace.unwinding import CALLER, FRAME, INSTRUCTION, PART, STACK_POINTER
from tests.harness import machine

REGISTERS = (
    "rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "ra",
)  # fmt: skip


# ---------------------------------------------------------------- against readelf


def _said(path: Path) -> dict[int, dict[int, list[str]]]:
    """By the start of a function, by address: the words that `readelf --debug-dump=frames-interp` has."""
    text = subprocess.run(
        ["readelf", "-W", "--debug-dump=frames-interp", str(path)], capture_output=True, text=True, check=False
    ).stdout
    found: dict[int, dict[int, list[str]]] = {}
    rows: dict[int, list[str]] | None = None
    names: list[str] = []
    for line in text.splitlines():
        if function := re.search(r" FDE .*pc=([0-9a-f]+)\.\.", line):
            rows = found.setdefault(int(function[1], 16), {})
        elif " CIE " in line:
            rows = None
        elif line.split()[:1] == ["LOC"]:
            names = line.split()[1:]
        elif rows is not None and re.match(r"[0-9a-f]{16} ", line):
            address, *words = re.sub(r" \(\w+\)", "", line).split()  # `r9 (r9)`: another register
            rows[int(address, 16)] = [f"{name} {word}" for name, word in zip(names, words, strict=True) if word != "u"]
    return found


def _word(rule: eh_frame.Rule) -> str:
    kind, value = rule
    if kind in (eh_frame.OFFSET, eh_frame.VAL_OFFSET):
        assert isinstance(value, int)
        return ("c" if kind == eh_frame.OFFSET else "v") + f"{value:+}"
    return {eh_frame.EXPRESSION: "exp", eh_frame.VAL_EXPRESSION: "vexp", eh_frame.SAME: "s"}.get(kind, f"r{value!r}")


def _ours(function: eh_frame.Function) -> dict[int, list[str]]:
    rows = {}
    for at, cfa, rules in eh_frame.run(function.cie, function.code):
        words = ["CFA exp" if not isinstance(cfa, tuple) else f"CFA {REGISTERS[cfa[0]]}{cfa[1]:+}"]
        words += [f"{REGISTERS[n]} {_word(r)}" for n, r in sorted(rules.items()) if r[0] != eh_frame.UNDEFINED]
        rows[function.start + at] = words
    return rows


@pytest.mark.parametrize("name", ["unwound", "ld.so"])
def test_rows_are_those_of_readelf(name: str, test_programs: Path) -> None:
    path = Path("/lib64/ld-linux-x86-64.so.2") if name == "ld.so" else test_programs / name
    if not path.exists():
        machine.need("uprobe")  # another architecture
    said = _said(path)
    ours = {function.start: _ours(function) for function in eh_frame.functions(ElfFile(str(path)))}
    assert ours.keys() == said.keys() and len(ours) > 10
    for start, rows in said.items():
        if rows:  # readelf leaves out those without instructions of their own
            assert {at: sorted(words) for at, words in ours[start].items()} == {at: sorted(w) for at, w in rows.items()}


# ---------------------------------------------------------------- tables


def _steps(rule: bytes) -> list[tuple[int, ...]]:
    count, _, _ = unpack_from(unwinding.RULE_HEAD, rule)
    return list(iter_unpack(unwinding.STEP, rule[8 : 8 + 8 * count]))


def _rule_at(table: unwind_rules.Table, offset: int) -> bytes:
    number = 0
    for start, following in zip(table.places[::2], table.places[1::2], strict=True):
        if start > offset:
            break
        number = following
    return table.rules[number]


def test_a_plain_function() -> None:
    rule = unwind_rules.packed((7, 24), {6: (eh_frame.OFFSET, -16), 16: (eh_frame.OFFSET, -8)}, eh_frame.Cie())
    assert _steps(rule) == [
        (FRAME, STACK_POINTER, 0, 24),
        (CALLER + STACK_POINTER, FRAME, 0, 0),
        (CALLER + 6, FRAME, 1, -16),
        (CALLER + INSTRUCTION, FRAME, 1, -8),
    ]


@pytest.mark.parametrize(
    ("code", "steps"),
    [
        (b"\x76\x70\x06", [(PART, 6, 1, -16), (FRAME, PART, 0, 0)]),  # rbp - 16, read: a frame that gcc aligns
        (b"\x77\x28\x06\x23\x08", [(PART, 7, 1, 40), (FRAME, PART, 0, 8)]),  # rsp + 40, read, + 8: OpenSSL's assembly
        (b"\x77\x00\x38\x22", [(FRAME, 7, 0, 8)]),  # rsp + 0 + 8
    ],
)
def test_expressions(code: bytes, steps: list[tuple[int, ...]]) -> None:
    rule = unwind_rules.packed(code, {16: (eh_frame.OFFSET, -8)}, eh_frame.Cie())
    assert _steps(rule)[: len(steps)] == steps


def test_the_outermost_frame_has_no_caller() -> None:
    rule = unwind_rules.packed((7, 8), {16: (eh_frame.UNDEFINED, 0)}, eh_frame.Cie())
    assert unpack_from(unwinding.RULE_HEAD, rule) == (0, unwinding.LAST_FRAME, 0)


def test_stubs_of_the_linkage_table(test_programs: Path) -> None:
    elf = ElfFile(str(test_programs / "unwound"))
    section = elf.section(".plt")
    assert section is not None
    table = unwind_rules.table(elf)
    for stub in range(section.offset + 16, section.offset + section.size, 16):
        for offset, size in ((stub, 8), (stub + 10, 8), (stub + 11, 16), (stub + 15, 16)):
            assert _steps(_rule_at(table, offset))[0] == (FRAME, STACK_POINTER, 0, size), hex(offset)


def test_places_ascend_and_change(test_programs: Path) -> None:
    table = unwind_rules.table(ElfFile(str(test_programs / "unwound")))
    pairs = list(zip(table.places[::2], table.places[1::2], strict=True))
    assert all(a[0] < b[0] and a[1] != b[1] for a, b in pairwise(pairs))
    assert {len(rule) for rule in table.rules} == {unwinding.RULE_SIZE} and table.rules[0] == bytes(unwinding.RULE_SIZE)


def test_damaged_information_is_an_error_of_its_own(test_programs: Path) -> None:
    """Whatever byte is wrong, nothing but UnwindError comes out, and soon."""
    elf = ElfFile(str(test_programs / "unwound"))
    section = elf.section(".eh_frame")
    assert section is not None
    whole = elf.data[:]
    for at in range(section.offset, section.offset + section.size, 3):
        for value in (0x00, 0x7F, 0xFF):
            damaged = ElfFile("damaged", whole[:at] + bytes([value]) + whole[at + 1 :])
            try:
                unwind_rules.table(damaged)
            except eh_frame.UnwindError:
                pass


# ---------------------------------------------------------------- processes


@pytest.mark.parametrize(
    ("start", "end"), [(0x400000, 0x401000), (0x7F12_3456_7000, 0x7F12_3467_9000), (0, 1 << 32), (0x1000, 0x1000)]
)
def test_prefixes_cover_a_range_once(start: int, end: int) -> None:
    at = start
    for bits, address in prefixes(start, end):
        size = 1 << (64 - bits)
        assert address == at and address % size == 0
        at += size
    assert at == end


def test_a_child_runs_to_its_entry_point() -> None:
    child = Child("/bin/sleep 0", kernel)
    child.run(stop_at_exec=True)
    assert "libc.so" not in Path(f"/proc/{child.pid}/maps").read_text()
    child.run_to_entry()
    assert "libc.so" in Path(f"/proc/{child.pid}/maps").read_text() and child.is_alive
    child.resume()
    child.terminate()
    assert child.exit_code == 0 or child.signal == signal.SIGTERM
    child.close()


def test_a_child_that_cannot_be_executed_has_no_entry_point(tmp_path: Path) -> None:
    script = tmp_path / "broken"
    script.write_text("#!/nonexistent\n")
    script.chmod(0o755)
    child = Child(str(script), kernel)
    with pytest.raises(Exception, match="Failed to run child: execve"):
        child.run(stop_at_exec=True)
    child.close()
