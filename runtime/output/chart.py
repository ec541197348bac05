"""The chart of a time series (spec 05 §4.3).

Place in the pipeline: the runtime half of the row tseries.  In: (nanoseconds since the epoch, value or None), evenly
spaced. Out: latin-1 text, or plain values for JSON.  What a newcomer would get wrong: columns are computed in single
precision, and widths count bytes, so that the two bytes of μ take two columns of the heading.
"""

from __future__ import annotations

import time
from struct import pack, unpack

from pytrace.runtime.output.reports import unit_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_WIDTH = 53
_PADDING = 21
_DIGITS = {1: 9, 10**3: 6, 10**6: 3, 10**9: 0}

Point = tuple[int, int | None]


def chart(points: list[Point], signed: bool) -> str:
    """The chart, each line with its newline."""
    known = [v for _, v in points if v is not None]
    if not known:
        return "<no data>"
    low, high = _range(min(known), max(known), signed)
    spacing = (points[-1][0] - points[0][0]) // max(1, len(points) - 1)
    unit, scale = unit_of(spacing)
    digits = _DIGITS[scale]
    heading = f"hh:mm:ss.{unit}" if digits else "hh:mm:ss"
    margin = 8 + (1 + digits if digits else 0)
    limits = f"{'':{margin + 1}}{low:<{_PADDING}}{high:>{_WIDTH - _PADDING}}\n"
    lines = [limits, f"{heading:<{margin + 1}}|{'_' * (_WIDTH - 2)}|\n"]
    zero = int(_single(_single(_WIDTH * _single(low)) / _single(low - high))) if low < 0 < high else 0
    lines += [f"{_clock(at, digits)} {_row(value, low, high, zero)}\n" for at, value in points]
    lines += [f"{'':{margin}} v{'_' * (_WIDTH - 2)}v\n", limits]
    return "".join(lines)


def _range(low: int, high: int, signed: bool) -> tuple[int, int]:
    """Wider by one on both sides if there is only one value, as far as the type goes."""
    if low != high:
        return low, high
    least, most = (-(1 << 63), (1 << 63) - 1) if signed else (0, (1 << 64) - 1)
    return max(least, low - 1), min(most, high + 1)


def _row(value: int | None, low: int, high: int, zero: int) -> str:
    line = ["|", *" " * (_WIDTH - 2), "|"]
    if zero > 0:
        line[zero] = "."
    if value is None:
        return "".join(line) + " -"
    column = _WIDTH // 2
    if low != high:
        column = int(_single(_single((_WIDTH - 1) * _single(value - low)) / _single(high - low)))
    line[max(0, min(_WIDTH - 1, column))] = "*"
    return "".join(line) + f" {value}"


def _single(value: float) -> float:
    return float(unpack("<f", pack("<f", value))[0])


def _clock(nanoseconds: int, digits: int) -> str:
    """Local time with `digits` digits of a second."""
    seconds, rest = divmod(nanoseconds, 10**9)
    shown = time.strftime("%H:%M:%S", time.localtime(seconds))
    return f"{shown}.{rest // 10 ** (9 - digits):0{digits}d}" if digits else shown


def plain(points: list[Point]) -> list[Any]:
    """For JSON: points without a value are left out; times are UTC."""
    from pytrace.runtime.output.json import Compact

    found = []
    for at, value in points:
        if value is not None:
            seconds, rest = divmod(at, 10**9)
            start = f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(seconds))}.{rest:09d}"
            found.append(Compact(interval_start=start, value=value))
    return found
