"""Loading against a kernel of our own: what is created, patched and set, and that nothing stays open."""

from __future__ import annotations

import errno
import os
from struct import pack, unpack_from
from typing import Any

import pytest

from pytrace import types
from pytrace.diagnostics import KernelError, MachineError, VerifierError
from pytrace.program import GlobalSpec, LineRow, Location, MapSpec, ProbeSpec, Program, ProgramSpec, Relocation
from pytrace.runtime.loader import fill_map, load, ring_size, with_strings
from pytrace.runtime.losses import Losses
from pytrace.runtime.maps import MapReader
from pytrace.runtime.sys import Kernel, ProgramLoad, abi
from pytrace.runtime.sys.bpf import object_name
from pytrace.runtime.sys.process import cpu_list
from pytrace.runtime.verifier import cause_of, explain

RET = pack("=BBhi", 0xB7, 0, 0, 0) + pack("=BBhi", 0x95, 0, 0, 0)


def refused(number: int, log: str = "") -> OSError:
    error = OSError(number, os.strerror(number), "bpf")
    error.log = log  # type: ignore[attr-defined]
    return error


class FakeKernel(Kernel):
    """Remembers its calls; fds count from 100; `refuse` maps a program's name to its log."""

    def __init__(self, refuse: dict[str, str] | None = None) -> None:
        self.refuse = refuse or {}
        self.calls: list[Any] = []
        self.open: set[int] = set()
        self.loads: list[ProgramLoad] = []
        self.updates: dict[int, tuple[bytes, bytes]] = {}
        self.memory = 1 << 40
        self._next = 100

    def _new(self, *call: Any) -> int:
        self._next += 1
        self.open.add(self._next)
        self.calls.append(call)
        return self._next

    def map_create(
        self, kind: int, key_size: int, value_size: int, max_entries: int, flags: int = 0, name: str = "",
        inner: int = 0,
    ) -> int:  # fmt: skip
        return self._new("map", kind, max_entries, name)

    def map_update(self, fd: int, key: bytes, value: bytes, flags: int = abi.ANY) -> None:
        self.updates[fd] = (key, value)

    def map_freeze(self, fd: int) -> None:
        self.calls.append(("freeze", fd))

    def btf_load(self, data: bytes) -> int:
        return self._new("btf")

    def prog_load(self, load: ProgramLoad) -> tuple[int, str]:
        self.loads.append(load)
        if load.name in self.refuse:
            raise refused(errno.EINVAL, self.refuse[load.name] if load.log_level else "")
        return self._new("program", load.name), "log" if load.log_level else ""

    def online_cpus(self) -> list[int]:
        return [0, 1]

    def available_memory(self) -> int:
        return self.memory

    def close(self, fd: int) -> None:
        self.open.remove(fd)


def made(*programs: ProgramSpec, maps: tuple[MapSpec, ...] = (), **config: Any) -> Program:
    return Program(maps, programs, (ProbeSpec("b", "begin", 0, {}),), (), (), b"", config)


def test_maps_come_first_and_everything_is_closed_in_reverse() -> None:
    kernel = FakeKernel()
    maps = (MapSpec("@x", "hash", 8, 8, 10), MapSpec("ring", "ringbuf", 0, 0, 0))
    loaded = load(made(ProgramSpec("p", "kprobe", "", RET, ()), maps=maps, perf_rb_pages=64), kernel, {})
    assert kernel.calls == [("map", 1, 10, "AT_x"), ("map", 27, 64 * 4096, "ring"), ("program", "p")]
    assert loaded.maps == {"@x": 101, "ring": 102} and loaded.programs == [103]
    loaded.close(kernel)
    assert not kernel.open


@pytest.mark.parametrize(
    ("pages", "memory", "size"),
    [(0, 1 << 40, 8 << 20), (0, 1 << 20, 256 << 10), (1, 0, 8192), (3, 0, 8192), (7, 0, 32768), (64, 0, 262144)],
)
def test_ring_sizes_are_powers_of_two(pages: int, memory: int, size: int) -> None:
    kernel = FakeKernel()
    kernel.memory = memory
    assert ring_size(kernel, {"perf_rb_pages": pages}) == size


