"""Names for addresses, without a kernel: kallsyms, symbol tables, stack texts, recorded mappings."""

from __future__ import annotations

import os
import re
import struct
import subprocess
from pathlib import Path

import pytest

from pytrace.runtime import mappings, vdso
from pytrace.runtime.elf import ElfFile
from pytrace.runtime.linkage_stubs import stubs
from pytrace.runtime.mappings import Mappings
from pytrace.runtime.symbol_table import SymbolTable, demangled
from pytrace.runtime.symbols import KernelSymbols, Symbols
from pytrace.values import BuildId, StackValue

KALLSYMS = b"""\
ffffffff81000000 T _stext
ffffffff81000000 T _text
ffffffff81000100 t alpha
ffffffff81000200 d some_data
ffffffff81000300 W beta
ffffffffc0000000 t loaded\t[module]
ffffffffa0000000 t between\t[bpf]
"""


@pytest.fixture
def kernel_symbols(tmp_path: Path) -> KernelSymbols:
    path = tmp_path / "kallsyms"
    path.write_bytes(KALLSYMS)
    return KernelSymbols(str(path))


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (0xFFFFFFFF80FFFFFF, None),
        (0xFFFFFFFF81000000, ("_text", 0)),  # the last of several names
        (0xFFFFFFFF81000100, ("alpha", 0)),
        (0xFFFFFFFF81000234, ("alpha", 0x134)),  # data symbols are no code
        (0xFFFFFFFF81000301, ("beta", 1)),
        (0xFFFFFFFFA0000005, ("between", 5)),
        (0xFFFFFFFFC0000010, ("loaded", 16)),
        (5, None),
    ],
)
def test_kernel_symbols(kernel_symbols: KernelSymbols, address: int, expected: tuple[str, int] | None) -> None:
    assert kernel_symbols.find(address) == expected


