"""max(n): the largest value (spec 05 §2)."""

from __future__ import annotations

from pytrace.defs.aggregates._extremes import extreme

ROWS = (extreme("max", "Keeps the largest of the values that it is given.", ">"),)
