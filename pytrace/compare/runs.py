"""Both tracers at work: one after the other, each with a fresh command, or both at the same time on what goes on.

Place in the pipeline: between `command` and `tracer`.  In: two command lines and how to run them.  Out: a `Pair`.  What
a newcomer would get wrong: at the same time means that pytrace loads its programs first and waits until bpftrace,
started then, says that it has attached; now it attaches too, in some milliseconds, and only then the workload begins.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import threading
import time

from pytrace.compare.tracer import Ended, Tracer
from pytrace.diagnostics import MachineError
from pytrace.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_START = 120.0
"""Seconds in which a tracer has to attach."""
_GRACE = 2.0
"""Seconds that the second has when the first has ended by itself."""
_END = 60.0
"""Seconds in which a tracer has to end after Ctrl-C."""
_LOOK = 0.2
_WAITS = 3
"""Looks in a row at which a tracer that was interrupted is waiting for events: it has overheard it."""
_SETTLE = 0.3
"""Seconds in which what bpftrace alone has seen reaches us."""


@record
class Plan:
    """How to run.  `together`: at the same time; `duration`: seconds after attaching, None: until they end; `workload`:
    a command that is run once both have attached, and whose end ends both; `insist`: Ctrl-C is repeated, since bpftrace
    0.17 overhears it unless it is waiting for events just then."""

    together: bool
    duration: float | None = None
    workload: str = ""
    insist: bool = False


@record
class Pair:
    """Both runs.  `both`: (when both had attached, when the first was over or told to end) if they ran at the same
    time, else None; `stuck`: names of those that had to be killed."""

    reference: Ended
    own: Ended
    both: tuple[float, float] | None
    stuck: tuple[str, ...] = ()


class Runner:
    """Runs pairs.  After Ctrl-C `stopped` is true: what has run until then still counts, nothing new is started."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.stopped = False
        self.stuck: list[str] = []

    def run(self, reference: list[str], own: list[str]) -> Pair:
        """One run of both.  Raises OSError when one cannot be started."""
        self.stuck = []
        handles = threading.current_thread() is threading.main_thread()
        before = signal.signal(signal.SIGINT, self._stop) if handles else None
        try:
            if self.plan.together:
                return self._together(Tracer(reference), Tracer(own, hold=True))
            one, two = (
                self._alone(Tracer(command), name) for command, name in ((reference, "bpftrace"), (own, "pytrace"))
            )
            return Pair(one, two, None, tuple(self.stuck))
        finally:
            if handles:
                signal.signal(signal.SIGINT, before)

    def _stop(self, _number: int, _frame: object) -> None:
        self.stopped = True

    def _alone(self, tracer: Tracer, name: str) -> Ended:
        with selectors.DefaultSelector() as selector:
            tracer.start(selector)
            try:
                self._until(selector, lambda: tracer.is_over or tracer.attached is not None or self.stopped, _START)
                self._until(selector, lambda: tracer.is_over or self.stopped, self.plan.duration)
            finally:
                self._end(selector, {name: tracer})
            return tracer.close(selector)

    def _together(self, reference: Tracer, own: Tracer) -> Pair:
        with selectors.DefaultSelector() as selector:
            both = {"bpftrace": reference, "pytrace": own}
            begun = None
            try:
                own.start(selector)
                self._until(selector, lambda: own.is_over or own.ready is not None or self.stopped, _START)
                reference.start(selector)
                self._until(
                    selector, lambda: reference.is_over or reference.attached is not None or self.stopped, _START
                )
                own.release()  # also where bpftrace has refused: does pytrace attach?
                self._until(selector, lambda: own.is_over or own.attached is not None or self.stopped, _START)
                if reference.attached is not None:
                    self._until(selector, lambda: self._is_time(both, None), _SETTLE)
                    begun = time.monotonic()
                    self._watch(selector, both)
            finally:
                over = [t.ended for t in both.values() if t.is_over]
                end = min([time.monotonic(), *over])
                self._end(selector, both)
            span = (begun, end) if begun is not None else None
            return Pair(reference.close(selector), own.close(selector), span, tuple(self.stuck))

    def _watch(self, selector: selectors.BaseSelector, both: dict[str, Tracer]) -> None:
        """From the moment when both have attached until they are to be ended; meanwhile the workload runs."""
        workload = None
        if self.plan.workload and not any(t.is_over for t in both.values()):
            command = ["/bin/sh", "-c", self.plan.workload]  # what it prints must not stand in the report
            workload = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=2, process_group=0)
        try:
            self._until(selector, lambda: self._is_time(both, workload), self.plan.duration)
            if workload is None and any(t.is_over for t in both.values()):
                self._until(selector, lambda: all(t.is_over for t in both.values()), _GRACE)
        finally:
            if workload and workload.poll() is None:
                os.killpg(workload.pid, signal.SIGKILL)
                workload.wait()

    def _is_time(self, both: dict[str, Tracer], workload: subprocess.Popen[bytes] | None) -> bool:
        """Whether both are to be ended."""
        done = workload is not None and workload.poll() is not None
        return done or self.stopped or any(t.is_over for t in both.values())

    def _end(self, selector: selectors.BaseSelector, tracers: dict[str, Tracer]) -> None:
        """Interrupt who still runs, all at once; kill who does not end."""
        running = {name: t for name, t in tracers.items() if hasattr(t, "process")}
        for tracer in running.values():
            tracer.release()
            if not tracer.is_over:
                tracer.interrupt()
        deadline = time.monotonic() + _END
        reference, waits = running.get("bpftrace"), 0
        while self.plan.insist and reference and not reference.is_over and time.monotonic() < deadline:
            self._until(selector, lambda: all(t.is_over for t in running.values()), _LOOK)
            waits = waits + 1 if reference.waits_for_events() else 0
            if waits == _WAITS:
                reference.interrupt()
                waits = 0
        self._until(selector, lambda: all(t.is_over for t in running.values()), deadline - time.monotonic())
        for name, tracer in running.items():
            if not tracer.is_over:
                self.stuck.append(name)
                tracer.kill()
        self._until(selector, lambda: all(t.is_over for t in running.values()), _END)
        if not all(t.is_over for t in running.values()):
            raise MachineError(f"{' and '.join(self.stuck)} cannot be ended, not even by SIGKILL", exit_status=2)

    def _until(self, selector: selectors.BaseSelector, done: Callable[[], bool], seconds: float | None) -> None:
        """Handle what the tracers say until `done`, or for so many seconds."""
        deadline = None if seconds is None else time.monotonic() + seconds
        while not done():
            wait = _LOOK if deadline is None else min(_LOOK, deadline - time.monotonic())
            if wait <= 0:
                return
            for key, _ in selector.select(wait):
                key.data(selector, key.fd)