def test_relocations() -> None:
    wide = pack("=BBhi", 0x18, 1, 0, 0) + bytes(8)
    code = wide + wide + wide + RET
    spec = ProgramSpec(
        "p", "kprobe", "", code,
        (Relocation(0, "map", "@x"), Relocation(2, "data", "globals", 24), Relocation(4, "func", "callback")),
    )  # fmt: skip
    kernel = FakeKernel()
    maps = (MapSpec("@x", "hash", 8, 8, 10), MapSpec("globals", "array", 4, 32, 1))
    load(made(spec, maps=maps), kernel, {})
    patched = kernel.loads[0].insns
    assert unpack_from("=BBhi", patched, 0) == (0x18, abi.PSEUDO_MAP_FD << 4 | 1, 0, 101)
    assert unpack_from("=BBhi", patched, 16) == (0x18, abi.PSEUDO_MAP_VALUE << 4 | 1, 0, 102)
    assert unpack_from("=BBhi", patched, 24) == (0, 0, 0, 24)
    assert unpack_from("=BBhi", patched, 32) == (0x18, abi.PSEUDO_FUNC << 4 | 1, 0, 0)
    assert spec.insns == code


def test_globals_are_written_and_frozen() -> None:
    kernel = FakeKernel()
    rows = (GlobalSpec("a", 0, "start_ns"), GlobalSpec("b", 8, "cpid"))
    spec = MapSpec("globals", "array", 4, 16, 1, 0x80)
    fill_map(kernel, 7, spec, rows, {"start_ns": lambda: 5, "cpid": lambda: -1})
    assert kernel.updates[7] == (bytes(4), pack("=Qq", 5, -1))
    assert kernel.calls == [("freeze", 7)]
    with pytest.raises(MachineError, match="no value for the global"):
        fill_map(kernel, 7, spec, rows, {})


def test_read_only_data_is_written() -> None:
    kernel = FakeKernel()
    fill_map(kernel, 7, MapSpec("rodata", "array", 4, 8, 1, initial=b"abc"), (), {})
    assert kernel.updates[7] == (bytes(4), b"abc\0\0\0\0\0") and not kernel.calls


def test_only_what_is_wanted_is_loaded() -> None:
    kernel = FakeKernel()
    specs = [ProgramSpec(name, "kprobe", "", RET, ()) for name in "abc"]
    loaded = load(made(*specs), kernel, {}, wanted={1}.__contains__)
    assert [fd >= 0 for fd in loaded.programs] == [False, True, False]


LOG = """\
func#0 @0
; $x = 1 @ script.pt:2
0: (79) r0 = *(u64 *)(r3 +0)
R3 !read_ok
processed 1 insns (limit 1000000) max_states_per_insn 0 total_states 0 peak_states 0 mark_read 0
"""


def test_a_refusal_closes_everything_and_explains() -> None:
    kernel = FakeKernel({"bad": LOG})
    where = Location("script.pt:2:1-8", "", "script.pt", 2, 1)
    bad = ProgramSpec("bad", "kprobe", "", RET, (), line_info=(LineRow(0, 2, 3, "  $x = 1"),), location=where)
    maps = (MapSpec("@x", "hash", 8, 8, 10),)
    with pytest.raises(VerifierError) as caught:
        load(made(ProgramSpec("good", "kprobe", "", RET, ()), bad, maps=maps), kernel, {})
    assert not kernel.open
    error = caught.value
    assert str(error) == (
        "Error loading BPF program for bad. Error code: -22 (Invalid argument). Use -v for full kernel error log."
    )
    assert error.cause == "R3 !read_ok"
    assert error.line is not None
    assert (error.line.location, error.line.excerpt) == ("script.pt:2:3", "  $x = 1\n  ~\n")


@pytest.mark.parametrize(
    ("log", "message"),
    [
        ("5: (85) call bpf_x#147\nhelper call is not allowed in probe\n", "helper bpf_x not allowed in probe"),
        ("5: (85) call bpf_x#1\nprogram of this type cannot use helper bpf_x#1\n", "helper bpf_x not allowed in probe"),
        ("combined stack size of 2 calls is 600. Too large\n", "Stack size is too large."),
    ],
)
def test_known_refusals_have_their_own_words(log: str, message: str) -> None:
    with pytest.raises(VerifierError, match=message):
        load(made(ProgramSpec("bad", "kprobe", "", RET, ())), FakeKernel({"bad": log}), {})


