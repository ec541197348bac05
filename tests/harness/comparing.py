"""Judge two runs that a test has made as `pytrace compare` judges its own, and run that command quickly.

In: what tests/harness/process.py knows of the runs.  Out: the product's verdict.  What a newcomer would get wrong: the
code that decides is the product's (`pytrace/compare`); what is here only hands it the facts.
"""

from __future__ import annotations

import re

from pytrace.compare import report
from pytrace.compare.arguments import Request
from pytrace.compare.command import outcome_of
from pytrace.compare.runs import Pair
from pytrace.compare.tolerance import Tolerance, parse
from pytrace.compare.tracer import Ended
from pytrace.compare.verdict import DIFFERENT, Verdict, judge
from pytrace.compare.versions import Reference
from tests.harness.datafile import Case
from tests.harness.process import Finished

CURRENT = Reference("bpftrace", "bpftrace v0.27.1", (0, 27, 1))
UNCOUNTED = frozenset("numbers offsets bars json-buckets stacks frames uniq head first-line any".split())
"""Names of tests/harness/normalise.py that say of numbers or of lines that they are chance."""


def ended(done: Finished) -> Ended:
    """A run as the product knows it.  It counts as attached if it says so, or has not failed."""
    attached = done.status == 0 or re.search(r"(?m)^Attached \d+ probe|attached_probes", done.stderr + done.stdout)
    end = done.began + done.seconds
    return Ended(
        out=done.stdout, err=done.stderr, arrival=(), status=done.status, pid=done.pid, comm="", pids=done.pids,
        started=done.began, ended=end, attached=end if attached else None, attach_seconds=None, cpu_seconds=0.0,
        peak_bytes=0, interrupted=False,
    )  # fmt: skip


def verdict(
    expected: Finished, found: Finished, near: str = "", form: str = "text", reference: Reference = CURRENT
) -> Verdict:
    """What `pytrace compare` would say of these two, with `--tolerance near`."""
    asked = Request(compared=form, tolerance=Tolerance(parse(near) if near else ()))
    pair = Pair(ended(expected), ended(found), None)
    return judge([outcome_of(pair, reference, asked, [])])


def tolerance(case: Case) -> str:
    """The `--tolerance` for what a case calls chance."""
    return "any,lines=any" if UNCOUNTED & set(case.words("normalise")) else ""


def difference(case: Case, expected: Finished, found: Finished) -> str:
    """What the product finds different between two runs of a case, "" if nothing."""
    form = "json" if "-f json" in case.one("run", "") else "text"
    found_so = verdict(expected, found, tolerance(case), form)
    nothing = report.Cost(None, 0, 0.0, 0)
    comparison = report.Comparison((CURRENT.title, "pytrace"), ("", ""), "", found_so, (nothing, nothing))
    return report.text(comparison, show_all=True) if found_so.word == DIFFERENT else ""
