"""Maps of two runs: key by key, histograms bucket by bucket.

Place in the pipeline: a part of `comparer`.  In: blocks of elements.  Out: into the `Outcome`.  What a newcomer would
get wrong: a map is printed in the order of its values, so two maps whose values differ a little are in another order;
the order of keys counts only where bpftrace's own is an order at all, and ours is not one.
"""

from __future__ import annotations

import re
from collections import defaultdict

from pytrace.compare.chance import Chance
from pytrace.compare.document import Block, Element
from pytrace.compare.outcome import Finding, Outcome
from pytrace.compare.tolerance import Rule, Tolerance

OWN_ACTIVITY = "what the tracers saw of each other"
EMPTY = "maps without a value"
TIES = "the order of elements"
ROWS = 3
"""Rows of a histogram that are shown."""


class Blocks:
    """Compares maps and tells the outcome.  `current`: bpftrace prints in today's form."""

    def __init__(self, chance: Chance, tolerance: Tolerance, outcome: Outcome, current: bool) -> None:
        self.chance = chance
        self.tolerance = tolerance
        self.outcome = outcome
        self.current = current

    def by_name(self, one: list[Block], two: list[Block]) -> None:
        """The maps at the end, whose order among each other is nobody's promise."""
        waiting: dict[str, list[Block]] = defaultdict(list)
        for block in two:
            waiting[block.name].append(block)
        for block in one:
            others = waiting[block.name]
            if others:
                self.compare(block, others.pop(0))
            else:
                self._alone(block, 0)
        for others in waiting.values():
            for block in others:
                self._alone(block, 1)

    def _alone(self, block: Block, side: int) -> None:
        if side == 0 and not self.current and all(e.key is None and _is_nothing(e) for e in block.elements):
            self.outcome.set_aside(EMPTY, block.name)
            return
        for element in block.elements:
            self._missing(block, element, side)

    def compare(self, one: Block, two: Block) -> None:
        """Two blocks of the same name."""
        shared = {e.key for e in one.elements} & {e.key for e in two.elements}
        keyed = [self._keyed(side, block, shared) for side, block in enumerate((one, two))]
        left: tuple[list[Element], list[Element]] = ([], [])
        for form in dict.fromkeys([*keyed[0], *keyed[1]]):
            first, second = keyed[0].get(form, []), keyed[1].get(form, [])
            for a, b in zip(first, second, strict=False):
                self._elements(one.name, a, b)
            left[0].extend(first[len(second) :])
            left[1].extend(second[len(first) :])
        for element in left[0]:
            other = self._same_stack(element, left[1])
            if other is None:
                self._missing(one, element, 0)
            else:
                left[1].remove(other)
                self._elements(one.name, element, other)
        for element in left[1]:
            self._missing(two, element, 1)
        self._order(one, two)

    def _same_stack(self, element: Element, others: list[Element]) -> Element | None:
        """Among `others` the one whose key is the same stack, though only one side has found the symbols; best with
        the same value."""
        if "\n" not in (element.key or ""):
            return None
        same = [e for e in others if self.chance.compare(element.key or "", e.key or "").same]
        return next((e for e in same if e.value == element.value), same[0] if same else None)

    def _keyed(self, side: int, block: Block, shared: set[str | None]) -> dict[str, list[Element]]:
        """The elements by their key if both sides have it, else by its form: two keys that are pids have the same one,
        and are in their order."""
        found: dict[str, list[Element]] = defaultdict(list)
        for element in block.elements:
            found[element.key or "" if element.key in shared else self._form(side, element)].append(element)
        return {form: sorted(same, key=_by_number) if len(same) > 1 else same for form, same in found.items()}

    def _form(self, side: int, element: Element) -> str:
        if element.key is None:
            return ""
        return self.chance.form(side, element.key)

    def _missing(self, block: Block, element: Element, side: int) -> None:
        """An element that only one side has: near enough if the map is without it."""
        finding = self._finding(block.name, element if side == 0 else None, element if side == 1 else None)
        if self.chance.is_own(element.key or ""):
            self.outcome.set_aside(OWN_ACTIVITY, finding.place)
            return
        rule = self.tolerance.rule(block.name, element.key)
        amount = _amount(element)
        whole = sum(abs(_amount(e) or 0) for e in block.elements)
        if amount is not None and whole:
            finding = Finding(
                finding.place, finding.identity, finding.reference, finding.own, 100 * abs(amount) / whole
            )
        if rule.amount is None or (rule.amount and amount is not None and rule.allows(amount, 0, whole)):
            self.outcome.within.append(finding)
        else:
            self.outcome.findings.append(finding)

    def _elements(self, name: str, one: Element, two: Element) -> None:
        rule = self.tolerance.rule(name, one.key)
        keys = self.chance.compare(one.key or "", two.key or "")
        self.outcome.take(keys)
        if not keys.same:
            self.outcome.findings.append(self._finding(name, one, two))
        elif one.buckets is not None and two.buckets is not None:
            self._histograms(name, one, two, rule)
        elif one.buckets is not None or two.buckets is not None:
            self.outcome.findings.append(self._finding(name, one, two))
        else:
            self._values(name, one, two, rule)

    def _values(self, name: str, one: Element, two: Element, rule: Rule) -> None:
        found = self.chance.compare(one.value, two.value, rule.allows)
        self.outcome.take(found)
        if found.same and found.near:
            self.outcome.within.append(self._finding(name, one, two).near(found.near))
        elif not found.same:
            if self.chance.is_own(one.key or ""):
                self.outcome.set_aside(OWN_ACTIVITY, self._finding(name, one, two).place)
                return
            wide = self.chance.compare(one.value, two.value, lambda a, b: True)
            self.outcome.findings.append(self._finding(name, one, two).near(wide.near if wide.same else []))

    def _histograms(self, name: str, one: Element, two: Element, rule: Rule) -> None:
        assert one.buckets is not None and two.buckets is not None
        sides = [{label: count for label, count, _ in e.buckets or ()} for e in (one, two)]
        labels = list(dict.fromkeys([*sides[0], *sides[1]]))
        differ = [label for label in labels if sides[0].get(label, 0) != sides[1].get(label, 0)]
        finding = self._finding(name, one, two)
        if not differ:
            if one.buckets != two.buckets and rule.amount is not None:
                self.outcome.findings.append(finding)
            return
        whole = max(sum(side.values()) for side in sides)
        if all(rule.allows(sides[0].get(n, 0), sides[1].get(n, 0), whole) for n in differ):
            self.outcome.within.append(self._rows(finding, one, two, differ, whole))
        elif self.chance.is_own(one.key or ""):
            self.outcome.set_aside(OWN_ACTIVITY, finding.place)
        else:
            self.outcome.findings.append(self._rows(finding, one, two, differ, whole))

    def _rows(self, finding: Finding, one: Element, two: Element, differ: list[str], whole: float) -> Finding:
        """The finding with only the rows that differ, without bars, and what it takes: of all that is counted."""
        texts, counts = [], []
        for element in (one, two):
            rows = {label: count for label, count, _ in element.buckets or ()}
            counts.append([rows.get(label, 0) for label in differ])
            shown = [f"{label:<16}{rows.get(label, 0):>8}" for label in differ[:ROWS]]
            texts.append("\n".join([element.text.split("\n", 1)[0], *shown]))
        worst = max(100 * abs(a - b) / whole for a, b in zip(*counts, strict=True)) if whole else None
        return Finding(finding.place, finding.identity, texts[0], texts[1], worst)

    def _finding(self, name: str, one: Element | None, two: Element | None) -> Finding:
        element = one or two
        assert element
        key = "" if element.key is None else "[" + re.sub(r"\s*\n\s*", " ", element.key).strip() + "]"
        form = self._form(0 if one else 1, element)
        first, second = ("" if e is None else e.text.rstrip("\n") for e in (one, two))
        return Finding(name + key, f"{name}[{form}]", first, second)

    def _order(self, one: Block, two: Block) -> None:
        """The order of elements: the same keys in the same order, or in either the order of the values."""
        both = {e.key for e in one.elements} & {e.key for e in two.elements}
        keys = [
            [e.key or "" if e.key in both else self._form(side, e) for e in block.elements]
            for side, block in enumerate((one, two))
        ]
        known = [set(side) for side in keys]
        shared = [[k for k in keys[0] if k in known[1]], [k for k in keys[1] if k in known[0]]]
        if shared[0] == shared[1]:
            return
        if _is_sorted(one) and not _is_sorted(two):
            self.outcome.orders.setdefault(f"{one.name}, the order of its keys", (tuple(shared[0]), tuple(shared[1])))
        else:
            self.outcome.set_aside(TIES, one.name)