def test_a_symbol_that_the_kernel_does_not_know_is_shown_where_it_is_used() -> None:
    log = "ldimm64 failed to find the address for kernel symbol 'that'.\nprocessed 0 insns\n"
    rows = (LineRow(0, 1, 1, "one"), LineRow(1, 2, 1, "two"), LineRow(3, 3, 1, "three"))
    use = Relocation(1, "ksym", "that")
    spec = ProgramSpec("bad", "kprobe", "", RET, (use,), line_info=rows)
    with pytest.raises(VerifierError) as caught:
        raise explain(FakeKernel({"bad": log}), spec, ProgramLoad(2, RET, "bad", "GPL", 0), OSError(2, ""), 4096)
    assert caught.value.line is not None and caught.value.line.excerpt.startswith("two\n")


def test_sizes_past_32_bits_are_refused() -> None:
    with pytest.raises(KernelError, match="Failed to create map '@x': Argument list too long"):
        load(made(maps=(MapSpec("@x", "hash", 8, 8, 1 << 32),)), FakeKernel(), {})
    with pytest.raises(KernelError) as caught:
        load(made(maps=(MapSpec("ring", "ringbuf", 0, 0, 0),), perf_rb_pages=1 << 31), FakeKernel(), {})
    assert caught.value.advice == "lower perf_rb_pages"


def test_a_refusal_without_a_log_is_the_kernels() -> None:
    with pytest.raises(KernelError, match="Error loading BPF program for bad: Invalid argument"):
        load(made(ProgramSpec("bad", "kprobe", "", RET, ())), FakeKernel({"bad": ""}), {})


def test_logs_on_request() -> None:
    kernel = FakeKernel()
    loaded = load(made(ProgramSpec("p", "kprobe", "", RET, ()), log_size=4096), kernel, {}, log_level=15)
    assert loaded.logs == {"p": "log"} and kernel.loads[0].log_size == 4096


@pytest.mark.parametrize(("size", "tries"), [(900_000, 1), (5_000_000, 3), (1 << 30, 4)])
def test_a_log_that_does_not_fit_is_asked_for_again(size: int, tries: int) -> None:
    kernel = LongLogs(size)
    loaded = load(made(ProgramSpec("p", "kprobe", "", RET, ())), kernel, {}, log_level=1)
    assert loaded.logs == {"p": f"{size} bytes" if size < 1 << 30 else "the beginning"}
    assert sum(bool(level) for level, _ in kernel.asked) == tries
    assert kernel.open == set(loaded.programs)


def test_a_log_that_does_not_fit_does_not_hide_why_a_program_is_refused() -> None:
    kernel = LongLogs(1 << 30, errno.E2BIG)
    with pytest.raises(MachineError, match="Error code: -7"):
        load(made(ProgramSpec("p", "kprobe", "", RET, ())), kernel, {}, log_level=1)
    assert not kernel.open


class LongLogs(FakeKernel):
    """Its logs need `size` bytes; without a log programs are accepted, or refused with `number`."""

    def __init__(self, size: int, number: int = 0) -> None:
        super().__init__()
        self.size, self.number = size, number
        self.asked: list[tuple[int, int]] = []

    def prog_load(self, load: ProgramLoad) -> tuple[int, str]:
        self.asked.append((load.log_level, load.log_size))
        if load.log_level and load.log_size < self.size:
            raise refused(errno.ENOSPC, "the beginning")
        if self.number:
            raise refused(self.number)
        return self._new("program", load.name), f"{self.size} bytes" if load.log_level else ""


def test_causes() -> None:
    assert cause_of(LOG) == "R3 !read_ok"
    assert cause_of("") == ""
    large = "BPF program is too large. Processed 1000001 insn"
    assert cause_of(f"Something.\n413: (16) if w4 == 0x0 goto pc+1 {large}\nprocessed 1000001 insns\n") == large
    last = "last insn is not an exit or jmp"
    assert cause_of(f"0: (95) exit\n{last}\nprocessed 0 insns\n") == last


def test_strings_are_added_to_btf() -> None:
    header = pack("=HBBIIIII", 0xEB9F, 1, 0, 24, 0, 4, 4, 5)
    blob, offsets = with_strings(header + b"TYPE" + b"\0abc\0", ["x.pt", "one", "one"])
    assert offsets == [5, 10, 10]
    assert blob == pack("=HBBIIIII", 0xEB9F, 1, 0, 24, 0, 4, 4, 14) + b"TYPE\0abc\0x.pt\0one\0"


