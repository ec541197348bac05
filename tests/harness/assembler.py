"""BPF instructions by hand, so that the runtime can be tested without the compiler.

Place in the pipeline: tests only.  In: opcodes.  Out: bytes and relocations for a ProgramSpec.  What a newcomer would
get wrong: a 64-bit immediate load is two instructions, so positions are counted in `Code`, not by the reader.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from struct import pack
from types import SimpleNamespace
from typing import Any

from pytrace import types
from pytrace.program import EventSpec, GlobalSpec, Layout, MapSpec, ProbeSpec, Program, ProgramSpec, Relocation
from pytrace.runtime.session import Session

RESERVE, SUBMIT, KTIME = 131, 132, 5
U64 = types.Int(64, False)
RING = MapSpec("ring", "ringbuf", 0, 0, 1 << 16)
LAYOUT = Layout((), 16)


class Code:
    """Instructions in order, and what they refer to."""

    def __init__(self) -> None:
        self.data = b""
        self.relocations: list[Relocation] = []

    def put(self, op: int, dst: int = 0, src: int = 0, off: int = 0, imm: int = 0) -> Code:
        self.data += pack("=BBhi", op, src << 4 | dst, off, imm)
        return self

    def refer(self, dst: int, kind: str, name: str, addend: int = 0) -> Code:
        """dst = a map, or the address of its data."""
        self.relocations.append(Relocation(len(self.data) // 8, kind, name, addend))
        return self.put(0x18, dst).put(0)

    def move(self, dst: int, imm: int) -> Code:
        return self.put(0xB7, dst, imm=imm)

    def copy(self, dst: int, src: int) -> Code:
        return self.put(0xBF, dst, src)

    def call(self, helper: int) -> Code:
        return self.put(0x85, imm=helper)

    def emit(self, event: int, value: int) -> Code:
        """Send a record of 16 bytes: the event's id and a number."""
        self.refer(1, "map", "ring").move(2, 16).move(3, 0).call(RESERVE)
        self.put(0x15, 0, 0, 7)  # if r0 == 0 skip the next 7 instructions
        self.move(1, event).put(0x7B, 0, 1, 0)  # *(u64 *)(r0 + 0) = r1
        self.move(1, value).put(0x7B, 0, 1, 8)
        return self.copy(1, 0).move(2, 0).call(SUBMIT)

    def count(self, name: str = "@n") -> Code:
        """Add one to a scalar map of a plain uint64, and mark it as assigned."""
        self.refer(1, "data", name, 8).move(2, 1).put(0xDB, 1, 2, 0)  # lock *(u64 *)(r1 + 0) += r2
        return self.refer(1, "data", name).put(0x7B, 1, 2, 0)

    def leave(self, value: int = 0) -> Code:
        return self.move(0, value).put(0x95)

    def spec(self, kind: str, name: str = "prog", **more: Any) -> ProgramSpec:
        return ProgramSpec(name, kind, more.pop("attach_type", ""), self.data, tuple(self.relocations), **more)


@dataclass
class Row:
    """What the Session needs of a row of any table."""

    phase: str = "attach"
    attach_last_first: bool = False
    attach: Any = None
    bind: Any = None
    bind_batch: Any = None


def counter(name: str = "@n") -> MapSpec:
    return MapSpec(name, "array", 4, 16, 1, value_type=U64, storage="slot")


def program(
    programs: list[ProgramSpec], probes: list[ProbeSpec], *,
    maps: tuple[MapSpec, ...] = (), events: int = 0, rows: tuple[GlobalSpec, ...] = (), **config: Any,
) -> Program:  # fmt: skip
    ring = (RING,) if events else ()
    specs = tuple(EventSpec(f"event:{n}", LAYOUT) for n in range(events))
    return Program((*maps, *ring), tuple(programs), tuple(probes), specs, rows, b"", config)


def options(**more: Any) -> Any:
    """As pytrace.options.Options, as far as the Session looks."""
    settings: dict[str, Any] = {
        "pid": None, "command": "", "verbose": 0, "dry_run": False, "mode": "", "probe_filter": "",
        "debug": frozenset(),
    }  # fmt: skip
    return SimpleNamespace(**(settings | more))


class Recorder:
    """An Output that remembers what it was told, in order."""

    batches = True
    quiet = False

    def __init__(self) -> None:
        self.log: list[Any] = []
        self.data = b""

    def begin(self, program: Program, rows: Any) -> None:
        self.log.append("begin")

    def follow(self, pid: int | None, inherit: bool) -> None:
        pass

    def look(self) -> None:
        pass

    def attached_probes(self, count: int) -> None:
        self.log.append(("attached", count))

    def write(self, data: bytes) -> None:
        self.data += data

    def flush(self) -> None:
        pass

    def error(self, text: str) -> None:
        self.log.append(("error", text))

    def warning(self, text: str) -> None:
        if "RLIMIT" not in text:  # depends on the machine
            self.log.append(("warning", text))

    def error_text(self, text: str) -> None:
        self.log.append(("stderr", text))

    def lost_events(self, count: int) -> None:
        self.log.append(("lost", count))

    def total_lost(self, count: int) -> None:
        self.log.append(("total lost", count))

    def end(self) -> None:
        self.log.append("end")

    def final_maps(self, readers: Any) -> None:
        for reader in readers:
            self.log.append((reader.spec.name, [int.from_bytes(v, "little") for v in reader.slot() or []]))


class Run:
    """A session with rows of our own; `records` are the numbers of the records that were handled, by event."""

    def __init__(self, made: Program, rows: dict[str, Row], **settings: Any) -> None:
        self.records: list[tuple[int, int]] = []
        self.output = Recorder()
        self.session = Session(
            made, rows=lambda key: self._row(key, rows), output=self.output, options=options(**settings)
        )
        self.exits: set[int] = set()
        self.delay: Callable[[], None] = lambda: None

    def _row(self, key: str, rows: dict[str, Row]) -> Any:
        if key in rows:
            return rows[key]
        event = int(key.removeprefix("event:"))
        return Row(bind=lambda session, spec: lambda record: self._handle(event, record))

    def _handle(self, event: int, record: bytes) -> None:
        number = int.from_bytes(record[8:16], "little")
        self.records.append((event, number))
        self.delay()
        if event in self.exits:
            self.session.request_exit(number)

    def __call__(self, timeout: float = 5.0) -> int:
        return self.session.run(timeout=timeout)
