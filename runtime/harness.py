"""The other ways to run a Program: --test, --bench, and iterators.

Place in the pipeline: called by the Session in place of its poll loop.  In: the loaded Session.  Out: exit status,
output. What a newcomer would get wrong: a test's own output is captured, and shown only if it fails; what counts as
failure is its return value, exit() with a status, and errorf() or run-time errors.
"""

from __future__ import annotations

import os

from pytrace.diagnostics import KernelError, MachineError
from pytrace.runtime.attach.tracing import IterLink
from pytrace.runtime.output.text import TextOutput

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytrace.program import Location, ProbeSpec
    from pytrace.runtime.session import Session

_PACKET = bytes(14)  # the least that the kernel runs an XDP program on (ETH_HLEN)
_BENCH_STEPS = ((1_000, 100_000), (10_000, 100), (100_000, 10), (1_000_000, 2))
"""(less than so many ns in all, then so many times more rounds)."""


class Captured(TextOutput):
    """Text output, stderr too, into memory; counts the errors."""

    def __init__(self) -> None:
        super().__init__(errors=self._add)
        self.data = bytearray()
        self.errors = 0

    def _add(self, data: bytes) -> None:
        self.data += data

    def drain(self) -> None:
        self.data += b"".join(self._pending)
        self._pending.clear()

    def message(self, severity: str, text: str, location: Location | None) -> None:
        self.errors += severity == "ERROR"
        super().message(severity, text, location)

    def runtime_error(self, text: str, location: Location | None) -> None:
        self.errors += 1
        super().runtime_error(text, location)

    def helper_error(self, helper: str, code: int, location: Location | None) -> None:
        self.errors += 1
        super().helper_error(helper, code, location)


def _names(probes: list[ProbeSpec]) -> list[str]:
    return [probe.name.partition(":")[2] for probe in probes]


def _run(session: Session, probe: ProbeSpec, repeat: int) -> tuple[int, int]:
    """(return value, nanoseconds a run) of one test or benchmark."""
    packet = _PACKET if session.program.programs[probe.program].type == "xdp" else b""
    try:
        return session.kernel.prog_run(session.loaded.programs[probe.program], packet, repeat if packet else 0)
    except OSError as error:
        raise KernelError(f"Failed to run '{probe.name}'", error.errno or 0) from None


def _begin(session: Session, phase: str) -> list[ProbeSpec]:
    for probe in session.plan.phase("begin"):
        session.fire(probe)
        session.pump.fetch()
    probes = session.plan.phase(phase)
    if not probes and not session.plan.phase("begin") and not session.plan.phase("end"):
        raise MachineError("Attachment failed for all probes.")
    return probes


def _end(session: Session, status: int) -> int:
    session.pump.drain(lambda: False)
    for probe in session.plan.phase("end"):
        session.fire(probe)
    session.pump.drain(lambda: False)
    session.report_losses()
    session.output.end()
    session.output.flush()
    return status


def _captured(session: Session, probe: ProbeSpec, repeat: int) -> tuple[Captured, int, int, bool]:
    """Run once: (what it printed, return value, ns, whether exit() asked for a status but 0)."""
    output, captured = session.output, Captured()
    captured.begin(session.program, session.rows)
    session.use_output(captured)
    session.exit_status = 0
    try:
        value, duration = _run(session, probe, repeat)
        session.pump.drain(lambda: False)
    finally:
        captured.drain()
        session.use_output(output)
        session.dispatcher.stopped = False
    failed, session.exit_status = session.exit_status != 0, 0
    return captured, value, duration, failed


def run_tests(session: Session) -> int:
    """Run every `test` probe; 1 if one failed."""
    probes = _begin(session, "test")
    names, passed, output = _names(probes), [], session.output
    for index, probe in enumerate(probes):
        captured, value, duration, failed = _captured(session, probe, 1)
        passed.append(value == 0 and not failed and not captured.errors)
        text = captured.data.decode("latin-1")
        output.test_result(names, index, duration, passed, text)
        output.flush()
    return _end(session, 0 if all(passed) else 1)


def run_benchmarks(session: Session) -> int:
    """Time every `bench` probe, more rounds until a millisecond has passed; 1 if one failed."""
    probes = _begin(session, "bench")
    names, status = _names(probes), 0
    for index, probe in enumerate(probes):
        rounds = 1
        while True:
            captured, value, duration, failed = _captured(session, probe, rounds)
            if value and not failed:
                break  # it does not want to be run here
            step = next((factor for limit, factor in _BENCH_STEPS if duration * rounds < limit), 0)
            if step and session.program.programs[probe.program].type == "xdp":
                rounds *= step
                continue
            if failed or captured.errors:
                session.output.error(f"Benchmark '{names[index]}' failed.")
                status = 1
                break
            session.output.benchmark_result(names, index, duration, rounds)
            break
    return _end(session, status)


def read_iterators(session: Session) -> None:
    """Run each iterator once and pass on what it prints, or pin it.  Raises KernelError."""
    for link in session.links:
        if not isinstance(link, IterLink):
            continue
        if link.pin:
            session.output.write(f"Program pinned to {link.store()}\n".encode("latin-1"))
            continue
        fd = link.open()
        try:
            while data := os.read(fd, 1 << 16):
                session.output.write(data)
                session.output.flush()
        finally:
            os.close(fd)
    session.output.flush()