def _amount(element: Element) -> int | None:
    """What an element counts: a number, or how many values a histogram has."""
    return sum(n for _, n, _ in element.buckets) if element.buckets is not None else _integer(element.value)


def _integer(value: str) -> int | None:
    return int(value) if re.fullmatch(r"-?\d{1,40}", value) else None


def _is_nothing(element: Element) -> bool:
    return element.value in ("0", "{ .count = 0, .average = 0, .total = 0 }") or element.buckets == ()


def _by_number(element: Element) -> list[int]:
    return [int(n) for n in re.findall(r"\d{1,40}", element.key or "")]


def _weight(element: Element) -> tuple[float, ...] | None:
    """What a map is sorted by: its values if they are numbers, the sum of a histogram, the total of stats."""
    if element.buckets is not None:
        return (sum(count for _, count, _ in element.buckets),)
    if found := re.fullmatch(r"-?\d+(?:\.\d+)?", element.value):
        return (float(found[0]),)
    if found := re.search(r"\.total = (-?\d+)", element.value):
        return (float(found[1]),)
    return None


def _is_sorted(block: Block) -> bool:
    """Whether the elements are in the order of their values or, where those are no numbers, of their keys."""
    weights = [_weight(e) for e in block.elements]
    if all(w is not None for w in weights):
        return weights == sorted(weights)  # type: ignore[type-var]
    numbers = [_integer(e.key or "") for e in block.elements]
    if all(n is not None for n in numbers):
        return numbers == sorted(numbers)  # type: ignore[type-var]
    keys = [e.key or "" for e in block.elements]
    return keys == sorted(keys)
