"""What every output offers to the session and to the rows' handlers, and how bytes get out.

Place in the pipeline: under text, json and capture.  In: events, in the order in which they were emitted.  Out: bytes
on the output's file descriptor (stdout or the `-o` file) and on stderr.  What a newcomer would get wrong: nothing is
written by `write`; the session calls `flush` after each batch of records, so that a storm of events costs one system
call a batch.
"""

from __future__ import annotations

import os

from pytrace import types
from pytrace.source import encoded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType  # the standard one
    from typing import Any, Protocol

    from pytrace.program import Layout, Location, Program
    from pytrace.registry import Def
    from pytrace.runtime.mappings import Mappings
    from pytrace.runtime.output.maps import MapContents, MapReader
    from pytrace.runtime.output.printf import Formatter
    from pytrace.runtime.output.render import Renderer
    from pytrace.types import Type

    class Batch(Protocol):
        """Records of one event to output bytes: of many, of each of many, of one."""

        def __call__(self, records: list[bytes]) -> bytes: ...
        def each(self, records: list[bytes]) -> list[bytes]: ...
        def one(self, data: bytes | memoryview) -> bytes: ...


_FULL = 1 << 16
"""Bytes that `-B full` collects before it writes."""

_RED, _YELLOW, _RESET = "\x1b[31m", "\x1b[33m", "\x1b[0m"


