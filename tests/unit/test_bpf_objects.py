"""Compiled BPF objects: reading them, joining their types, linking their functions, calling them from scripts."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path
from struct import iter_unpack, unpack_from

import pytest

from pytrace import types
from pytrace.bpfobject import BpfObject, ObjectFunction, ObjectRefused, ObjectRelocation
from pytrace.codegen import backend
from pytrace.codegen.imported import Imports, joined, symbol_of
from pytrace.codegen.object import Linked
from pytrace.defs import load_registry
from pytrace.diagnostics import Diagnostics, ScriptError
from pytrace.grammar.parser import parse
from pytrace.program import Relocation
from pytrace.runtime.bpf_object import ObjectError, read
from pytrace.sema import typed
from pytrace.sema.pipeline import analyse
from pytrace.sema.unit import Options
from pytrace.source import Source
from tests.unit.recorded_target import RecordedTarget

TEXT = Path(__file__).resolve().parents[1] / "objects" / "imported.ll"


@cache
def data() -> bytes:
    return backend.emit_object(backend.parsed(TEXT.read_text()), "v3")


@cache
def found() -> BpfObject:
    return read(data(), "imported.bpf.o")


# ---------------------------------------------------------------- reading


def test_functions_and_their_types() -> None:
    functions = found().functions
    point = types.Struct("struct", "point", None)
    assert functions["added"].params == (("p", types.Pointer(point)),) and functions["added"].result == types.INT64
    assert functions["is_big"].result == types.BOOL and functions["narrow"].params[0][1] == types.UINT8
    assert isinstance(functions["nothing"].result, types.VoidType)
    assert functions["add_one"].exported and not functions["helper"].exported and not functions["step"].exported


def test_what_functions_refer_to() -> None:
    functions = found().functions
    assert [(r.kind, r.name) for r in functions["both"].relocations] == [("function", "helper")] * 2
    assert [(r.kind, r.name) for r in functions["total"].relocations] == [("callback", "step")]
    assert {(r.kind, r.name) for r in functions["seen"].relocations} == {("map", "counts")}
    assert {r.kind for r in functions["look"].relocations} == {"data"}
    assert [row.kind for row in functions["tgid_of"].core] == [0]


def test_maps_and_data() -> None:
    (counts,) = found().maps
    assert (counts.kind, counts.key_size, counts.value_size, counts.max_entries) == ("hash", 4, 8, 64)
    sections = {d.name: d for d in found().data}
    assert sections[".data"].content == (40).to_bytes(8, "little") and not sections[".data"].constant
    assert sections[".bss"].content == bytes(32) and sections[".rodata"].constant
    assert found().type_named("point", "struct") == types.Struct("struct", "point", None)
    enumerator = found().enumerator("GREEN")
    assert enumerator is not None and enumerator[1] == 1


@pytest.mark.parametrize("what, said", [(b"", "no object"), (b"\x7fELF" + bytes(80), "no object")])
def test_what_is_no_object(what: bytes, said: str) -> None:
    with pytest.raises(ObjectError, match=said):
        read(what, "x")


def test_without_type_information() -> None:
    with pytest.raises(ObjectError, match="no type information"):
        read(data().replace(b".BTF\0", b".XTF\0"), "x")


def test_damage_ends_in_a_message() -> None:
    chance = random.Random(1)
    refused = 0
    for _ in range(300):
        broken = bytearray(data())
        for _ in range(chance.choice((1, 3, 20))):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        if chance.random() < 0.2:
            del broken[chance.randrange(len(broken)) :]
        try:
            read(bytes(broken), "x")
        except ObjectError:
            refused += 1
    assert refused > 50


# ---------------------------------------------------------------- linking


def test_types_are_joined() -> None:
    own = found().btf
    blob, ids, texts = joined(own, own)
    header, _, type_size, _, text_size = unpack_from("<5I", own, 4)
    size = 2 * type_size - unlinked(own)
    assert unpack_from("<5I", blob, 4) == (24, 0, size, size, 2 * text_size)
    assert texts == text_size and ids > 20 and header == 24


def unlinked(btf: bytes) -> int:
    """Bytes that variables and sections lose when they become nameless."""
    _, _, type_size, _, _ = unpack_from("<5I", btf, 4)
    at, lost = 24, 0
    fixed = {1: 4, 3: 12, 14: 4, 17: 4}
    each = {4: 12, 5: 12, 6: 8, 13: 8, 15: 12, 19: 12}
    while at < 24 + type_size:
        _, info, _ = unpack_from("<III", btf, at)
        kind, count = info >> 24 & 31, info & 0xFFFF
        tail = fixed.get(kind, 0) + each.get(kind, 0) * count
        lost += tail if kind in (14, 15, 17) else 0
        at += 12 + tail
    return lost


def test_functions_are_placed_once_behind_the_program() -> None:
    linked = Linked()
    linked.code += (b"\x85\x10\0\0\xff\xff\xff\xff" * 2) + b"\x95" + bytes(7)
    linked.externs = [(0, symbol_of(0, "both")), (1, symbol_of(0, "total"))]
    imports = Imports([found()], found().btf)
    imports.complete(linked)
    calls = [(index, imm) for index, (op, _, _, imm) in enumerate(iter_unpack("<BBhi", linked.code)) if op == 0x85]
    assert calls[0] == (0, 3 - 0 - 1)
    starts = [start for start, _ in linked.functions]
    assert len(starts) == 4 and starts[0] == 3  # both, total, helper, step
    helper = starts[2]
    assert [i + imm + 1 for i, imm in calls[2:4]] == [helper, helper]
    assert [r.kind for r in linked.relocations] == ["func"]
    assert [row.index for row in linked.lines] == sorted(row.index for row in linked.lines)


def test_only_what_is_used_is_made() -> None:
    linked = Linked(bytearray(b"\x85\x10\0\0\xff\xff\xff\xff\x95\0\0\0\0\0\0\0"), externs=[(0, symbol_of(0, "bump"))])
    imports = Imports([found()], found().btf)
    imports.complete(linked)
    assert [(m.name, m.storage, m.initial) for m in imports.maps] == [
        ("import0.data", "imported", (40).to_bytes(8, "little"))
    ]
    assert {r.name for r in linked.relocations} == {"import0.data"}


def test_calls_across_objects() -> None:
    def function(name: str, *relocations: ObjectRelocation) -> ObjectFunction:
        code = b"\x85\x10\0\0\xff\xff\xff\xff\x95\0\0\0\0\0\0\0"
        return ObjectFunction(name, True, code, relocations, (), (), 1, (), types.INT32)

    def holding(item: ObjectFunction) -> BpfObject:
        return BpfObject("x", {item.name: item}, (), (), found().btf, lambda n, t: None, lambda n: None)

    first = function("first", ObjectRelocation(0, "extern", "second"))
    second = function("second", ObjectRelocation(0, "kfunc", "bpf_something"))
    linked = Linked(bytearray(b"\x85\x10\0\0\xff\xff\xff\xff\x95\0\0\0\0\0\0\0"), externs=[(0, symbol_of(0, "first"))])
    Imports([holding(first), holding(second)], found().btf).complete(linked)
    assert [imm for op, _, _, imm in iter_unpack("<BBhi", linked.code) if op == 0x85][:2] == [1, 1]
    assert linked.relocations == [Relocation(4, "kfunc", "bpf_something")]


# ---------------------------------------------------------------- calling


class Target(RecordedTarget):
    def bpf_object(self, path: str, folders: tuple[str, ...]) -> BpfObject:
        if "refused" in path:
            raise ObjectRefused(f"{path} cannot be imported: no", "do this")
        return found()


def messages(script: str, folder: Path, *files: str) -> tuple[typed.TypedScript | None, str]:
    for name in files:
        (folder / name).write_text("")
    diagnostics = Diagnostics()
    options = Options(directory=str(folder))
    tree = parse(Source("stdin", script.encode()), diagnostics)
    try:
        found = analyse(tree, registry=load_registry(), target=Target(), options=options, diagnostics=diagnostics)
    except ScriptError:
        return None, diagnostics.render()
    return found, diagnostics.render()


IMPORT = 'import "a.bpf.o"; '


@pytest.mark.parametrize(
    "call, said",
    [
        ('add_one("a")', "Expected int32 for argument `value` got string[2]"),
        ("add_one(5000000000)", "Function `add_one` requires arguments (int32)"),
        ("add_one(1, 2)", "Function `add_one` requires 1 arguments, got only 2"),
        ("added(0)", "Expected struct point * for argument `p` got int8"),
        ("added((int32 *)1)", "got int32 *"),
        ("helper(1, 2)", "Unknown function: 'helper'"),
        ("add_oen(1)", "Did you mean 'add_one'?"),
        ("add_one((int64)1)", "WARNING: Expression of type: int64 being cast to type: int32"),
        ("print(nothing(1))", "none type passed to print() is not printable"),
    ],
)
def test_calls_are_checked(call: str, said: str, tmp_path: Path) -> None:
    assert said in messages(f"{IMPORT}begin {{ {call}; }}", tmp_path, "a.bpf.o")[1]


def test_a_call_has_the_functions_type(tmp_path: Path) -> None:
    script, said = messages(f"{IMPORT}begin {{ $x = narrow(1); $p = word(); nothing(1); }}", tmp_path, "a.bpf.o")
    assert script is not None and said == "" and script.objects == (found(),)


def test_refusals_stand_at_the_import(tmp_path: Path) -> None:
    _, said = messages('import "refused.bpf.c"; begin { }', tmp_path, "refused.bpf.c")
    assert said.startswith("stdin:1:1-23: ERROR: ") and "HINT: do this" in said


def test_two_imports_of_one_name(tmp_path: Path) -> None:
    _, said = messages('import "a.bpf.o"; import "b.bpf.o"; begin { }', tmp_path, "a.bpf.o", "b.bpf.o")
    assert said.startswith("stdin:1:19-35: ERROR: Function `") and "is defined by two imports" in said


def test_macros_and_builtins_win(tmp_path: Path) -> None:
    _, said = messages(f"{IMPORT}macro added(x) {{ 1 }} begin {{ $x = added(7); }}", tmp_path, "a.bpf.o")
    assert said == ""
