"""Reading a BPF object back: sections, relocations, linked functions."""

from __future__ import annotations

import pytest

from pytrace.codegen import backend
from pytrace.codegen.object import ObjectFile
from pytrace.diagnostics import InternalError

TWO_PROGRAMS = """
target triple = "bpfel"
@"map:m" = external global i8
@"data:m" = external global i8
declare i64 @bpf_kernel_function(i64)

define internal i64 @inner(i64 %x) noinline section "fn.inner" {
  %1 = mul i64 %x, %x
  %2 = call i64 inttoptr (i64 5 to ptr)()
  %3 = add i64 %1, %2
  ret i64 %3
}
define internal i64 @callback(i64 %i, ptr %c) noinline section "fn.callback" {
  %1 = call i64 @inner(i64 %i)
  ret i64 %1
}
define i64 @one(ptr %ctx) section "prog.one" {
  %1 = load i64, ptr getelementptr (i8, ptr @"data:m", i64 8)
  %2 = call i64 inttoptr (i64 181 to ptr)(i32 3, ptr @callback, ptr null, i64 0)
  %3 = call i64 inttoptr (i64 3 to ptr)(ptr @"map:m", ptr %ctx)
  ret i64 %1
}
define i64 @two(ptr %ctx) section "prog.two" {
  %1 = call i64 @bpf_kernel_function(i64 1)
  %2 = call i64 @inner(i64 %1)
  ret i64 %2
}
"""


def compiled(text: str) -> ObjectFile:
    return ObjectFile(backend.emit_object(backend.parsed(text), "v3"))


def instructions(code: bytes | bytearray) -> list[tuple[int, int, int]]:
    """(opcode, source register, immediate)."""
    return [
        (code[at], code[at + 1] >> 4, int.from_bytes(code[at + 4 : at + 8], "little", signed=True))
        for at in range(0, len(code), 8)
    ]


def test_each_program_takes_along_what_it_reaches() -> None:
    found = compiled(TWO_PROGRAMS)
    one, two = found.link("prog.one"), found.link("prog.two")
    assert {(r.kind, r.name) for r in one.relocations} == {
        ("data", "m"), ("map", "m"), ("func", "fn.callback"),
    }  # fmt: skip
    assert [(r.kind, r.name) for r in two.relocations] == [("kfunc", "bpf_kernel_function")]


def test_calls_lead_to_the_start_of_functions() -> None:
    code = instructions(compiled(TWO_PROGRAMS).link("prog.one").code)
    exits = [at for at, (opcode, _, _) in enumerate(code) if opcode == 0x95]
    starts = {0, *(at + 1 for at in exits[:-1])}
    targets = [at + 1 + value for at, (opcode, source, value) in enumerate(code) if (opcode, source) == (0x85, 1)]
    pointers = [at + 1 + value for at, (opcode, source, value) in enumerate(code) if (opcode, source) == (0x18, 4)]
    assert len(targets) == 1 and len(pointers) == 1
    assert set(targets + pointers) <= starts


def test_a_kernel_function_is_marked() -> None:
    code = instructions(compiled(TWO_PROGRAMS).link("prog.two").code)
    assert [source for opcode, source, _ in code if opcode == 0x85 and source == 2] == [2]


def test_what_llvm_refuses_is_a_bug_of_ours() -> None:
    with pytest.raises(InternalError):
        backend.parsed("define i64 @x() { ret i32 0 }")


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(InternalError):
        ObjectFile(b"not an object")


def test_a_large_module_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes after it is compiled as ever."""
    before = backend.emit(TWO_PROGRAMS, "v3")
    with monkeypatch.context() as context:
        context.setattr(backend, "LARGE", 0)
        large = backend.emit(TWO_PROGRAMS, "v3")
    assert len(ObjectFile(large).link("prog.one").code) == len(ObjectFile(before).link("prog.one").code)
    assert backend.emit(TWO_PROGRAMS, "v3") == before
