"""Several runs: which differences hold, and the word for it.

Place in the pipeline: after `comparer`.  In: an Outcome for each run.  Out: a `Verdict`.  What a newcomer would get
wrong: an order of lines or of keys is a difference only if each tracer keeps to its own in every run; where one does
not, it is chance (lines of several CPUs, loops over maps), and nothing can be said of it from one run alone.
"""

from __future__ import annotations

from pytrace.compare.outcome import Finding, Order, Outcome
from pytrace.record import record

EQUAL, NEAR, DIFFERENT = "equal", "equal within tolerance", "different"
ORDERS = ("auto", "exact", "any")


@record
class Held:
    """A finding, the first run (from 1) that has it, and how many do."""

    finding: Finding
    first: int
    runs: int


@record
class Verdict:
    """`holds`: differences of all runs; `passing`: those of some; `within`: what the tolerance allowed, likewise;
    `aside`: reason to (how often, examples)."""

    word: str
    runs: int
    holds: tuple[Held, ...]
    passing: tuple[Held, ...]
    within: tuple[Held, ...]
    aside: dict[str, tuple[int, tuple[str, ...]]]


def judge(outcomes: list[Outcome], order: str = "auto") -> Verdict:
    """The verdict on all runs.  `order`: one of ORDERS."""
    lists = [list(outcome.findings) for outcome in outcomes]
    aside: dict[str, tuple[int, tuple[str, ...]]] = {}
    for findings, outcome in zip(lists, outcomes, strict=True):
        for reason, (count, examples) in outcome.aside.items():
            before = aside.get(reason, (0, ()))
            aside[reason] = (before[0] + count, (*before[1], *(e for e in examples if e not in before[1]))[:3])
        for place, sides in outcome.orders.items():
            if order == "exact" or (order == "auto" and is_kept(place, outcomes)):
                findings.append(_order(place, sides))
            else:
                aside[place] = (aside.get(place, (0, ()))[0] + 1, ())
    held = _held(lists)
    holds = tuple(h for h in held if h.runs == len(outcomes))
    within = tuple(_held([outcome.within for outcome in outcomes]))
    word = DIFFERENT if holds else NEAR if within else EQUAL
    return Verdict(word, len(outcomes), holds, tuple(h for h in held if h not in holds), within, aside)


def is_kept(place: str, outcomes: list[Outcome]) -> bool:
    """Whether there are several runs, and in all of them each side has the same order of its own."""
    orders = [outcome.orders.get(place) for outcome in outcomes]
    return len(orders) > 1 and orders[0] is not None and all(o == orders[0] for o in orders)


def _held(lists: list[list[Finding]]) -> list[Held]:
    found: dict[str, Held] = {}
    for run, findings in enumerate(lists, 1):
        for finding in {f.identity: f for f in reversed(findings)}.values():
            before = found.get(finding.identity, Held(finding, run, 0))
            found[finding.identity] = Held(before.finding, before.first, before.runs + 1)
    order = {id(f): n for n, f in enumerate(f for findings in lists for f in findings)}
    return sorted(found.values(), key=lambda held: order[id(held.finding)])


def _order(place: str, order: Order) -> Finding:
    """Where they part first."""
    one, two = order
    at = next((n for n, (a, b) in enumerate(zip(one, two, strict=True)) if a != b), 0)
    first, second = ("\n".join(side[at : at + 3]) for side in order)
    return Finding(f"{place}, from number {at + 1} on", place, first, second)
