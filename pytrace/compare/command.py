"""`pytrace compare` from its words to its exit status, and the same for library callers.

Place in the pipeline: the top of this package; called by `cli`.  In: argv, or a `Request`.  Out: an exit status, or a
`Comparison`.  What a newcomer would get wrong: every failure to compare has the status 2, also a wrong command line,
since 1 says that the answers differ.
"""

from __future__ import annotations

import os
import re
import sys

from pytrace.compare import report, script, versions
from pytrace.compare.arguments import Request, request, usage
from pytrace.compare.chance import NAMES, Chance, Facts
from pytrace.compare.comparer import Comparer
from pytrace.compare.document import read, read_json
from pytrace.compare.outcome import Finding, Outcome
from pytrace.compare.runs import Pair, Plan, Runner
from pytrace.compare.tracer import Ended, own_command
from pytrace.compare.verdict import is_kept, judge
from pytrace.compare.versions import Reference
from pytrace.diagnostics import MachineError, PytraceError, UsageError
from pytrace.source import write

_MORE_RUNS = 3
"""How often the order of lines or keys is looked at again."""


def main(argv: list[str]) -> int:
    """The command.  Raises PytraceError, whose exit status is then 2."""
    try:
        asked = request(argv)
        if asked.wants_help:
            sys.stdout.write(usage())
            return 0
        _read_standard_input(asked)
        comparison = compare(asked)
    except UsageError as error:
        raise MachineError(str(error), advice=error.hint, exit_status=2) from None
    except PytraceError as error:
        error.exit_status = 2
        raise
    if asked.form == "json":
        import json

        sys.stdout.write(json.dumps(report.as_dictionary(comparison), indent=2) + "\n")
    else:
        write(sys.stdout, report.text(comparison, asked.show_all))
    return comparison.status


def _read_standard_input(asked: Request) -> None:
    """The script that is called `-`: both need it."""
    if asked.script is None and asked.file == "-":
        asked.script = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")


def compare(asked: Request) -> report.Comparison:
    """Run both as asked, and compare.  Raises MachineError, UsageError when that cannot be done."""
    if asked.script is None and not os.path.exists(asked.file):
        raise UsageError(f"failed to open file '{asked.file}': No such file or directory")
    from pytrace.preconditions import check_privileges

    check_privileges()
    reference = versions.find(asked.against)
    runner = Runner(Plan(asked.together, asked.duration, asked.workload, insist=not reference.is_current))
    pairs: list[Pair] = []
    outcomes: list[Outcome] = []
    remarks = [reference.remark] if reference.remark else []
    while len(pairs) < asked.runs or (asked.order == "auto" and _is_order_open(pairs, outcomes, asked)):
        try:
            pair = runner.run([reference.path, *asked.words()], [*own_command(), "--no-cache", *asked.words()])
        except OSError as error:
            raise MachineError(f"cannot run {error.filename or reference.path}: {error.strerror}") from None
        pairs.append(pair)
        outcomes.append(outcome_of(pair, reference, asked, remarks))
        if runner.stopped:
            break
    return report.Comparison(
        (reference.title.replace(" v", " "), _own_title()),
        (os.fsencode(reference.path).decode("latin-1"), "this pytrace"),
        _how(asked, len(pairs)),
        judge(outcomes, asked.order),
        (_cost([p.reference for p in pairs]), _cost([p.own for p in pairs])),
        tuple(dict.fromkeys(remarks)),
    )


def _is_order_open(pairs: list[Pair], outcomes: list[Outcome], asked: Request) -> bool:
    """Whether another run can say more about an order.  What goes on by itself does not come again."""
    if any(o.findings or not o.orders for o in outcomes) or not 0 < len(outcomes) <= _MORE_RUNS:
        return False
    repeats = asked.command or asked.workload or not any(p.own.interrupted for p in pairs)
    return bool(repeats) and (len(outcomes) == 1 or any(is_kept(place, outcomes) for place in outcomes[0].orders))


def _own_title() -> str:
    from pytrace import __version__

    return f"pytrace {__version__}"


def _how(asked: Request, runs: int) -> str:
    how = "at the same time" if asked.together else "in turn"
    return how + (f", {runs} runs" if runs > 1 else "")


def _cost(runs: list[Ended]) -> report.Cost:
    return report.cost(runs, sum(versions.lost(run.err, run.out) for run in runs))


# ---------------------------------------------------------------- one pair of runs


