"""Session: a Program becomes running probes, from loading to the maps at the end (spec 06 §4).

Place in the pipeline: the top of the runtime; called by the driver.  In: Program, rows, an Output, options.
Out: an exit status.  Raises MachineError and its kin.
What a newcomer would get wrong: the session owns every fd and lets go in a fixed order: programs stop, what is pending
is printed, `end` probes run, maps are printed, and only then go the kernel objects whose end
takes long; nobody waits for those.
"""

from __future__ import annotations

import os
from time import monotonic

from pytrace.diagnostics import KernelError, MachineError
from pytrace.program import UNWIND_PLACES
from pytrace.runtime import release
from pytrace.runtime.child import Child
from pytrace.runtime.events import Dispatcher
from pytrace.runtime.loader import Loaded, load
from pytrace.runtime.losses import Losses
from pytrace.runtime.maps import MapReader
from pytrace.runtime.plan import Plan
from pytrace.runtime.pump import Pump
from pytrace.runtime.sys import kernel
from pytrace.runtime.wakeup import Wakeup

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Protocol

    from pytrace.program import ProbeSpec, Program
    from pytrace.registry import Def, ProbeDef
    from pytrace.runtime.link import Link
    from pytrace.runtime.sys import Kernel
    from pytrace.runtime.unwind import Unwinder
    from pytrace.types import Type

    class RunOptions(Protocol):
        """What the Session reads of `pytrace.options.Options`."""

        pid: int | None
        command: str
        verbose: int
        dry_run: bool
        mode: str
        probe_filter: str
        dwarf_pids: tuple[int, ...]
        debug: frozenset[str]


_PERIOD = 0.1
"""Seconds between looks at the loss counters, and at most between looks at everything else."""

_HOLD = "__PYTRACE_ATTACH_WHEN_TOLD"
"""Environment variable with which `pytrace compare` (`compare/tracer.py`) has two tracers attach at the same moment."""

_PATIENCE = 1.0
"""Seconds after SIGINT or SIGTERM in which pending events are still handled."""


