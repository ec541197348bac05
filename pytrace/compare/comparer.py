"""Two documents: what is the same, what is set aside and why, what differs and where.

Place in the pipeline: after `document`.  In: what bpftrace and what pytrace printed.  Out: an `Outcome`.  What a
newcomer would get wrong: lines are matched first where they stand, then wherever they stand; whether it matters that
they stand elsewhere is decided in `verdict`, with the help of more runs.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter, defaultdict
from difflib import SequenceMatcher

from pytrace.compare.blocks import OWN_ACTIVITY, Blocks
from pytrace.compare.chance import Chance, Found
from pytrace.compare.document import Block, Document, Item, Line
from pytrace.compare.outcome import LINES_ORDER, Finding, Outcome
from pytrace.compare.tolerance import LINES, Tolerance
from pytrace.record import record

Indexes = tuple[list[int], list[int]]
"""Of items of either side."""

EARLY = "lines from before both were attached"
_MOST_WORK = 3_000_000
"""Pairs of equal lines beyond which only those at the beginning and the end are matched where they stand, others in the
order in which they come."""


class Comparer:
    """Compares what two runs printed.  `begun`: when both had attached, if what bpftrace alone saw before counts for
    nothing; `at_begin`: the lines that `begin` prints, which count nevertheless.  `blanks`: empty lines count."""

    def __init__(
        self,
        chance: Chance,
        tolerance: Tolerance,
        *,
        blanks: bool = True,
        begun: float | None = None,
        at_begin: tuple[re.Pattern[str], ...] = (),
    ) -> None:
        self.chance = chance
        self.tolerance = tolerance
        self.blanks = blanks
        self.begun = begun
        self.at_begin = at_begin

    def compare(self, reference: Document, own: Document) -> Outcome:
        """Both documents from the beginning to the end."""
        outcome = Outcome()
        maps = Blocks(self.chance, self.tolerance, outcome, self.blanks)
        texts = [{item.text for item in document.items} for document in (own, reference)]
        one, two = (_Side(self, n, document, texts[n]) for n, document in enumerate((reference, own)))
        pairs, moved, left = _matched(one.keys, two.keys, from_end=self.begun is not None)
        matched = sorted([*pairs, *moved])
        for i, j in matched:
            self._pair(one.body[i], two.body[j], outcome, maps)
        orders = tuple(one.keys[i] for i, _ in matched), tuple(two.keys[j] for j in sorted(j for _, j in matched))
        if orders[0] != orders[1]:
            outcome.orders[LINES_ORDER] = orders
        fixed = sorted(i for i, _ in pairs), sorted(j for _, j in pairs)
        self._left(one, two, left, fixed, outcome, maps)
        maps.by_name(one.maps, two.maps)
        if self.blanks and one.blank != two.blank and not outcome.findings:
            first, second = (f"{side.blank} empty line{'s' * (side.blank != 1)}" for side in (one, two))
            outcome.findings.append(Finding("the end", "blank", first, second))
        return outcome

    def _pair(self, one: Item, two: Item, outcome: Outcome, maps: Blocks) -> None:
        if isinstance(one, Block) and isinstance(two, Block):
            maps.compare(one, two)
        elif isinstance(one, Line) and isinstance(two, Line):
            found = self.chance.compare(one.text, two.text)
            outcome.take(found)
            if not found.same:
                outcome.findings.append(self._finding(one, two))

    def _near(self, one: Line, two: Line) -> Found:
        return self.chance.compare(one.text, two.text, self.tolerance.rule(LINES).allows)

    def _finding(self, one: Item | None, two: Item | None) -> Finding:
        first, second = ("" if item is None else item.text or "(an empty line)" for item in (one, two))
        item = one or two
        assert item
        if isinstance(item, Block):
            return Finding(item.name, item.name, first, second)
        return Finding(f"line {item.number}", "line " + self.chance.shape(item.text), first, second)

    def _left(self, one: _Side, two: _Side, left: Indexes, fixed: Indexes, outcome: Outcome, maps: Blocks) -> None:
        """Items without an equal on the other side: near enough, different, or on one side only.  `fixed`: those that
        have one in the same place."""
        shapes: dict[str, list[int]] = defaultdict(list)
        for j in left[1]:
            shapes[self._shape(two.body[j])].append(j)
        alone: list[_Alone] = []
        different: list[tuple[int, Finding]] = []
        for i in left[0]:
            others = shapes[self._shape(one.body[i])] or self._in_old_form(one.body[i], two, shapes)
            if not others:
                alone.append(_Alone(0, one.body[i], bisect_left(fixed[0], i)))
                continue
            here, there = one.body[i], two.body[others.pop(0)]
            if isinstance(here, Block) and isinstance(there, Block):
                maps.compare(here, there)
            elif isinstance(here, Line) and isinstance(there, Line):
                self._like(here, there, outcome, different)
        alone += [
            _Alone(1, two.body[j], bisect_left(fixed[1], j))
            for j in sorted(j for rest in shapes.values() for j in rest)
        ]
        missing = [a for a in alone if not self._is_early(a, outcome) and not self._is_own_activity(a, outcome)]
        self._missing(missing, max(len(one.body), len(two.body)), outcome, different)
        outcome.findings += [finding for _, finding in sorted(different, key=lambda pair: pair[0])]

    def _in_old_form(self, item: Item, two: _Side, shapes: dict[str, list[int]]) -> list[int]:
        """Where the other side has the same line in a form that an old version does not know."""
        if self.blanks or isinstance(item, Block):
            return []
        for waiting in shapes.values():
            other = two.body[waiting[0]] if waiting else None
            if isinstance(other, Line) and self._near(item, other).same:
                return waiting
        return []

    def _like(self, one: Line, two: Line, outcome: Outcome, different: list[tuple[int, Finding]]) -> None:
        found = self._near(one, two)
        if found.same:
            outcome.take(found)
            if found.near:
                outcome.within.append(self._finding(one, two).near(found.near))
        elif self._is_own(one) and self._is_own(two):
            outcome.set_aside(OWN_ACTIVITY, one.text)
        else:
            wide = self.chance.compare(one.text, two.text, lambda a, b: True)
            different.append((one.number, self._finding(one, two).near(wide.near if wide.same else [])))

    def _missing(
        self, missing: list[_Alone], total: int, outcome: Outcome, different: list[tuple[int, Finding]]
    ) -> None:
        """Lines of one side only, shown beside those of the other side between the same neighbours."""
        theirs: dict[int, list[_Alone]] = defaultdict(list)
        for alone in reversed([a for a in missing if a.side == 1]):
            theirs[alone.gap].append(alone)
        found = []
        for alone in (a for a in missing if a.side == 0):
            other = theirs[alone.gap].pop().item if theirs[alone.gap] else None
            found.append((alone.number, self._finding(alone.item, other)))
        found += [(a.number, self._finding(None, a.item)) for rest in theirs.values() for a in rest]
        if self.tolerance.named(LINES).allows(len(missing), 0, total):
            outcome.within += [finding for _, finding in found]
        else:
            different += found

    def _is_own(self, item: Item) -> bool:
        return self.chance.together and self.chance.is_own(item.text)

    def _is_own_activity(self, alone: _Alone, outcome: Outcome) -> bool:
        if self._is_own(alone.item):
            outcome.set_aside(OWN_ACTIVITY, alone.item.text)
            return True
        return False

    def _is_early(self, alone: _Alone, outcome: Outcome) -> bool:
        """Whether bpftrace printed this when it alone was attached, and not from `begin`."""
        item = alone.item
        if alone.side or self.begun is None or not 0 < item.at < self.begun:
            return False
        if any(pattern.fullmatch(item.text) for pattern in self.at_begin):
            return False
        outcome.set_aside(EARLY, item.text)
        return True

    def _shape(self, item: Item) -> str:
        return item.name if isinstance(item, Block) else self.chance.shape(item.text)


@record
class _Alone:
    """An item of one side (0: bpftrace) without an equal; `gap`: how many before it have one in the same place."""

    side: int
    item: Item
    gap: int

    @property
    def number(self) -> int:
        """Of the line, 0 for a map."""
        return self.item.number if isinstance(self.item, Line) else 0


class _Side:
    """A document in two parts: `body`, what was printed while it ran, with a key for each item, and the maps at the
    end.  `blank`: empty lines between.  `others`: the texts of the other side: a line that is there too is its own key,
    else its form is."""

    def __init__(self, comparer: Comparer, number: int, document: Document, others: set[str]) -> None:
        items = list(document.items)
        end = len(items)
        while end and (isinstance(items[end - 1], Block) or not items[end - 1].text):
            end -= 1
        rest = items[end:]
        self.blank = sum(isinstance(item, Line) for item in rest)
        self.maps = [item for item in rest if isinstance(item, Block)]
        self.body = [item for item in items[:end] if comparer.blanks or item.text]
        form = comparer.chance.form
        self.keys = [
            item.name if isinstance(item, Block) else item.text if item.text in others else form(number, item.text)
            for item in self.body
        ]


def _matched(
    a: list[str], b: list[str], from_end: bool
) -> tuple[list[tuple[int, int]], list[tuple[int, int]], Indexes]:
    """Pairs in the same order, pairs that have moved, and what is left on either side.  `from_end`: of lines that are
    all alike the first ones are left."""
    most = min(len(a), len(b))
    if from_end:
        end = _alike(a[::-1], b[::-1], most)
        start = _alike(a, b, most - end)
    else:
        start = _alike(a, b, most)
        end = _alike(a[::-1], b[::-1], most - start)
    pairs = [(i, i) for i in range(start)]
    pairs += [(len(a) - 1 - k, len(b) - 1 - k) for k in range(end)]
    middle = a[start : len(a) - end], b[start : len(b) - end]
    counts = [Counter(side) for side in middle]
    if sum(count * counts[1][key] for key, count in counts[0].items()) <= _MOST_WORK:
        for i, j, size in SequenceMatcher(None, *middle, autojunk=False).get_matching_blocks():
            pairs += [(start + i + k, start + j + k) for k in range(size)]
    used_a, used_b = {i for i, _ in pairs}, {j for _, j in pairs}
    waiting: dict[str, list[int]] = defaultdict(list)
    for j in range(len(b)):
        if j not in used_b:
            waiting[b[j]].append(j)
    moved, left = [], []
    for i in range(len(a)):
        if i in used_a:
            continue
        if waiting[a[i]]:
            moved.append((i, waiting[a[i]].pop(0)))
        else:
            left.append(i)
    return pairs, moved, (left, sorted(j for rest in waiting.values() for j in rest))


def _alike(a: list[str], b: list[str], most: int) -> int:
    """How many at the beginning are the same, up to `most`."""
    return next((n for n in range(most) if a[n] != b[n]), most)