def outcome_of(pair: Pair, reference: Reference, asked: Request, remarks: list[str]) -> Outcome:
    """What one pair of runs shows.  Raises MachineError when one of them shows nothing."""
    if pair.stuck:
        raise MachineError(f"{' and '.join(pair.stuck)} did not end and had to be killed")
    one, two = pair.reference, pair.own
    refused = [_refusal(run) for run in (one, two)]
    if any(refused):
        return _refused(refused, one, two, reference, asked, remarks)
    told = script.about(asked)
    chance = Chance(
        (_facts(one), _facts(two)), pair.both is not None, reference.version, told.sees_events, told.elapsed
    )
    begun = pair.both[0] if pair.both and told.sees_events else None
    comparer = Comparer(chance, asked.tolerance, blanks=reference.is_current, begun=begun, at_begin=told.at_begin)
    texts = versions.output(_named(one.out, one.comm)), versions.output(_named(two.out, one.comm))
    first, forms = versions.modern(texts[0], reference.version)
    reader = read_json if asked.compared == "json" else read
    outcome = comparer.compare(reader(first, _arrival(one, texts[0])), reader(texts[1], _arrival(two, texts[1])))
    for title in forms:
        outcome.set_aside(title)
    for name, run in zip(NAMES, (one, two), strict=True):
        if lost := versions.lost(run.err, run.out):
            remarks.append(f"{name} lost {lost} events in a run: what is missing there may be among them")
    if one.status != two.status:
        outcome.findings.append(Finding("exit status", "status", str(one.status), str(two.status)))
    if one.interrupted != two.interrupted and pair.both:
        ended, other = NAMES if two.interrupted else NAMES[::-1]
        remarks.append(f"{ended} ended by itself, {other} did not and was interrupted")
    _messages(one, two, chance, reference, asked, outcome, remarks)
    return outcome


def _facts(run: Ended) -> Facts:
    return Facts(run.pid, run.pids, run.started, run.ended, run.attached or run.started)


def _named(text: str, comm: str) -> str:
    """What was printed, with bpftrace by its name also where it runs under another (that of its loader)."""
    if comm and comm not in NAMES:
        return re.sub(rf"(?<![\w-]){re.escape(comm)}(?![\w-])", NAMES[0], text)
    return text


def _arrival(run: Ended, text: str) -> list[tuple[int, float]]:
    """When what was read came, by offsets in a text that has lost some lines at its beginning."""
    cut = len(run.out) - len(text)
    return [(max(0, offset - cut), when) for offset, when in run.arrival]


def _refusal(run: Ended) -> str:
    """The first error of a tracer that never attached, "" if it did."""
    if run.attached is not None or run.interrupted:
        return ""
    said = versions.messages(run.err)
    errors = [line for line in said.splitlines() if "ERROR" in line] or said.splitlines()
    return errors[0] if errors else f"exit status {run.status}"


def _refused(
    refused: list[str], one: Ended, two: Ended, reference: Reference, asked: Request, remarks: list[str]
) -> Outcome:
    """One of them or both did not run the script."""
    outcome = Outcome()
    theirs, ours = refused
    if theirs and not reference.is_current:
        also = f"; nor does pytrace: {ours}" if ours else ""
        raise MachineError(
            f"{reference.title} does not run this script: {theirs}{also}",
            advice="scripts for pytrace are those of bpftrace 0.27; older versions know less of the language",
            exit_status=2,
        )
    if not (theirs and ours):
        first, second = (text or "runs the script" for text in refused)
        outcome.findings.append(Finding("refusal of the script", "refusal", first, second))
        return outcome
    remarks.append(f"neither of them runs the script: {theirs}")
    if one.status != two.status:
        outcome.findings.append(Finding("exit status", "status", str(one.status), str(two.status)))
    elif _anonymous(theirs) != _anonymous(ours) and asked.count_messages:
        outcome.findings.append(Finding("the first error", "refusal", theirs, ours))
    elif _anonymous(theirs) != _anonymous(ours):
        remarks.append(f"pytrace says first (not counted without --messages): {ours}")
    return outcome


def _anonymous(text: str) -> str:
    return re.sub(r"\b(?:bpftrace|pytrace)\b", "TOOL", text)


def _messages(
    one: Ended, two: Ended, chance: Chance, reference: Reference, asked: Request, outcome: Outcome, remarks: list[str]
) -> None:
    """Standard error: counted if asked for, else a remark."""
    texts = [_anonymous(versions.messages(run.err)) for run in (one, two)]
    if chance.compare(texts[0], texts[1]).same:
        return
    lines = [text.splitlines() for text in texts]
    only = [next((line for line in side if line not in other), "") for side, other in (lines, lines[::-1])]
    if asked.count_messages:
        outcome.findings.append(Finding("messages on standard error", "messages", only[0], only[1]))
    elif reference.is_current:
        who = [f"{name}: {line}" for name, line in zip(NAMES, only, strict=True) if line]
        remarks.append("messages on standard error differ (not counted without --messages); " + "; ".join(who))