def test_object_names() -> None:
    assert object_name("tracepoint:sched:x") == b"tracepoint_sche"
    assert object_name("a\xffb") == b"a_b"


def test_cpu_lists() -> None:
    assert cpu_list("0-3,8\n") == [0, 1, 2, 3, 8]
    assert cpu_list("\n") == []


# ---------------------------------------------------------------- maps


class Elements(Kernel):
    """One map's elements; `batches` False: the kind has no batch operations."""

    def __init__(self, elements: dict[bytes, bytes], batches: bool = True, bucket: int = 1) -> None:
        self.elements = elements
        self.batches = batches
        self.bucket = bucket

    def map_lookup_batch(
        self, fd: int, key_size: int, value_size: int, count: int, cursor: bytes | None
    ) -> tuple[bytes, bytes, int, bytes | None]:
        if not self.batches:
            raise refused(524)
        if count < self.bucket:
            raise refused(errno.ENOSPC)
        start = int.from_bytes(cursor, "little") if cursor else 0
        keys = list(self.elements)[start : start + count]
        last = start + len(keys) >= len(self.elements)
        values = b"".join(self.elements[k] for k in keys)
        return b"".join(keys), values, len(keys), None if last else (start + len(keys)).to_bytes(8, "little")

    def map_next_key(self, fd: int, key: bytes | None, key_size: int) -> bytes | None:
        keys = list(self.elements)
        at = 0 if key is None else keys.index(key) + 1
        return keys[at] if at < len(keys) else None

    def map_lookup(self, fd: int, key: bytes, size: int) -> bytes | None:
        return self.elements.get(key)

    def map_update(self, fd: int, key: bytes, value: bytes, flags: int = abi.ANY) -> None:
        if flags == abi.EXIST and key not in self.elements:
            raise refused(errno.ENOENT)
        self.elements[key] = value

    def map_delete(self, fd: int, key: bytes) -> bool:
        return self.elements.pop(key, None) is not None


def word(*values: int) -> bytes:
    return pack(f"={len(values)}Q", *values)


@pytest.mark.parametrize("batches", [True, False])
def test_entries_per_cpu(batches: bool) -> None:
    kernel = Elements({word(1): word(10, 11), word(2): word(20, 21)}, batches)
    reader = MapReader(MapSpec("@x", "percpu_hash", 8, 4, 100), 3, kernel, 2)
    assert list(reader.entries()) == [(word(1), [word(10)[:4], word(11)[:4]]), (word(2), [word(20)[:4], word(21)[:4]])]


def test_batches_go_on_and_grow() -> None:
    many = {word(n): word(n * 2) for n in range(5000)}
    reader = MapReader(MapSpec("@x", "hash", 8, 8, 100_000), 3, Elements(many, bucket=80_000), 2)
    assert dict(reader.elements()) == many


def test_slots_know_whether_they_were_assigned() -> None:
    spec = MapSpec("@x", "percpu_array", 4, 16, 1, value_type=types.Int(64), storage="aggregate_slot")
    kernel = Elements({bytes(4): word(0, 7, 1, 8)})
    reader = MapReader(spec, 3, kernel, 2)
    assert reader.slot() == [word(8)]
    reader.zero()
    assert kernel.elements[bytes(4)] == word(0, 0, 1, 0) and reader.slot() == [word(0)]
    reader.clear()
    assert reader.slot() is None and reader.is_empty()


def test_clear_zero_and_delete_of_keyed_maps() -> None:
    kernel = Elements({word(1): word(10), word(2): word(20)})
    reader = MapReader(MapSpec("@x", "hash", 8, 8, 100), 3, kernel, 2)
    reader.zero()
    assert kernel.elements == {word(1): word(0), word(2): word(0)}
    assert reader.delete(word(1)) and not reader.delete(word(1))
    reader.clear()
    assert not kernel.elements and reader.is_empty()


def test_losses_are_summed_over_cpus_and_programs() -> None:
    kernel = Elements({pack("=I", 0): word(1, 2), pack("=I", 1): word(3, 4)})
    losses = Losses(MapReader(MapSpec("lost", "percpu_array", 4, 8, 2), 3, kernel, 2))
    assert losses.by_program() == [3, 7] and losses.growth() == 10 and losses.growth() == 0
    kernel.elements[pack("=I", 1)] = word(3, 9)
    assert losses.growth() == 5 and losses.total() == 15
    assert Losses(None).growth() == 0
