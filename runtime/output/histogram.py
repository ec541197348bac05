"""Histograms: what the buckets of hist() and lhist() stand for, and how they are drawn (spec 05 §2.1, §4.2).

Place in the pipeline: the runtime half of the rows hist and lhist.  In: counts by bucket number.  Out: rows of text, or
plain values for JSON.  What a newcomer would get wrong: the bar's length is computed in single precision, as the
reference does, which shows in about one row of a thousand.
"""

from __future__ import annotations

from struct import pack, unpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

BAR_WIDTH = 52
_SUFFIXES = ("", "K", "M", "G", "T", "P", "E")

Bound = tuple[str, int, bool]
"""A bucket's limit: label, value, whether the label is the plain number."""


def counts_of(buckets: list[tuple[int, list[bytes]]]) -> dict[int, int]:
    """Bucket number -> count over all CPUs, empty ones left out."""
    sums = {n: sum([int.from_bytes(r, "little") for r in records]) & (1 << 64) - 1 for n, records in buckets}
    return {n: count for n, count in sums.items() if count}


def log2_bound(number: int, bits: int) -> Bound:
    """The lower limit of bucket `number` + 1 of hist(n, bits)."""
    if number <= 2 << bits:
        return str(number), number, True
    steps = 1 << bits
    power, part = (number >> bits) - 1, number & (steps - 1)
    decade = power // 10
    label = f"{(steps + part) << (power - 10 * decade)}{_SUFFIXES[decade]}"
    return label, (steps + part) << power, False


def linear_bound(number: int, low: int, step: int) -> Bound:
    """The lower limit of bucket `number` + 1 of lhist(n, low, high, step)."""
    value = low + number * step
    if step % 1024:
        return str(value), value, True
    if value and value % (1 << 20) == 0:
        return f"{value >> 20}M", value, False
    if value and value % 1024 == 0:
        return f"{value >> 10}K", value, False
    return str(value), value, False


class Histogram:
    """`bound(n)`: the lower limit of bucket n + 1; bucket `last` (None = there is no such) is open upwards, 0
    downwards."""

    __slots__ = ("bound", "counts", "last")

    def __init__(self, counts: dict[int, int], bound: Callable[[int], Bound], last: int | None) -> None:
        self.counts = counts
        self.bound = bound
        self.last = last

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def _range(self) -> range:
        return range(min(self.counts), max(self.counts) + 1) if self.counts else range(0)

    def rows(self, div: int = 1) -> str:
        """A line a bucket, from the first to the last that is not empty."""
        shown = [(n, self.counts.get(n, 0) // div) for n in self._range()]
        highest = max([count for _, count in shown], default=0)
        return "".join([f"{self._label(n):<16}{count:>8} |{_bar(count, highest):<52}|\n" for n, count in shown])

    def _label(self, number: int) -> str:
        if number == 0:
            return f"(..., {self.bound(0)[0]})"
        low, low_value, plain = self.bound(number - 1)
        if number == self.last:
            return f"[{low}, ...)"
        high, high_value, high_plain = self.bound(number)
        if plain and high_plain and low_value + 1 == high_value:
            return f"[{low}]"
        return f"[{low}, {high})"

    def plain(self, div: int = 1) -> list[dict[str, Any]]:
        """For JSON; `max` is inclusive, open ends have none."""
        found = []
        for n in self._range():
            row: dict[str, Any] = {}
            if n > 0:
                row["min"] = self.bound(n - 1)[1]
            if n != self.last:
                row["max"] = self.bound(n)[1] - 1
            row["count"] = self.counts.get(n, 0) // div
            found.append(row)
        return found

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Histogram) and self.plain() == other.plain()

    def __repr__(self) -> str:
        return f"Histogram({self.plain()!r})"


def _single(value: float) -> float:
    """`value` rounded to single precision."""
    return float(unpack("<f", pack("<f", value))[0])


def _bar(count: int, highest: int) -> str:
    if not highest:
        return ""
    return "@" * int(_single(_single(_single(count) / _single(highest)) * BAR_WIDTH))
