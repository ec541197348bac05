"""`--tolerance`: by how much numbers may differ, in general or by map and key.

Place in the pipeline: under `comparer`.  In: the option's words.  Out: whether two numbers, or two histograms, are near
enough.  What a newcomer would get wrong: the most particular rule decides alone; `@ns=any` does not make a general `5%`
any narrower for the other maps, and a general rule adds nothing to a particular one.
"""

from __future__ import annotations

import re

from pytrace.diagnostics import UsageError
from pytrace.record import record

_RULE = re.compile(
    r"(?:(?P<map>@\w*)(?:\[(?P<key>.*?)\])?=|(?P<lines>lines)=)?"
    r"(?:(?P<amount>\d+(?:\.\d+)?)(?P<percent>%?)|(?P<any>any))"
)

LINES = "lines"
"""The name of what is printed line by line, among the names of maps."""


@record
class Rule:
    """What one word of the option allows.  `name`: a map, `lines`, or "" for all; `amount`: None for any."""

    name: str
    key: str | None
    amount: float | None
    percent: bool

    def allows(self, one: float, two: float, whole: float | None = None) -> bool:
        """Whether the numbers are near enough.  `whole`: what a percentage is of, the larger of the two by default."""
        if self.amount is None:
            return True
        whole = max(abs(one), abs(two)) if whole is None else whole
        return abs(one - two) <= (self.amount * whole / 100 if self.percent else self.amount)


NOTHING = Rule("", None, 0.0, False)


@record
class Tolerance:
    """All rules, as given."""

    rules: tuple[Rule, ...] = ()

    def rule(self, name: str, key: str | None = None) -> Rule:
        """The rule for an element of a map, or for lines: by key before by name before in general."""
        for wanted in ((name, key), (name, None), ("", None)):
            for rule in self.rules:
                if (rule.name, rule.key) == wanted:
                    return rule
        return NOTHING

    def named(self, name: str) -> Rule:
        """The rule that names it, if there is one."""
        return next((rule for rule in self.rules if rule.name == name), NOTHING)


def parse(text: str) -> tuple[Rule, ...]:
    """The rules of one `--tolerance`: `5%`, `3`, `@ns=any`, `@[bash]=10%,lines=2`.  Raises UsageError."""
    rules, at = [], 0
    while at <= len(text):
        found = _RULE.match(text, at)
        if not found or text[found.end() : found.end() + 1] not in ("", ","):
            raise UsageError(
                f"--tolerance: '{text[at:]}' is not understood",
                hint="5% (of the larger value), 3 (by so much), any; for one map @name=5%, for one key @name[key]=3,"
                " for printed lines lines=5%; several with commas between them",
            )
        amount = None if found["any"] else float(found["amount"])
        rules.append(Rule(found["map"] or found["lines"] or "", found["key"], amount, bool(found["percent"])))
        at = found.end() + 1
    return tuple(rules)


def percent(one: float, two: float) -> float:
    """By how many per cent of the larger one two numbers differ."""
    whole = max(abs(one), abs(two))
    return 100 * abs(one - two) / whole if whole else 0.0