class Session:
    """One run of a Program.  `rows(key)` gives the row of a stored key.

    `handle_signals`: install signal handlers while it runs (only possible in the main thread).  `leave_behind`: the
    process is about to end, so what the kernel takes long to destroy is left to a child that nobody waits for.
    `once_attached`: called when all probes are attached and the user has been told.
    Implements `registry.Handling` for the rows' handlers and `link.Attacher` for their attach hooks.
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
        once_attached: Callable[[], None] = lambda: None,
    ) -> None:
        self.program = program
        self.options = options
        self.kernel = kernel
        self.output = output
        self.config: Mapping[str, Any] = program.config
        self.maps: Mapping[str, Any] = {}
        self.kept: dict[str, Any] = {}
        self.child: Child | None = None
        self.exit_status = 0
        self.rows = rows
        self.loaded = Loaded()
        self.links: list[Link] = []
        self.losses = Losses(None)
        self.unwinder: Unwinder | None = None
        output.begin(program, rows)
        self.dispatcher = Dispatcher(program, rows, self, output)
        self.pump = Pump(self.dispatcher, output)
        self.plan = Plan(program, rows, options.probe_filter)
        self._wakeup = Wakeup(handle_signals, last=leave_behind)
        self._events: list[int] = []
        self._next_look = 0.0
        self._leave_behind = leave_behind
        self._once_attached = once_attached

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
        self.output = self.pump.output = output
        self.dispatcher.use(output)

    # ------------------------------------------------------------ the run
    def run(self, timeout: float | None = None) -> int:
        """Load, attach, handle events until the end, print maps; the exit status.

        `timeout`: seconds after which the run is stopped as by Ctrl-C.  Raises MachineError, KernelError,
        VerifierError; whatever happens, nothing stays attached or open.
        """
        try:
            self.plan.check_limit(int(self.config.get("max_probes", 1024)))
            if not self.plan.count:
                if not self.output.quiet:
                    os.write(1, b"No probes to attach\n")
                return 1
            with self._wakeup:
                self._load()
                if self.options.mode in ("test", "bench"):
                    from pytrace.runtime.harness import run_benchmarks, run_tests

                    return (run_tests if self.options.mode == "test" else run_benchmarks)(self)
                if _HOLD in os.environ:
                    _await_turn()
                self._start()
                if not self.options.dry_run:
                    self._poll(None if timeout is None else monotonic() + timeout)
                    self._finish()
        finally:
            self.close()
        return self.exit_status

    # ------------------------------------------------------------ load
    def _load(self) -> None:
        self._raise_limits()
        unwinds = any(spec.name == UNWIND_PLACES for spec in self.program.maps)
        if unwinds and not (self.options.command or self._unwound_processes()):
            raise MachineError("dw_ustack requires a target process. Use -p, -c, or --dwarf-pid to specify one.")
        if self.options.command:
            self.child = Child(self.options.command, self.kernel)
        from pytrace.runtime.facts import sources

        self.loaded = load(
            self.program,
            self.kernel,
            sources(
                self.kernel,
                self.child.pid if self.child else None,
                self.options.pid,
                [row.source for row in self.program.globals],
            ),
            wanted=self.plan.programs(self.options.mode).__contains__,
            log_level=15 if "verifier" in self.options.debug else 0,
        )
        for name, log in self.loaded.logs.items():
            self.output.write(f"BPF verifier log for {name}:\n{'-' * 38}\n{log}\n".encode("latin-1"))
        if unwinds:
            from pytrace.runtime.unwind import Unwinder

            self.unwinder = Unwinder(self.kernel, self.loaded.maps)
            for pid in self._unwound_processes():
                self.unwinder.add(pid)
            if self.child:
                self.unwinder.expect(self.child.pid)
        cpus = self.kernel.possible_cpus()
        script_maps: dict[str, MapReader] = {}
        self.maps = script_maps
        for spec in self.program.maps:
            reader = MapReader(spec, self.loaded.maps[spec.name], self.kernel, cpus)
            if spec.is_script_map:
                script_maps[spec.name] = reader
            elif spec.name == "lost":
                self.losses = Losses(reader)
            elif spec.kind == "ringbuf" and spec.storage == "internal":
                self.pump.connect(self.kernel, reader.fd)
                self._wakeup.watch(reader.fd)

    def _unwound_processes(self) -> tuple[int, ...]:
        """Those of -p and --dwarf-pid."""
        pid = self.options.pid
        return (*self.options.dwarf_pids, *(() if pid is None else (pid,)))

    def _raise_limits(self) -> None:
        advice = (
            "couldn't set RLIMIT_{} for pytrace (the capability CAP_SYS_RESOURCE is needed). If your program is not "
            "loading, you can try {} to fix the problem"
        )
        try:
            self.kernel.raise_memlock()
        except OSError as error:
            self.warn(f"{error.strerror}: " + advice.format("MEMLOCK", '"ulimit -l 8192"'))
        try:
            self.kernel.raise_nofile(3 * len(self.program.probes) + len(self.program.maps) + 50)
        except OSError as error:
            self.warn(f"{error.strerror}: " + advice.format("NOFILE", 'increasing "ulimit -n"'))

    # ------------------------------------------------------------ attach
    def _start(self) -> None:
        """Run `begin` probes, attach the others, start the child, say so."""
        self.output.follow(self.target_pid, self.child is not None)
        for probe in self.plan.phase("begin"):
            self.fire(probe)
            self.say("Attaching 'begin' probe")
            self.pump.fetch()
        for row, probe in self.plan.attachments():
            self._attach(row, probe)
        if self.options.dry_run:
            return
        if self.child:
            if self.unwinder:
                self.unwinder.start(self.child)
            else:
                self.child.run()
            self._wakeup.watch(self.child.pidfd)
        elif self.options.pid is not None:
            self._watch_pid(self.options.pid)
        count = sum(link.count for link in self.links)
        count += sum(len(self.plan.phase(name)) for name in ("begin", "end", "signal"))
        if not count:
            raise MachineError(self.plan.why_nothing())
        self.output.attached_probes(count)
        self.output.flush()
        if "__BPFTRACE_NOTIFY_PROBES_ATTACHED" in os.environ:
            os.write(1, b"__BPFTRACE_NOTIFY_PROBES_ATTACHED\n")
        self._once_attached()

    def fire(self, probe: ProbeSpec) -> None:
        """Run the program of a begin, end or signal probe.  Raises KernelError."""
        try:
            self.kernel.prog_run(self.loaded.programs[probe.program])
        except OSError as error:
            raise KernelError(f"Failed to run '{probe.name}'", error.errno or 0) from None

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
    def _poll(self, deadline: float | None) -> None:
        """Handle events until something ends the run."""
        if self.plan.phase("iter"):
            from pytrace.runtime.harness import read_iterators

            read_iterators(self)
            return
        pump, wakeup = self.pump, self._wakeup
        alone = not self.links and not self.plan.phase("signal")  # only begin and end probes: done with their output
        while True:
            quiet = False
            if not pump.backlog and (not alone or self.child):
                quiet = not wakeup.wait(_PERIOD)
                pump.gather()
            pump.fetch()
            pump.handle()
            self._look()
            if self.dispatcher.stopped or wakeup.stop or (deadline is not None and monotonic() >= deadline):
                return
            if self._target_ended() or (alone and pump.is_idle and (quiet or not self.child)):
                return
            if wakeup.take_signal():
                self._fire_signal_probes()

    def _target_ended(self) -> bool:
        if self.child:
            return self._wakeup.is_readable(self.child.pidfd) and not self.child.is_alive
        return self._wakeup.target is not None and self._wakeup.is_readable(self._wakeup.target)

    def _fire_signal_probes(self) -> None:
        for probe in self.plan.phase("signal"):
            self.fire(probe)
            self.say("Attaching 'self:signal' probe")

    def _look(self) -> None:
        """Once a period: have events been lost, have processes been started?"""
        now = monotonic()
        if now >= self._next_look:
            self._next_look = now + _PERIOD
            grown = self.losses.growth()
            if grown > 0:
                self.output.lost_events(grown)
            self.output.look()
            if self.unwinder:
                self.unwinder.look()

    # ------------------------------------------------------------ the end
    def _finish(self) -> None:
        """Stop the probes, print what is pending, run `end` probes, print the maps."""
        self._wakeup.finishing = True
        self._detach()
        if self.child:
            self.child.terminate()
        self.losses.dropped += self.pump.drain(self._is_impatient)
        self.dispatcher.stopped = False
        for probe in self.plan.phase("end"):
            self.fire(probe)
            self.say("Attaching 'end' probe")
            self.pump.fetch()
        self.pump.drain(lambda: False)
        self._next_look = 0.0
        self._look()
        self.report_losses()
        self.output.end()
        if self.config.get("print_maps_on_exit", True):
            self.output.final_maps(self.maps.values())
        self.output.flush()

    def _is_impatient(self) -> bool:
        """Ctrl-C was pressed a while ago: what is still pending is dropped, and counted."""
        return self._wakeup.stop and monotonic() - self._wakeup.stop_time > _PATIENCE

    def report_losses(self) -> None:
        """The total, and with -v which probes lost how many."""
        counts = self.losses.by_program()
        total = self.losses.dropped + sum(counts)
        if total:
            self.output.total_lost(total)
        if self.losses.dropped:
            self.say(f"Dropped {self.losses.dropped} events that were still waiting {_PATIENCE} s after the signal")
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
            self.pump.close()
            for kept in self.kept.values():
                if hasattr(kept, "close"):
                    kept.close()
            self.kept = {}
            self.loaded.close(self.kernel)
            self._wakeup.close()
            events, self._events = self._events, []
            try:
                self.output.flush()
            finally:
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


def _await_turn() -> None:
    """Say on the socket that everything is loaded, and wait for an answer."""
    fd = int(os.environ.pop(_HOLD))
    os.write(fd, b".")
    os.read(fd, 1)
    os.close(fd)
