"""min(n): the smallest value (spec 05 §2)."""

from __future__ import annotations

from pytrace.defs.aggregates._extremes import extreme

ROWS = (extreme("min", "Keeps the smallest of the values that it is given.", "<"),)
