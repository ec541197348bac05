"""How many events the kernel's side could not store, by program.

Place in the pipeline: polled by the Session.  In: the internal map `lost`: element = program, one counter a CPU.  Out:
growth since the last look, totals.  What a newcomer would get wrong: the counters are exact, a failed reservation is
the only way to lose an event, but they are read while programs run, so only the reading after detaching is final.
"""

from __future__ import annotations

from struct import unpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytrace.runtime.maps import MapReader


class Losses:
    """Counters of one run; `reader` is None when the script has no events to lose."""

    def __init__(self, reader: MapReader | None) -> None:
        self._reader = reader
        self._seen = 0
        self.dropped = 0
        """Events that reached us but were never handled."""

    def by_program(self) -> list[int]:
        """Lost events of each program."""
        if self._reader is None:
            return []
        entries = self._reader.spec.max_entries
        totals = [0] * entries
        if entries == 1:
            copies = self._reader.lookup(bytes(4))
            return [_sum(copies)] if copies else totals
        for key, copies in self._reader.entries():
            totals[int.from_bytes(key, "little")] = _sum(copies)
        return totals

    def total(self) -> int:
        return sum(self.by_program())

    def growth(self) -> int:
        """How many more there are than at the last call, dropped ones included."""
        total = self.total() + self.dropped
        grown, self._seen = total - self._seen, total
        return grown


def _sum(copies: list[bytes]) -> int:
    data = b"".join(copies)
    return sum(unpack(f"={len(data) // 8}Q", data))
