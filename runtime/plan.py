"""Which probes of a Program a run fires or attaches, and in which order.

Place in the pipeline: first step of a Session, before anything of the kernel is touched.  In: Program, rows, options.
Out: probes by phase.  Raises MachineError.  What a newcomer would get wrong: the kernel runs what hangs on one event
partly in order of attachment and partly in reverse, so bodies run in source order only if some kinds are attached last
to first (spec 03 §5).
"""

from __future__ import annotations

from pytrace.diagnostics import MachineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from pytrace.program import ProbeSpec, Program
    from pytrace.registry import Def, ProbeDef

_PHASES = {
    "": ("begin", "end", "signal", "attach", "iter"),
    "test": ("begin", "end", "test"),
    "bench": ("begin", "end", "bench"),
}


class Plan:
    """The probes of one run.  `pattern`: of --probe-filter, "" for all; begin and end probes always stay."""

    def __init__(self, program: Program, rows: Callable[[str], Def], pattern: str = "") -> None:
        self._rows = rows
        self._phases: dict[str, list[ProbeSpec]] = {}
        keep = _search(pattern)
        for probe in program.probes:
            phase = self.row_of(probe).phase
            if phase in ("begin", "end") or keep(probe.name):
                self._phases.setdefault(phase, []).append(probe)

    def row_of(self, probe: ProbeSpec) -> ProbeDef:
        row: Any = self._rows(probe.row)
        found: ProbeDef = row
        return found

    def phase(self, name: str) -> list[ProbeSpec]:
        """The probes of a phase, in order of declaration."""
        return self._phases.get(name, [])

    @property
    def count(self) -> int:
        return sum(map(len, self._phases.values()))

    def check_limit(self, limit: int) -> None:
        """Raise MachineError when there are more than `max_probes`."""
        if self.count > limit:
            raise MachineError(
                f"Can't attach to {self.count} probes because it exceeds the current limit of {limit} probes.\n"
                "You can increase the limit through the BPFTRACE_MAX_PROBES environment variable, but BE CAREFUL since"
                " a high number of probes attached can cause your system to crash.",
                exit_status=1,
            )

    def programs(self, mode: str) -> set[int]:
        """The numbers of the programs that a run in `mode` ("", test, bench) needs."""
        return {probe.program for phase in _PHASES.get(mode, _PHASES[""]) for probe in self.phase(phase)}

    def attachments(self) -> Iterator[tuple[ProbeDef, ProbeSpec]]:
        """What is to be attached, in the order in which it must be."""
        probes = [(self.row_of(p), p) for name in ("attach", "iter") for p in self.phase(name)]
        yield from ((row, probe) for row, probe in probes if not row.attach_last_first)
        yield from ((row, probe) for row, probe in reversed(probes) if row.attach_last_first)

    def why_nothing(self) -> str:
        """The message when nothing was attached."""
        for phase, name in (("test", "test"), ("bench", "benchmark")):
            if self.phase(phase):
                return f"No probes attached; use --{phase} to run {name} probes."
        return "Attachment failed for all probes."


def _search(pattern: str) -> Callable[[str], object]:
    if not pattern:
        return lambda name: True
    import re

    try:
        return re.compile(pattern).search
    except re.error as error:
        raise MachineError(f"Invalid --probe-filter regex '{pattern}': {error}") from None
