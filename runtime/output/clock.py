"""Clocks and calendars: strftime() values and time() (spec 04 §2).

Place in the pipeline: called by `render` and by the row of time(), imported only when a script uses one of them.  In:
nanoseconds of a kernel clock and a strftime(3) format.  Out: latin-1 str.  What a newcomer would get wrong: `%f`, `%k`
and `%l` are ours (micro-, nano- and milliseconds) and are put in before strftime(3) sees the format.
"""

from __future__ import annotations

import time

_boot_offset: int | None = None


def boot_offset() -> int:
    """Nanoseconds from the boot clock to the epoch, read once: the best of a few attempts."""
    global _boot_offset
    if _boot_offset is None:
        best = 1 << 62
        for _ in range(5):
            before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
            now = time.clock_gettime_ns(time.CLOCK_REALTIME)
            after = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
            if after - before < best:
                best, _boot_offset = after - before, now - (before + after) // 2
    assert _boot_offset is not None
    return _boot_offset


def wall_clock(nanoseconds: int, clock: str) -> int:
    """Nanoseconds since the epoch of a reading of `clock`: boot, tai, sw_tai (nsecs(), spec 04 §1)."""
    return nanoseconds + boot_offset() if clock == "boot" else nanoseconds


_FRACTIONS = (("f", 6), ("k", 9), ("l", 3))
"""Letters for parts of a second, and their digits."""
_MARK = "\1"
_MOST_SECONDS = 256


class Calendar:
    """Readings of one clock in one format.  The text of a second is made once: events come many in a second."""

    def __init__(self, form: str, clock: str) -> None:
        self._form, self._clock = form, clock
        self._seconds: dict[int, str] = {}
        self._marked = form
        for letter, _ in _FRACTIONS:
            self._marked = self._marked.replace("%" + letter, _MARK + letter)
        self._plain = "%%" not in form and _MARK not in form  # else `%%f` and the like: character by character
        self._marks = [(_MARK + letter, digits) for letter, digits in _FRACTIONS if "%" + letter in form]

    def text(self, nanoseconds: int) -> str:
        """In local time; "(?)" for the epoch itself and for what strftime(3) cannot say."""
        seconds, rest = divmod(wall_clock(nanoseconds, self._clock), 10**9)
        if not self._plain:
            return _local(_with_fractions(self._form, rest), seconds)
        found = self._seconds.get(seconds)
        if found is None:
            if len(self._seconds) >= _MOST_SECONDS:
                self._seconds.clear()
            found = self._seconds[seconds] = _local(self._marked, seconds)
        for mark, digits in self._marks:
            found = found.replace(mark, f"{rest // 10 ** (9 - digits):0{digits}d}")
        return found


def _with_fractions(form: str, rest: int) -> str:
    for letter, digits in _FRACTIONS:
        form = form.replace("%" + letter, f"{rest // 10 ** (9 - digits):0{digits}d}")
    return form


def _local(form: str, seconds: int) -> str:
    if not seconds:
        return "(?)"
    try:
        return format_local(form, seconds) or "(?)"
    except (OverflowError, ValueError, OSError):
        return "(?)"


def format_local(form: str, seconds: float) -> str:
    """strftime(3) of local time.  Bytes ≥ 0x80 of the format pass through unchanged."""
    raw = form.encode("latin-1").decode("utf-8", "surrogateescape")
    text = time.strftime(raw, time.localtime(seconds))
    return text.encode("utf-8", "surrogateescape").decode("latin-1")
