"""What one comparison has found.

Place in the pipeline: between `comparer` and `verdict`.  In and out: records.  What a newcomer would get wrong: a
finding's `identity` is what it has in common in several runs; its `place` is for people.
"""

from __future__ import annotations

from pytrace.compare.tolerance import percent
from pytrace.record import field, record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytrace.compare.chance import Found

EXAMPLES = 3
Order = tuple[tuple[str, ...], tuple[str, ...]]
LINES_ORDER = "the order of lines"


@record
class Finding:
    """A difference: where, and what stands there on either side ("" for nothing).  `percent`: the tolerance that it
    would take, None if none would do."""

    place: str
    identity: str
    reference: str
    own: str
    percent: float | None = None

    def near(self, numbers: list[tuple[float, float]]) -> Finding:
        """The same with what its numbers need, if it has any."""
        worst = max((percent(a, b) for a, b in numbers), default=None)
        return Finding(self.place, self.identity, self.reference, self.own, worst)


@record(frozen=False)
class Outcome:
    """`aside`: reason to (how often, examples); `within`: what the tolerance allowed; `orders`: of what is in another
    order (the lines, a map), what either side has in its own."""

    findings: list[Finding] = field(default_factory=list)
    within: list[Finding] = field(default_factory=list)
    aside: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)

    def set_aside(self, reason: str, example: str = "") -> None:
        count, examples = self.aside.get(reason, (0, []))
        if example and len(examples) < EXAMPLES and example not in examples:
            examples = [*examples, example]
        self.aside[reason] = (count + 1, examples)

    def take(self, found: Found) -> None:
        """Count the reasons of a comparison of two texts."""
        for reason, example in found.reasons if found.same else ():
            self.set_aside(reason, example)
