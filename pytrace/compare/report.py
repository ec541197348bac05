"""The report: the verdict, what differs side by side, what was set aside, and what either side has cost.

Place in the pipeline: the end of `compare`.  In: a `Comparison`.  Out: text, or a dictionary for JSON.  What a newcomer
would get wrong: what was set aside is printed too, with examples, so that a reader can see what was not counted.
"""

from __future__ import annotations

from statistics import median

from pytrace.compare.tracer import Ended
from pytrace.compare.verdict import DIFFERENT, Held, Verdict
from pytrace.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FIRST = 3
_WIDTH = 56
_FORM = 1
"""Of the JSON report."""


@record
class Cost:
    """Of one side, over all runs: medians, and the sum of events lost."""

    attach_seconds: float | None
    lost: int
    cpu_seconds: float
    peak_bytes: int


@record
class Comparison:
    """All that is reported.  `titles`: of both tracers; `how`: how they ran; `remarks`: what to know besides."""

    titles: tuple[str, str]
    paths: tuple[str, str]
    how: str
    verdict: Verdict
    costs: tuple[Cost, Cost]
    remarks: tuple[str, ...] = ()

    @property
    def status(self) -> int:
        """The command's exit status."""
        return 1 if self.verdict.word == DIFFERENT else 0


def cost(runs: list[Ended], lost: int) -> Cost:
    """What the runs of one side have cost."""
    attach = [run.attach_seconds for run in runs if run.attach_seconds is not None]
    cpu, peak = median(run.cpu_seconds for run in runs), median(run.peak_bytes for run in runs)
    return Cost(median(attach) if attach else None, lost, cpu, int(peak))


def text(comparison: Comparison, show_all: bool = False) -> str:
    """The report for people, each character a byte."""
    verdict = comparison.verdict
    lines = [f"{comparison.titles[0]} ({comparison.paths[0]}) and {comparison.titles[1]}, {comparison.how}", ""]
    lines.append(verdict.word)
    shown = verdict.holds if show_all else verdict.holds[:_FIRST]
    for held in shown:
        lines += _difference(held, verdict.runs, comparison.titles)
    more = len(verdict.holds) - len(shown)
    lines += [f"  and {more} more place{'s' * (more > 1)}: --all shows them"] if more else []
    lines += _hint(verdict)
    lines += _list("differed only in some runs:", verdict.passing, verdict.runs, show_all)
    lines += _list("within the tolerance:", verdict.within, verdict.runs, show_all)
    if verdict.aside:
        lines.append("  set aside:")
        lines += [f"    {reason}: {count}{_examples(examples)}" for reason, (count, examples) in verdict.aside.items()]
    lines += [f"  note: {remark}" for remark in comparison.remarks]
    return "\n".join([*lines, "", *_costs(comparison)]) + "\n"


def _examples(examples: tuple[str, ...]) -> str:
    shown = ", ".join(" ".join(example.split())[:_WIDTH] for example in examples)
    return f" ({shown})" if shown else ""


def _difference(held: Held, runs: int, titles: tuple[str, str]) -> list[str]:
    """A place, and the lines of both sides beside each other."""
    often = f", in {held.runs} of {runs} runs" if runs > 1 else ""
    finding = held.finding
    sides = [[_cut(line) for line in side.split("\n")] or [""] for side in (finding.reference, finding.own)]
    height = max(map(len, sides))
    rows = [[*side, *[""] * (height - len(side))] for side in sides]
    width = max(len(line) for line in [titles[0], *rows[0]])
    lines = [f"  {finding.place}{often}", f"    {titles[0]:<{width}} | {titles[1]}".rstrip()]
    return lines + [f"    {a:<{width}} | {b}".rstrip() for a, b in zip(*rows, strict=True)]


def _cut(line: str) -> str:
    line = line.replace("\t", "        ")
    return line if len(line) <= 2 * _WIDTH else line[: 2 * _WIDTH - 3] + "..."


def _hint(verdict: Verdict) -> list[str]:
    """The tolerance with which all would be equal, if there is one."""
    needed = [held.finding.percent for held in verdict.holds]
    worst = max((n for n in needed if n is not None), default=0.0)
    if not verdict.holds or None in needed or worst >= 50:
        return []
    return [f"  the numbers differ by at most {worst:.2g} %: with --tolerance {int(worst) + 1}% this is equal"]


def _list(title: str, found: tuple[Held, ...], runs: int, show_all: bool) -> list[str]:
    if not found:
        return []
    lines = [f"  {title}"]
    for held in found if show_all else found[:_FIRST]:
        one, two = (
            side.strip().split("\n")[-1][:_WIDTH] or "nothing" for side in (held.finding.reference, held.finding.own)
        )
        often = f", {held.runs} of {runs} runs" if runs > 1 else ""
        lines.append(f"    {held.finding.place}{often}: {one} | {two}")
    more = len(found) - len(lines) + 1
    return [*lines, f"    and {more} more"] if more else lines


def _costs(comparison: Comparison) -> list[str]:
    one, two = comparison.costs
    rows = [
        ("", comparison.titles[0].split()[0], comparison.titles[1].split()[0]),
        ("attached after", *(_milliseconds(c.attach_seconds) for c in (one, two))),
        ("events lost", str(one.lost), str(two.lost)),
        ("CPU time", *(_milliseconds(c.cpu_seconds) for c in (one, two))),
        ("peak memory", *(f"{c.peak_bytes / (1 << 20):.0f} MiB" for c in (one, two))),
    ]
    return [f"{title:<16}{a:>12}{b:>12}" for title, a, b in rows]


def _text(raw: str) -> str:
    """A text whose characters are bytes, as UTF-8 if that is what they are."""
    return raw.encode("latin-1", "backslashreplace").decode("utf-8", "backslashreplace")


def _milliseconds(seconds: float | None) -> str:
    return "never" if seconds is None else f"{1000 * seconds:.0f} ms"


def as_dictionary(comparison: Comparison) -> dict[str, Any]:
    """The report for programs; docs/compare.md describes it."""
    verdict = comparison.verdict

    def places(found: tuple[Held, ...]) -> list[dict[str, Any]]:
        return [
            {
                "place": _text(held.finding.place),
                "runs": held.runs,
                "first_run": held.first,
                "reference": _text(held.finding.reference),
                "pytrace": _text(held.finding.own),
                "percent": held.finding.percent,
            }
            for held in found
        ]

    def side(n: int) -> dict[str, Any]:
        found = comparison.costs[n]
        return {
            "title": comparison.titles[n],
            "path": _text(comparison.paths[n]),
            "attach_seconds": found.attach_seconds,
            "events_lost": found.lost,
            "cpu_seconds": found.cpu_seconds,
            "peak_bytes": found.peak_bytes,
        }

    return {
        "form": _FORM,
        "verdict": verdict.word,
        "status": comparison.status,
        "how": comparison.how,
        "runs": verdict.runs,
        "different": places(verdict.holds),
        "different_in_some_runs": places(verdict.passing),
        "within_tolerance": places(verdict.within),
        "set_aside": {
            reason: {"count": n, "examples": [_text(x) for x in e]} for reason, (n, e) in verdict.aside.items()
        },
        "remarks": [_text(remark) for remark in comparison.remarks],
        "reference": side(0),
        "pytrace": side(1),
    }
