"""Symbols, debug information, instruction lengths and USDT arguments of programs built here."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pytrace.defs.usdt_arguments import Argument, parse
from pytrace.runtime import dwarf
from pytrace.runtime.elf import ElfError, ElfFile
from pytrace.runtime.x86 import boundary, instruction_length
from pytrace.types import Array, Bitfield, Pointer, String, Struct
from tests.harness import machine

PROGRAM = """
struct point { int x; char name[10]; unsigned b : 3, c : 7; union { long u; short v; }; struct point *next; };
enum colour { RED, BLUE = 5 };
int add(int x, long y, const char *s) { return x + y + s[0]; }
static int use(struct point *p, enum colour c, int (*cb)(int), int rows[2][3]) {
  return p->x + c;
}
int main(int argc, char **argv) {
  struct point p = {0};
  return add(argc, 2, "abc") + use(&p, BLUE, 0, 0);
}
"""


@pytest.fixture(scope="module", params=["-gdwarf-4", "-gdwarf-5", "-gdwarf-5 -gz"])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    machine.need("gcc")
    folder = tmp_path_factory.mktemp("elf")
    (folder / "prog.c").write_text(PROGRAM)
    subprocess.run(["gcc", *request.param.split(), "-O0", "-o", "prog", "prog.c"], check=True, cwd=folder)
    return str(folder / "prog")


def test_symbols(program: str) -> None:
    elf = ElfFile(program)
    by_name = {s.name: s for s in elf.symbols()}
    assert {"main", "add", "use"} <= by_name.keys()
    (add,) = elf.named("add")
    assert (add.address, add.size) == (by_name["add"].address, by_name["add"].size)
    assert elf.data[add.offset : add.offset + 4] in (b"\x55\x48\x89\xe5", b"\xf3\x0f\x1e\xfa")
    assert elf.named("dd") == [], "the tail of a name is no name of its own"
    assert elf.named("nope") == []


def test_damaged_files(tmp_path: Path, program: str) -> None:
    whole = Path(program).read_bytes()
    for name, content in {"text": b"x" * 100, "short": whole[:40], "cut": whole[: len(whole) // 2]}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ElfError):
            ElfFile(str(tmp_path / name))


def test_parameters(program: str) -> None:
    assert dwarf.declarations(program, "add") == ["int x", "long int y", "const char* s"]
    assert dwarf.declarations(program, "use") == [
        "struct point* p", "enum colour c", "<unknown type>* cb", "int[3]* rows",
    ]  # fmt: skip
    add = dwarf.function(program, "add")
    assert add is not None and [str(t) for _, t in add.params] == ["int32", "int64", "int8 *"]
    assert str(add.result) == "int32"
    assert dwarf.declarations(program, "nope") == []


def test_structs(program: str) -> None:
    use = dwarf.function(program, "use")
    assert use is not None
    pointer = use.params[0][1]
    assert isinstance(pointer, Pointer) and isinstance(pointer.pointee, Struct)
    point = pointer.pointee
    find = point.layout.find
    name, c, v, following = map(find, ("name", "c", "v", "next"))
    assert point.size == 32
    assert name and name.type == String(10)
    assert c and (c.offset, c.bitfield) == (12, Bitfield(19, 7))
    assert v and (v.offset, str(v.type)) == (16, "int16")
    assert following and following.type == Pointer(point)
    rows = use.params[3][1]
    assert isinstance(rows, Pointer) and isinstance(rows.pointee, Array) and rows.pointee.length == 3


def test_lines(program: str) -> None:
    (add,) = ElfFile(program).named("add")
    assert dwarf.line_address(program, "prog.c", 4, 0) == add.address
    assert dwarf.line_address(program, "x/prog.c", 4, 0) == "DWARF error: No compilation unit matches x/prog.c"
    assert dwarf.line_address(program, "prog.c", 99, 0) == "DWARF error: Unable to map 'prog.c:99' to address"


def test_no_debug_information(tmp_path: Path, program: str) -> None:
    stripped = str(tmp_path / "stripped")
    subprocess.run(["strip", "-o", stripped, program], check=True)
    assert not dwarf.available(stripped)
    assert dwarf.declarations(stripped, "add") is None


@pytest.mark.parametrize(
    "code",
    [
        "55", "4889e5", "897dfc", "f30f1efa", "488b05d92f0000", "e8a5fcffff", "0f84aabbccdd", "48b88877665544332211",
        "66b83412", "c5f877", "c4e27918c1", "62f1fd48283d11223344", "660f3a0fc108", "f20f1045f8", "ff2425c8104000",
        "498b4424f8", "a8ff", "f6450801", "f7c7ffffff7f", "c8100001", "0f1f840000000000",
    ],
)  # fmt: skip
def test_instruction_lengths(code: str) -> None:
    data = bytes.fromhex(code)
    assert instruction_length(data + bytes(16), 0) == len(data)
    assert instruction_length(data[:-1], 0) in (None, len(data)), "what is cut off is not guessed"


def test_boundary() -> None:
    code = bytes.fromhex("554889e5897dfc") + bytes(16)
    assert [boundary(code, n) for n in range(8)] == [True, True, False, False, True, False, False, True]
    assert boundary(b"\x06\x06", 1) is None


def test_usdt_arguments() -> None:
    assert parse("-4@%edi 8@$-5 1@%ah 2@8(%rax,%rbx,4) -8@counter+8(%rip) 8f@%xmm0 4@nonsense -4@rows-4(,%rdi,4)") == [
        Argument(4, True, "register", 112),
        Argument(8, False, "constant", offset=-5),
        Argument(1, False, "register", 80, shift=8),
        Argument(2, False, "memory", 80, 40, 4, 8),
        Argument(8, True, "relative", offset=8, symbol="counter"),
        Argument(8, False, "unknown", symbol="8f@%xmm0"),
        Argument(4, False, "unknown", symbol="4@nonsense"),
        Argument(4, True, "memory", -1, 112, 4, -4, symbol="rows"),
    ]