def test_hidden_or_missing_kallsyms(tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.write_bytes(b"0000000000000000 T a\n0000000000000000 T b\n")
    assert KernelSymbols(str(hidden)).find(1 << 63) is None
    assert KernelSymbols(str(tmp_path / "missing")).find(1 << 63) is None


def stack(*frames: object, user: bool = False) -> StackValue:
    return StackValue(frames, user, 1 if user else -1, 0 if user else -1)


def symbols_of(kernel_symbols: KernelSymbols) -> Symbols:
    found = Symbols({}, lambda probe: "")
    found._kernel = kernel_symbols
    return found


def test_stack_texts(kernel_symbols: KernelSymbols) -> None:
    symbols = symbols_of(kernel_symbols)
    frames = stack(0xFFFFFFFF81000101, 3)
    assert symbols.stack(frames, "bpftrace") == "\n        alpha+1\n        0x3\n"
    assert symbols.stack(frames, "perf") == "\n\tffffffff81000101 alpha+1\n\t3 0x3\n"
    assert symbols.stack(frames, "raw") == "\nffffffff81000101\n3\n"
    assert symbols.stack(stack(), "bpftrace") == "\n"
    failed = stack(0xFFFFFFFF81000101, 2**64 - 1, 5)
    assert symbols.stack(failed, "bpftrace") == "\n        alpha+1\n        <unwind failure>\n"
    ids = stack(BuildId(1, bytes(range(20)), 5), BuildId(2, bytes(20), 0xAB), user=True)
    assert symbols.stack(ids, "build_id") == f"\n{bytes(range(20)).hex()} 0x05\nab\n"


def test_numbers_of_unknown_addresses(kernel_symbols: KernelSymbols) -> None:
    symbols = symbols_of(kernel_symbols)
    assert symbols.kernel(0) == "0"
    assert symbols.kernel(0x10) == "0x10"
    gone = 2**22 - 7  # no such process
    assert symbols.user(0x10, gone, 0) == "0x10"
    assert symbols.user(0x10, gone, 0, offset=True, perf=True) == "0x10 ([unknown])"


def test_demangling() -> None:
    assert demangled("plain") == "plain"
    assert demangled("_Z3addii") in ("add(int, int)", "_Z3addii")  # without a C++ library it stays
    assert demangled("_Z") == "_Z"
    assert demangled("_Z3addii@plt") == demangled("_Z3addii") + "@plt"


def test_stubs_are_named_as_the_disassembler_names_them() -> None:
    program = "/usr/bin/bash"
    words = ["objdump", "-d", "-j", ".plt", "-j", ".plt.sec", "-j", ".plt.got", program]
    shown = subprocess.run(words, capture_output=True, text=True, check=False).stdout
    expected = {(int(at, 16), name) for at, name in re.findall(r"^([0-9a-f]+) <(\w+@plt)>:$", shown, re.M)}
    assert len(expected) > 100
    assert {(at, name) for at, _, name in stubs(ElfFile(program))} == expected
    table = SymbolTable(program, demangle=False)
    assert all(table.at(at + 5) == (name, 5) for at, name in expected)


def test_library_of_the_kernel() -> None:
    table = SymbolTable(vdso.NAME, demangle=False)
    elf = ElfFile(vdso.NAME, vdso.image())
    time = next(s for s in elf.symbols() if s.name == "__vdso_time")
    assert table.at_offset(elf.offset_of(time.address) + 1) == ("time", 1)


def test_symbol_table_of_a_program(tmp_path: Path) -> None:
    source = tmp_path / "two.c"
    source.write_text("int first(void) { return 1; }\nint main(void) { return first(); }\n")
    program = tmp_path / "two"
    built = subprocess.run(["gcc", "-O0", "-o", str(program), str(source)], capture_output=True, check=False)
    if built.returncode:
        pytest.fail(f"gcc is needed: {built.stderr.decode()}")
    table = SymbolTable(str(program), demangle=True)
    (start, name) = next((start, name) for start, _, name in table._rows if name == "first")
    assert table.at(start) == (name, 0)
    assert table.at(start + 1) == (name, 1)
    assert table.at(1 << 60) is None
    segment = table._segments[0]
    assert table.at_offset(start - segment.address + segment.offset + 1) == (name, 1)
    assert table.at_offset(1 << 60) is None
    assert SymbolTable(str(tmp_path / "missing"), demangle=True).at(start) is None


# ---------------------------------------------------------------- recorded mappings


def record(kind: int, time: int, body: bytes, misc: int = 0) -> bytes:
    body += bytes(-len(body) % 8)
    return struct.pack("<IHH", kind, misc, 16 + len(body)) + body + struct.pack("<Q", time)


def mapped(pid: int, start: int, length: int, offset: int, path: str) -> bytes:
    return struct.pack("<IIQQQ", pid, pid, start, length, offset) + path.encode() + b"\0"


class Nothing:
    def online_cpus(self) -> list[int]:
        return []


def recorder(*rings: bytes, pid: int | None = None) -> Mappings:
    found = Mappings(pid, False, Nothing())  # type: ignore[arg-type]
    for content in rings:
        memory = bytearray((1 + mappings._PAGES) * mappings._PAGE)
        memory[mappings._PAGE : mappings._PAGE + len(content)] = content
        memory[mappings._HEAD : mappings._HEAD + 8] = len(content).to_bytes(8, "little")
        found._rings.append((-1, memory))  # type: ignore[arg-type]
    return found


def test_exec_forgets_and_later_mappings_cover() -> None:
    found = recorder(
        record(1, 1, mapped(7, 0x1000, 0x1000, 0, "/old"))
        + record(1, 3, mapped(7, 0x5000, 0x2000, 0x100, "/prog"))
        + record(1, 5, mapped(7, 0x6000, 0x100, 0, "[vdso]")),
        record(3, 2, struct.pack("<II", 7, 7) + b"prog\0", misc=1 << 13),  # another CPU's ring: exec at time 2
    )
    assert found.find(7, 0x1800) is None
    assert found.find(7, 0x5010) == ("/prog", 0x110)
    assert found.find(7, 0x6010) is None
    assert found.find(8, 0x5010) is None


def test_fork_inherits() -> None:
    found = recorder(
        record(1, 1, mapped(7, 0x1000, 0x1000, 0, "/prog"))
        + record(7, 2, struct.pack("<IIIIQ", 9, 7, 9, 7, 2))
        + record(7, 3, struct.pack("<IIIIQ", 7, 7, 10, 7, 3))  # a thread
    )
    assert found.find(9, 0x1001) == ("/prog", 1)
    assert found.find(7, 0x1001) == ("/prog", 1)


def test_ring_that_wraps() -> None:
    size = mappings._PAGES * mappings._PAGE
    one = record(1, 1, mapped(7, 0x1000, 0x1000, 0, "/wrapped/prog"))
    start = size - 24
    memory = bytearray(mappings._PAGE + size)
    for i, byte in enumerate(one):
        memory[mappings._PAGE + (start + i) % size] = byte
    memory[mappings._HEAD : mappings._HEAD + 8] = (start + len(one)).to_bytes(8, "little")
    memory[mappings._TAIL : mappings._TAIL + 8] = start.to_bytes(8, "little")
    found = recorder()
    found._rings.append((-1, memory))  # type: ignore[arg-type]
    assert found.find(7, 0x1002) == ("/wrapped/prog", 2)
    assert memory[mappings._TAIL : mappings._TAIL + 8] == memory[mappings._HEAD : mappings._HEAD + 8]


def test_a_process_that_runs_already() -> None:
    found = recorder(pid=os.getpid())
    assert any(path.startswith("/") for _, _, _, path in found._known[os.getpid()])