class Output:
    """Base of all outputs.  `batches`: rows may hand over finished bytes of many records at once (`bind_batch`)."""

    batches = False

    def printf_batch(self, formatter: Formatter) -> Batch:
        """What turns records of a printf() into output bytes; only where `batches`, as the next."""
        raise NotImplementedError

    def value_batch(self, layout: Layout) -> Batch:
        """What turns records of a print() with one value into output bytes."""
        raise NotImplementedError

    def __init__(
        self,
        *,
        fd: int = 1,
        owned: bool = False,
        buffering: str = "line",
        quiet: bool = False,
        warnings: bool = True,
        colour: bool = False,
        errors: Callable[[bytes], None] | None = None,
    ) -> None:
        self.quiet = quiet
        self.warnings = warnings
        self.colour = colour
        self.config: dict[str, Any] = {}
        self._fd, self._owned = fd, owned
        self._direct, self._full = buffering == "none", buffering == "full"
        self._pending: list[bytes] = []
        self._renderer: Renderer | None = None
        self._rows: Callable[[str], Def] | None = None
        self._probes: tuple[Any, ...] = ()
        self._events: tuple[Any, ...] = ()
        self._shows_user_symbols = False
        self._mappings: Mappings | None = None
        self._write_errors = errors or _write_stderr

    # -------------------------------------------------------- the run

    def begin(self, program: Program, rows: Callable[[str], Def]) -> None:
        """Called once by the session before anything else: whose values are to be shown, and where rows come from."""
        self.config = program.config
        self._probes = program.probes
        self._events = program.events
        self._rows = rows
        self._renderer = None
        shown = [f.type for e in program.events for f in e.layout.fields]
        shown += [t for m in program.maps for t in (m.key_type, m.value_type) if t is not None]
        self._shows_user_symbols = any(has_user_symbols(t) for t in shown)

    def follow(self, pid: int | None, inherit: bool) -> None:
        """Called by the session before anything of process `pid` runs (None: of any): remember where its files lie, so
        that its addresses have names when it is gone.  Costs nothing when no user symbol will be shown."""
        if self._shows_user_symbols and self._mappings is None:
            from pytrace.runtime.mappings import Mappings

            self._mappings = Mappings(pid, inherit)
            self.renderer.symbols.mappings = self._mappings

    @property
    def renderer(self) -> Renderer:
        """The text forms of this run's values."""
        if self._renderer is None:
            from pytrace.runtime.output.render import Renderer

            self._renderer = Renderer(self.config, self._probes, self._events)
        return self._renderer

    def __enter__(self) -> Output:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write what is pending and let go of the `-o` file."""
        self.drain()
        if self._mappings is not None:
            self._mappings.close()
            self._mappings = None
        if self._owned:
            self._owned = False
            os.close(self._fd)

    # -------------------------------------------------------- bytes

    def write(self, data: bytes) -> None:
        """Add to the output stream."""
        self._pending.append(data)
        if self._direct:
            self.drain()

    def look(self) -> None:
        """To be called often, events or not: what was recorded about processes is taken while they live."""
        if self._mappings is not None:
            self._mappings.poll()

    def flush(self) -> None:
        """The end of a batch of events: write, unless `-B full` waits for more."""
        self.look()
        if self._pending and not (self._full and sum(map(len, self._pending)) < _FULL):
            self.drain()

    def drain(self) -> None:
        """Write all that is pending.  Raises BrokenPipeError when nobody reads any more, MachineError when it cannot be
        written (a full disk)."""
        if not self._pending:
            return
        data = b"".join(self._pending)
        self._pending.clear()
        try:
            write_all(self._fd, data)
        except BrokenPipeError:
            raise
        except OSError as error:
            from pytrace.diagnostics import MachineError

            raise MachineError(f"Failed to write output: {error.strerror}", exit_status=1) from None

    def error_text(self, text: str) -> None:
        """Text for stderr, behind what was printed before it."""
        if not self._full:
            self.drain()
        self._write_errors(encoded(text))

    # -------------------------------------------------------- events

    def attached_probes(self, count: int) -> None:
        raise NotImplementedError

    def printf(self, text: bytes) -> None:
        raise NotImplementedError

    def value(self, t: Type, data: bytes | memoryview) -> None:
        """print() of a value of type `t`."""
        raise NotImplementedError

    def map(self, contents: MapContents) -> None:
        raise NotImplementedError

    def print_map(self, reader: MapReader, top: int = 0, div: int = 0) -> None:
        """print(@m[, top[, div]]): read it now; a scalar map that was never assigned shows its zero value."""
        from pytrace.runtime.output.maps import read_map

        self.map(read_map(reader, self._row_of(reader), top, div, zero_if_unset=True))

    def final_maps(self, readers: Iterable[MapReader]) -> None:
        """All maps at the end of a run, by name (spec 05 §3); `readers` in any order."""
        from pytrace.runtime.output.maps import read_map

        for reader in sorted(readers, key=lambda r: r.spec.name):
            self.map(read_map(reader, self._row_of(reader)))

    def _row_of(self, reader: MapReader) -> Any:
        name = getattr(reader.spec.value_type, "row", "")
        if not name:
            return None
        assert self._rows is not None, "begin() comes first"
        return self._rows(f"aggregates.{name}:{name}")

    def time(self, text: str) -> None:
        raise NotImplementedError

    def cat(self, data: bytes) -> None:
        raise NotImplementedError

    def join(self, data: bytes) -> None:
        raise NotImplementedError

    def system(self, data: bytes) -> None:
        raise NotImplementedError

    def message(self, severity: str, text: str, location: Location | None) -> None:
        """errorf() (severity "ERROR") and warnf() ("WARNING", silent without warnings)."""
        raise NotImplementedError

    def runtime_error(self, text: str, location: Location | None) -> None:
        """A run-time warning of the program itself: division by zero, index out of bounds … (spec 07 §6)."""
        raise NotImplementedError

    def helper_error(self, helper: str, code: int, location: Location | None) -> None:
        """Helper `helper` returned `code` (a negative errno, 0 for a look-up that found nothing)."""
        raise NotImplementedError

    def lost_events(self, count: int) -> None:
        raise NotImplementedError

    def total_lost(self, count: int) -> None:
        """After the run, when any event was lost."""
        self.warning(f"Total lost event count: {count}")

    def end(self) -> None:
        """Between the last event and the maps."""

    def test_result(self, names: list[str], index: int, nanoseconds: int, passed: list[bool], output: str) -> None:
        """Result number `index` of --test; `passed` is known up to `index`; `output` is what the test printed."""
        raise NotImplementedError

    def benchmark_result(self, names: list[str], index: int, average: int, iterations: int) -> None:
        raise NotImplementedError

    # -------------------------------------------------------- stderr, whatever the format

    def error(self, text: str) -> None:
        """A failure in user space that the run survives (cat, system, strftime)."""
        self.error_text(self.coloured("ERROR", f"ERROR: {text}") + "\n")

    def warning(self, text: str) -> None:
        if self.warnings:
            self.error_text(self.coloured("WARNING", f"WARNING: {text}") + "\n")

    def coloured(self, severity: str, head: str) -> str:
        if not self.colour:
            return head
        return f"{_RED if severity == 'ERROR' else _YELLOW}{head}{_RESET}"


def has_user_symbols(t: Type) -> bool:
    """Whether values of `t` show names of user functions."""
    if isinstance(t, types.Stack):
        return t.user and t.mode in ("bpftrace", "perf")
    if isinstance(t, (types.Tuple, types.Record)):
        return any(has_user_symbols(e) for e in t.elements)
    return t == types.USYM


def write_all(fd: int, data: bytes) -> None:
    """Write every byte; waits when `fd` does not block.  Raises OSError."""
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(fd, view) :]
        except BlockingIOError:
            from select import select

            select([], [fd], [])


def _write_stderr(data: bytes) -> None:
    try:
        write_all(2, data)
    except OSError:
        pass  # nobody is left to be told
