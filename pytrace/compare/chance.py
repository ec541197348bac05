"""What two runs of the same script on a live system differ in whatever the tracer: pids, clocks, addresses, names.

Place in the pipeline: under `comparer`.  In: the facts of both runs.  Out: for two tokens, why they may differ, "" if
they may not; for a text, a form in which what may differ has no value of its own.  What a newcomer would get wrong: a
number is no pid because it differs.  It must have been given out during its own run (and the two runs were one after
the other), and the same pid of one run must stand for the same pid of the other throughout.
"""

from __future__ import annotations

import re
import time

from pytrace.compare.tokens import Token, tokens
from pytrace.compare.versions import old_forms
from pytrace.record import field, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Near = Callable[[float, float], bool]

TIMES, PIDS, ADDRESSES = "times of day", "pids", "addresses"
ELAPSED = "times since the tracer's start"
NAME, SYMBOLS = "the tracer's own name and pid", "symbols that only one could still find"
NAMES = ("bpftrace", "pytrace")
_LOWEST_ADDRESS = 0x10000
_USER_END = 1 << 47
_JITTER = 0.005
"""Seconds between two tracers' programs on one event."""
_SHORTEST_START = 0.02
"""Seconds that bpftrace takes at least until it looks at the clock."""
_DIGITS = 20
"""Of the largest 64-bit number."""
_FRAME = re.compile(r"[ \t]*0x([0-9a-f]+)(?:\+\d+)?")
_SYMBOL = re.compile(r"[ \t]*[A-Za-z_~<][^|]*")


@record
class Facts:
    """Of one run: see `tracer.Ended`.  `pids` empty: nothing is known."""

    pid: int = 0
    pids: tuple[int, int] = (0, 0)
    started: float = 0.0
    ended: float = 0.0
    attached: float = 0.0


@record(frozen=False)
class Found:
    """What a comparison of two texts has used: reasons, each with an example or "", which value stands for which, and
    numbers that are near enough.  `same`: whether the texts are the same but for that."""

    same: bool = True
    reasons: list[tuple[str, str]] = field(default_factory=list)
    stands: list[tuple[str, str, str]] = field(default_factory=list)
    near: list[tuple[float, float]] = field(default_factory=list)
    shifts: dict[int, int] = field(default_factory=dict)
    """By unit (how many a second): by how much times since the start differ."""


