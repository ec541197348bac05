"""Session: a Program becomes running probes, from loading to the maps at the end (spec 06 §4).

Place in the pipeline: the top of the runtime; called by the driver.  In: Program, rows, an Output, options.  Out: an
exit status.  Raises MachineError and its kin.  What a newcomer would get wrong: the session owns every fd and lets go
in a fixed order: programs stop, what is pending is printed, `end` probes run, maps are printed, and only then go the
kernel objects whose end takes long; nobody waits for those.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Protocol

from pytrace.diagnostics import KernelError, MachineError
from pytrace.runtime import release
from pytrace.runtime.child import Child
from pytrace.runtime.events import Dispatcher
from pytrace.runtime.link import Link
from pytrace.runtime.loader import Loaded, load
from pytrace.runtime.losses import Losses
from pytrace.runtime.maps import MapReader
from pytrace.runtime.ring import Backlog, RingBuffer, backlog_limit
from pytrace.runtime.sys import Kernel, kernel
from pytrace.runtime.wakeup import Wakeup

if TYPE_CHECKING:
    from pytrace.program import ProbeSpec, Program
    from pytrace.registry import Def, ProbeDef
    from pytrace.types import Type

_SLICE = 4096
"""Records that are handled before the ring is emptied again."""
_PERIOD = 0.1
"""Seconds between looks at the loss counters, and at most between looks at everything else."""

_STREAM, _PAUSE = 0.005, 0.001
"""Seconds: wake-ups that come faster than the one make us wait for the other."""


class RunOptions(Protocol):
    """What the Session reads of `pytrace.options.Options`."""

    pid: int | None
    command: str
    verbose: int
    dry_run: bool
    mode: str
    probe_filter: str
    debug: frozenset[str]


class Session:
    """One run of a Program.  `rows(key)` gives the row of a stored key.

    `handle_signals`: install signal handlers while it runs (only possible in the main thread).  `leave_behind`: the
    process is about to end, so what the kernel takes long to destroy is left to a child that nobody waits for.

    Implements `registry.Handling` for the rows' handlers and `attach.Attacher` for their attach hooks.
    """

    def __init__(
        self,
        program: Program,
        *,
        rows: Callable[[str], Def],
        output: Any,
        options: RunOptions,
        kernel: Kernel = kernel,
        handle_signals: bool = True,
        leave_behind: bool = False,
    ) -> None:
        self.program = program
        self.options = options
        self.kernel = kernel
        self.output = output
        self.config: Mapping[str, Any] = program.config
        self.maps: Mapping[str, Any] = {}
        self.child: Child | None = None
        self.exit_status = 0
        self.loaded = Loaded()
        self.links: list[Link] = []
        self.losses = Losses(None)
        self.backlog = Backlog()
        self.ring: RingBuffer | None = None
        self.rows = rows
        self._phases: dict[str, list[ProbeSpec]] = {}
        self._wakeup = Wakeup(handle_signals)
        self._events: list[int] = []
        self._next_look = self._last_wake = 0.0
        self._leave_behind = leave_behind
        output.begin(program, rows)
        self.dispatcher = Dispatcher(program, rows, self, output)

    # ------------------------------------------------------------ what rows see
    @property
    def target_pid(self) -> int | None:
        """The process of -p, or the child of -c."""
        return self.child.pid if self.child else self.options.pid

    def render(self, t: Type, data: bytes | memoryview) -> str:
        """A value's text form (spec 05 §4)."""
        text: str = self.output.renderer.text(t, data)
        return text

    def value(self, t: Type, data: bytes | memoryview) -> Any:
        """A decoded value."""
        from pytrace import values

        return values.decode(t, data)

    def request_exit(self, code: int) -> None:
        """Stop after this event; later events are dropped.  The exit status becomes `code` modulo 256."""
        self.exit_status = code & 0xFF
        self.dispatcher.stopped = True

    def user_error(self, message: str) -> None:
        self.output.error(message)

    def warn(self, message: str) -> None:
        self.output.warning(message)

    def say(self, text: str) -> None:
        """A line for -v, on stderr."""
        if self.options.verbose:
            self.output.error_text(text + "\n")

    def use_output(self, output: Any) -> None:
        """Send what follows to another output (each test has its own)."""
        self.output = output
        self.dispatcher.use(output)

    # ------------------------------------------------------------ the run
    def run(self, timeout: float | None = None) -> int:
        """Load, attach, handle events until the end, print maps; the exit status.

        `timeout`: seconds after which the run is stopped as by Ctrl-C.  Raises MachineError, KernelError,
        VerifierError; whatever happens, nothing stays attached or open.
        """
        try:
            self._select()
            if not self._has_probes():
                return 1
            with self._wakeup:
                self._load()
                if self.options.mode in ("test", "bench"):
                    from pytrace.runtime.harness import run_benchmarks, run_tests

                    return (run_tests if self.options.mode == "test" else run_benchmarks)(self)
                self._start()
                if not self.options.dry_run:
                    self._poll(None if timeout is None else monotonic() + timeout)
                    self._finish()
        finally:
            self.close()
        return self.exit_status

    def _select(self) -> None:
        """Sort the probes by phase; drop those that --probe-filter does not name."""
        keep = self._filter()
        for probe in self.program.probes:
            phase = self.row_of(probe).phase
            if phase in ("begin", "end") or keep(probe.name):
                self._phases.setdefault(phase, []).append(probe)

    def _filter(self) -> Callable[[str], object]:
        if not self.options.probe_filter:
            return lambda name: True
        import re

        try:
            return re.compile(self.options.probe_filter).search
        except re.error as error:
            raise MachineError(f"Invalid --probe-filter regex '{self.options.probe_filter}': {error}") from None

    def row_of(self, probe: ProbeSpec) -> ProbeDef:
        row: Any = self.rows(probe.row)
        found: ProbeDef = row
        return found

    def phase(self, name: str) -> list[ProbeSpec]:
        """The probes of a phase, in order of declaration."""
        return self._phases.get(name, [])

    def _has_probes(self) -> bool:
        """False after saying so when there is nothing to do; raises MachineError when there is too much."""
        count = sum(map(len, self._phases.values()))
        limit = int(self.config.get("max_probes", 1024))
        if count > limit:
            raise MachineError(
                f"Can't attach to {count} probes because it exceeds the current limit of {limit} probes.\n"
                "You can increase the limit through the BPFTRACE_MAX_PROBES environment variable, but BE CAREFUL since"
                " a high number of probes attached can cause your system to crash.",
                exit_status=1,
            )
        if not count and not self.output.quiet:
            os.write(1, b"No probes to attach\n")
        return count > 0

    # ------------------------------------------------------------ load
    def _load(self) -> None:
        self._raise_limits()
        if self.options.command:
            self.child = Child(self.options.command, self.kernel)
        used = {probe.program for phase in self._used_phases() for probe in self.phase(phase)}
        from pytrace.runtime.facts import sources

        log_level = 15 if "verifier" in self.options.debug else 0
        self.loaded = load(
            self.program,
            self.kernel,
            sources(self.kernel, self.child.pid if self.child else None),
            wanted=used.__contains__,
            log_level=log_level,
        )
        for name, log in self.loaded.logs.items():
            self.output.write(f"BPF verifier log for {name}:\n{'-' * 38}\n{log}\n".encode("latin-1"))
        cpus = self.kernel.possible_cpus()
        script_maps: dict[str, MapReader] = {}
        self.maps = script_maps
        for spec in self.program.maps:
            reader = MapReader(spec, self.loaded.maps[spec.name], self.kernel, cpus)
            if spec.is_script_map:
                script_maps[spec.name] = reader
            elif spec.name == "lost":
                self.losses = Losses(reader)
            elif spec.kind == "ringbuf":
                self.ring = RingBuffer(self.kernel, reader.fd, self._ring_size(reader.fd))
                self.backlog.limit = backlog_limit(self.kernel.available_memory())
                self._wakeup.watch(reader.fd)

    def _used_phases(self) -> tuple[str, ...]:
        match self.options.mode:
            case "test":
                return ("begin", "end", "test")
            case "bench":
                return ("begin", "end", "bench")
        return ("begin", "end", "signal", "attach", "iter")

    def _ring_size(self, fd: int) -> int:
        """Bytes of the ring: `max_entries` of struct bpf_map_info."""
        return int.from_bytes(self.kernel.info(fd)[16:20], "little")

    def _raise_limits(self) -> None:
        try:
            self.kernel.raise_memlock()
        except OSError as error:
            self.warn(
                f"{error.strerror}: couldn't set RLIMIT_MEMLOCK for pytrace. If your program is not loading, you can "
                'try "ulimit -l 8192" to fix the problem'
            )
        try:
            self.kernel.raise_nofile(3 * len(self.program.probes) + len(self.program.maps) + 50)
        except OSError as error:
            self.warn(
                f"{error.strerror}: couldn't set RLIMIT_NOFILE for pytrace. If your program is not loading, you can "
                'try increasing "ulimit -n" to fix the problem'
            )

    # ------------------------------------------------------------ attach
    def _start(self) -> None:
        """Run `begin` probes, attach the others, start the child, say so."""
        for probe in self.phase("begin"):
            self.fire(probe)
            self.say("Attaching 'begin' probe")
            self.fetch()
        self._attach_all()
        if self.options.dry_run:
            return
        if self.child:
            self.child.run()
            self._wakeup.watch(self.child.pidfd)
        elif self.options.pid is not None:
            self._watch_pid(self.options.pid)
        count = sum(link.count for link in self.links)
        count += sum(len(self.phase(name)) for name in ("begin", "end", "signal"))
        if not count:
            raise MachineError(self._nothing_attached())
        self.output.attached_probes(count)
        self.output.flush()
        if "__BPFTRACE_NOTIFY_PROBES_ATTACHED" in os.environ:
            os.write(1, b"__BPFTRACE_NOTIFY_PROBES_ATTACHED\n")

    def _nothing_attached(self) -> str:
        for phase in ("test", "bench"):
            if self.phase(phase):
                return f"No probes attached; use --{phase} to run {'test' if phase == 'test' else 'benchmark'} probes."
        return "Attachment failed for all probes."

    def fire(self, probe: ProbeSpec) -> None:
        """Run the program of a begin, end or signal probe.  Raises KernelError."""
        try:
            self.kernel.prog_run(self.loaded.programs[probe.program])
        except OSError as error:
            raise KernelError(f"Failed to run '{probe.name}'", error.errno or 0) from None

    def _attach_all(self) -> None:
        """First those that fire in order of attachment, then the others, last to first (spec 03 §5)."""
        probes = [(self.row_of(p), p) for name in ("attach", "iter") for p in self.phase(name)]
        for row, probe in probes:
            if not row.attach_last_first:
                self._attach(row, probe)
        for row, probe in reversed(probes):
            if row.attach_last_first:
                self._attach(row, probe)

    def _attach(self, row: ProbeDef, probe: ProbeSpec) -> None:
        if self._wakeup.stop:
            raise MachineError("interrupted while probes were being attached")
        self.say(f"Trying to attach probe: {probe.name}")
        if row.attach is None:
            raise MachineError(f"{probe.name}: probes of this kind cannot be attached yet", exit_status=1)
        try:
            self.links.append(row.attach(self, probe, self.loaded.programs[probe.program]))
        except MachineError as error:
            self._report_unattached(probe, error)

    def _report_unattached(self, probe: ProbeSpec, error: MachineError) -> None:
        """What `missing_probes` says: fail, warn or nothing."""
        policy = self.config.get("missing_probes", "error")
        reason = f"{error}" + (f" ({error.advice})" if error.advice else "")
        if policy == "error":
            self.output.error(reason)
            raise MachineError(
                f"Unable to attach probe: {probe.name}. If this is expected, set the 'missing_probes' config variable"
                " to 'warn'."
            ) from None
        if policy == "warn":
            self.warn(reason)
            self.warn(f"Unable to attach probe: {probe.name}. Skipping.")

    def _watch_pid(self, pid: int) -> None:
        try:
            fd = self.kernel.pidfd_open(pid)
        except OSError as error:
            raise KernelError(f"Failed to attach to pid {pid}", error.errno or 0) from None
        self._wakeup.watch(fd, owned=True)
        self._wakeup.target = fd

    # ------------------------------------------------------------ events
    @property
    def _ends_by_itself(self) -> bool:
        """Only begin and end probes: done as soon as their output is."""
        return not self.links and not self.phase("signal")

    def _poll(self, deadline: float | None) -> None:
        """Handle events until something ends the run."""
        if self.phase("iter"):
            from pytrace.runtime.harness import read_iterators

            read_iterators(self)
            return
        while True:
            if not self.backlog and not self._ends_by_itself:
                self._wakeup.wait(_PERIOD)
                self._gather()
            self.fetch()
            self._handle_slice()
            self._look()
            if self.dispatcher.stopped or self._wakeup.stop or (deadline is not None and monotonic() >= deadline):
                return
            if self._target_ended() or (self._ends_by_itself and not self.backlog and not self._pending()):
                return
            if self._wakeup.take_signal():
                self._fire_signal_probes()

    def _gather(self) -> None:
        """In a stream of events wait a little, so that we wake up once for many; a single event is handled at once."""
        now = monotonic()
        if now - self._last_wake < _STREAM and self.ring and self.ring.ring.pending < self.ring.ring.size // 8:
            sleep(_PAUSE)
        self._last_wake = now

    def _target_ended(self) -> bool:
        if self.child:
            return self._wakeup.is_readable(self.child.pidfd) and not self.child.is_alive
        return self._wakeup.target is not None and self._wakeup.is_readable(self._wakeup.target)

    def _fire_signal_probes(self) -> None:
        for probe in self.phase("signal"):
            self.fire(probe)
            self.say("Attaching 'self:signal' probe")

    def _pending(self) -> int:
        return self.ring.ring.pending if self.ring else 0

    def fetch(self) -> bool:
        """Copy what is in the ring into the backlog; False when there was nothing, or no room."""
        if self.ring is None or self.backlog.is_full:
            return False
        runs = self.ring.ring.fetch()
        self.backlog.add(runs)
        return bool(runs)

    def _handle_slice(self) -> None:
        for run in self.backlog.take(_SLICE):
            self.dispatcher.process(run)
        self.output.flush()
        if self.dispatcher.stopped:
            self.backlog.clear()

    def drain(self) -> None:
        """Handle everything that is in the ring and in the backlog."""
        while True:
            fetched = self.fetch()
            if not fetched and not self.backlog:
                if not self._pending():
                    return
                self._wakeup.wait(0.001)  # a record is being written at this moment
            self._handle_slice()

    def _look(self) -> None:
        """Once a period: have events been lost?"""
        now = monotonic()
        if now >= self._next_look:
            self._next_look = now + _PERIOD
            grown = self.losses.growth()
            if grown > 0:
                self.output.lost_events(grown)

    # ------------------------------------------------------------ the end
    def _finish(self) -> None:
        """Stop the probes, print what is pending, run `end` probes, print the maps."""
        self._detach()
        if self.child:
            self.child.terminate()
        self.drain()
        self._wakeup.restore_interrupt()
        self.dispatcher.stopped = False
        for probe in self.phase("end"):
            self.fire(probe)
            self.say("Attaching 'end' probe")
            self.fetch()
        self.drain()
        self._next_look = 0.0
        self._look()
        if self.losses.total():
            self._report_losses()
        self.output.end()
        if self.config.get("print_maps_on_exit", True):
            self.output.final_maps(self.maps.values())
        self.output.flush()

    def _report_losses(self) -> None:
        counts = self.losses.by_program()
        self.output.total_lost(sum(counts))
        for program, count in enumerate(counts):
            if count:
                names = ", ".join(p.name for p in self.program.probes if p.program == program)
                self.say(f"Lost {count} events of {names}")

    def _detach(self) -> None:
        """Stop all programs; what may be closed later is kept in `_events`."""
        for link in self.links:
            link.disable()
        release.close_together([fd for link in self.links for fd in link.take_links()], self.kernel.close)
        for link in self.links:
            self._events += link.take_events()
        self.links = []

    def close(self) -> None:
        """Let go of everything; may be called twice."""
        try:
            self._detach()
            if self.child:
                self._close_child(self.child)
        finally:
            self.child = None
            if self.ring:
                self.ring.close()
                self.ring = None
            self.loaded.close(self.kernel)
            self._wakeup.close()
            self.output.flush()
            events, self._events = self._events, []
            if self._leave_behind:
                release.leave_behind(events)
            else:
                release.close_together(events, self.kernel.close)

    def _close_child(self, child: Child) -> None:
        child.close()
        if child.signal is not None:
            self.say(f"Child terminated by signal: {child.signal}")
        if child.exit_code is not None:
            self.say(f"Child exited with code: {child.exit_code}")
