"""BTF on a blob made here: types, bit-fields, anonymous members, enumerators, functions, tags, declarations."""

from __future__ import annotations

from struct import pack

import pytest

from pytrace import types
from pytrace.runtime.btf import FUNC, Btf
from pytrace.runtime.btf_listing import matching_types
from pytrace.types import Pointer, Struct

INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, CONST = 1, 2, 3, 4, 5, 6, 7, 8, 10
FUNC_PROTO, TYPE_TAG, ENUM64 = 13, 18, 19


class Writer:
    """A BTF blob; `add` returns the new type's id."""

    def __init__(self) -> None:
        self.strings = b"\0"
        self.types = b""
        self.count = 0

    def name(self, text: str) -> int:
        if not text:
            return 0
        found = self.strings.find(b"\0" + text.encode() + b"\0")
        if found < 0:
            found = len(self.strings) - 1
            self.strings += text.encode() + b"\0"
        return found + 1

    def add(self, kind: int, name: str, size: int, tail: bytes = b"", vlen: int = 0, flag: bool = False) -> int:
        self.types += pack("<III", self.name(name), vlen | kind << 24 | flag << 31, size) + tail
        self.count += 1
        return self.count

    def members(self, *rows: tuple[str, int, int]) -> bytes:
        return b"".join(pack("<III", self.name(n), t, where) for n, t, where in rows)

    def blob(self) -> bytes:
        header = pack("<HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(self.types), len(self.types), len(self.strings))
        return header + self.types + self.strings


@pytest.fixture(scope="module")
def btf(tmp_path_factory: pytest.TempPathFactory) -> Btf:
    w = Writer()
    i32 = w.add(INT, "int", 4, pack("<I", 1 << 24 | 32))
    u8 = w.add(INT, "unsigned char", 1, pack("<I", 8))
    flag = w.add(INT, "_Bool", 1, pack("<I", 4 << 24 | 8))
    comm = w.add(ARRAY, "", 0, pack("<III", u8, i32, 16))
    numbers = w.add(ARRAY, "", 0, pack("<III", i32, i32, 4))
    w.add(TYPEDEF, "pid_t", i32)
    user = w.add(TYPE_TAG, "user", u8)
    user_pointer = w.add(PTR, "", user)
    task = w.count + 3
    inner = w.add(UNION, "", 8, w.members(("low", i32, 0), ("high", i32, 32)), 2)
    task_pointer = w.add(PTR, "", task)
    rows = (
        ("pid", i32, 0), ("comm", comm, 32), ("parent", task_pointer, 192), ("", inner, 256),
        ("buffer", user_pointer, 320), ("one", i32, 3 << 24 | 384), ("two", i32, 7 << 24 | 387), ("flag", flag, 416),
    )  # fmt: skip
    w.add(STRUCT, "task", 56, w.members(*rows), len(rows), flag=True)
    w.add(ENUM, "colour", 4, pack("<IiIi", w.name("RED"), 0, w.name("BLUE"), -5), 2, flag=True)
    w.add(ENUM64, "big", 8, pack("<III", w.name("HUGE"), 1, 1), 1)
    w.add(FWD, "unknown", 0)
    proto = w.add(FUNC_PROTO, "", i32, pack("<IIII", w.name("task"), task_pointer, w.name("n"), numbers), 2)
    w.add(FUNC, "work", proto, vlen=1)
    w.add(FUNC, "RED", proto, vlen=1)  # a function and an enumerator may have one name
    path = tmp_path_factory.mktemp("btf") / "blob"
    path.write_bytes(w.blob())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BPFTRACE_BTF", str(path))
        loaded = Btf.load()
    if loaded is None:
        pytest.skip("missing feature libbpf")
    return loaded


def test_names(btf: Btf) -> None:
    assert btf.type_named("pid_t") == types.INT32
    assert btf.type_named("int") == types.INT32
    assert btf.type_named("task", "struct") == Struct("struct", "task", None)
    assert btf.type_named("task", "union") is None
    assert btf.type_named("nope") is None


def test_members(btf: Btf) -> None:
    task = btf.type_named("task", "struct")
    assert isinstance(task, Struct) and task.size == 56
    layout = task.layout
    find = layout.find
    assert [f.name for f in layout.fields] == ["pid", "comm", "parent", "", "buffer", "one", "two", "flag"]
    comm, high, one, two, parent, buffer, flag = map(find, ("comm", "high", "one", "two", "parent", "buffer", "flag"))
    assert comm and comm.type == types.String(16)
    assert high and (high.offset, high.type) == (36, types.INT32)
    assert one and one.bitfield == types.Bitfield(0, 3) and one.offset == 48
    assert two and two.bitfield == types.Bitfield(3, 7)
    assert parent and parent.type == Pointer(task)
    assert buffer and (buffer.tag, buffer.space) == ("user", "user")
    assert flag and flag.type == types.BOOL


def test_enumerators(btf: Btf) -> None:
    found = btf.enumerator("BLUE")
    assert found is not None
    assert (found[0].name, found[1], found[0].variants) == ("colour", -5, (("RED", 0), ("BLUE", -5)))
    huge = btf.enumerator("HUGE")
    assert huge is not None and (huge[0].bits, huge[1]) == (64, (1 << 32) + 1)
    assert btf.enumerator("task") is None


def test_functions(btf: Btf) -> None:
    (work,) = btf.functions("work", declarations=True)
    assert work.params == (("task", Pointer(Struct("struct", "task", None))), ("n", types.Array(types.INT32, 4)))
    assert work.declarations == ("struct task *", "int[4]", "int")
    assert btf.functions("task") == []
    assert list(btf.function_names("vmlinux")) == [("vmlinux", "work"), ("vmlinux", "RED")]
    found = btf.find_func_id("RED", "vmlinux")
    assert found is not None and btf.vmlinux.record(found[0])[0] == FUNC


def test_definitions(btf: Btf) -> None:
    assert matching_types(btf, "struct t*", definitions=False) == [("vmlinux", "struct task")]
    ((module, text),) = matching_types(btf, "enum col*", definitions=True)
    assert module == "vmlinux" and text.startswith("enum colour {\n\tRED = 0,\n") and text.endswith("};\n")


def test_walk_agrees_with_libbpf(btf: Btf) -> None:
    assert [at for *_, at in btf.vmlinux.walk()] == [btf.vmlinux.at(n) for n in range(1, btf.vmlinux.end)]