class Chance:
    """`facts`: of bpftrace and of pytrace.  `together`: they saw the same activity, at the same time.  `sees_events`:
    the script sees what goes on in the machine, and so the tracers themselves at work; `elapsed`: it uses that builtin,
    which begins with each tracer's start."""

    def __init__(
        self,
        facts: tuple[Facts, Facts],
        together: bool,
        version: tuple[int, ...],
        sees_events: bool = True,
        elapsed: bool = False,
    ) -> None:
        self.facts = facts
        self.together = together
        self.sees_events = sees_events
        self.forms = old_forms(version)
        self._elapsed = elapsed and together
        self._shifts: dict[int, int] = {}
        self._stands: dict[tuple[str, int, str], str] = {}
        now = time.monotonic()
        small = (("ns", 10**9), ("us", 10**6))
        since_boot = (0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - now)
        self._clocks = (
            ("boot", since_boot, small),
            ("1970", (time.time() - now,), (*small, ("ms", 1000), ("s", 1))),
        )
        own = [f.pid for f in facts if f.pid]
        names = [rf"\b{name}\b" for name in NAMES] + [rf"(?<![\w.]){pid}(?![\w.])" for pid in own]
        self._tracers = re.compile("|".join(names))

    # ------------------------------------------------------------ forms
    def form(self, side: int, text: str) -> str:
        """`text` of one side (0: bpftrace), with the kind in place of each value that is the run's own."""
        return "".join(self._kind(side, token) or token.text for token in tokens(text))

    def shape(self, text: str) -> str:
        """`text` without any number: what two lines have in common that may be the same line."""
        if text.startswith("    ") and " " not in text.strip():
            return "<frame>"
        return "".join(
            "<n>" if t.kind in ("number", "address", "time") else " " if t.kind == "space" else t.text
            for t in tokens(text)
        )

    def _kind(self, side: int, token: Token) -> str:
        """What kind of value of the run's own a token is, "" if it is none."""
        facts = self.facts[side]
        if token.kind == "time":
            return f"<{TIMES}>"
        if token.text == NAMES[side] or (token.kind == "number" and facts.pid and token.text == str(facts.pid)):
            return f"<{NAME}>"
        if token.kind == "number" and "." not in token.text and len(token.text) <= _DIGITS:
            value = int(token.text)
            if not self.together and _is_between(value, facts.pids):
                return f"<{PIDS}>"
            if clock := self._clock(value, facts):
                return f"<clock values, {clock}>"
        if token.kind == "address" and not self.together and int(token.text, 16) >= _LOWEST_ADDRESS:
            return f"<{ADDRESSES}>"
        return ""

    def _clock(self, value: int, facts: Facts) -> str:
        """Of which clock a number is a moment of the run, "" if of none.  Smaller numbers could be anything."""
        for name, offsets, units in self._clocks:
            for unit, per_second in units:
                slack = 1 if per_second == 1 else 0
                for offset in offsets:
                    first, last = (int((at + offset) * per_second) for at in (facts.started, facts.ended))
                    if first <= value <= last + slack:
                        return f"{unit} since {name}"
        return ""

    def is_own(self, text: str) -> bool:
        """Whether a text names one of the two tracers: what one sees of the other, or of itself at work."""
        return self.sees_events and self._tracers.search(text) is not None

    # ------------------------------------------------------------ two texts
    def compare(self, one: str, two: str, near: Near | None = None) -> Found:
        """Two texts of the same place.  `near(a, b)`: whether two numbers are near enough."""
        found = Found()
        lines = one.split("\n"), two.split("\n")
        if one != two:
            if len(lines[0]) != len(lines[1]):
                return Found(same=False)
            for a, b in zip(*lines, strict=True):
                if a != b:
                    self._lines(a, b, found, near)
        if found.same and self._agree(found.stands):
            for kind, a, b in found.stands:
                self._stands[kind, 0, a] = b
                self._stands[kind, 1, b] = a
            self._shifts |= found.shifts
            return found
        return Found(same=False)

    def _agree(self, stands: list[tuple[str, str, str]]) -> bool:
        """Whether each value stands for the same other one as before."""
        fresh: dict[tuple[str, int, str], str] = {}
        for kind, a, b in stands:
            for key, value in (((kind, 0, a), b), ((kind, 1, b), a)):
                if fresh.setdefault(key, self._stands.get(key, value)) != value:
                    return False
        return True

    def _lines(self, one: str, two: str, found: Found, near: Near | None) -> None:
        if self._is_unresolved(one, two) or self._is_unresolved(two, one):
            found.reasons.append((SYMBOLS, f"{one.strip()} and {two.strip()}"))
            return
        sides = [[t for t in tokens(line) if t.kind != "space"] for line in (one, two)]
        used = len(found.reasons) + len(found.near)
        if len(sides[0]) != len(sides[1]):
            found.same = False
            return
        for a, b in zip(*sides, strict=True):
            if a.text != b.text:
                self._tokens(a, b, found, near)
        if len(found.reasons) + len(found.near) == used:  # white space alone
            found.same = False

    def _tokens(self, a: Token, b: Token, found: Found, near: Near | None) -> None:
        kinds = self._kind(0, a), self._kind(1, b)
        if kinds[0] and kinds[0] == kinds[1]:
            kind = kinds[0][1:-1]
            found.reasons.append((kind, f"{a.text} and {b.text}" if a.kind == "number" else ""))
            if kind in (PIDS, ADDRESSES):
                found.stands.append((kind, a.text, b.text))
            return
        for form in self.forms:
            if form.means(a.text, b.text):
                found.reasons.append((form.title, f"{a.text} and {b.text}"))
                if form.one_to_one:
                    found.stands.append((form.title, a.text, b.text))
                return
        if self._elapsed and a.kind == b.kind == "number" and self._is_shifted(a.text, b.text, found):
            found.reasons.append((ELAPSED, f"{a.text} and {b.text}"))
            return
        if a.kind == b.kind == "number" and near and near(a.value, b.value):
            found.near.append((a.value, b.value))
            return
        found.same = False

    def _is_shifted(self, one: str, two: str, found: Found) -> bool:
        """Whether both are the time of one moment since the start of either tracer, in ms, us or ns: as far from each
        other as those starts can be (pytrace was held before bpftrace was started), and as all others in that unit."""
        if not (one.isdecimal() and two.isdecimal() and max(len(one), len(two)) <= _DIGITS):
            return False
        shift = int(two) - int(one)
        most = self.facts[0].attached - self.facts[1].started
        for unit in (1000, 10**6, 10**9):
            if not _SHORTEST_START <= shift / unit <= most:
                continue
            known = found.shifts.get(unit, self._shifts.get(unit, shift))
            if abs(shift - known) <= unit * _JITTER + 1:
                found.shifts[unit] = known
                return True
        return False

    def _is_unresolved(self, one: str, two: str) -> bool:
        """Whether one is an address in user space where the other names a symbol."""
        address = _FRAME.fullmatch(one)
        return bool(address and _LOWEST_ADDRESS <= int(address[1], 16) < _USER_END and _SYMBOL.fullmatch(two))


def _is_between(value: int, pids: tuple[int, int]) -> bool:
    """Whether a pid was given out after the first and up to the last.  At the highest one the kernel starts again."""
    first, last = pids
    return first < value <= last if first <= last else value > first or 0 < value <= last
