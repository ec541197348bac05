"""`pytrace compare` without running anything: reading what was printed, judging it, and finding the bpftrace."""

from __future__ import annotations

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from pytrace.compare import report, versions
from pytrace.compare.arguments import OPTIONS, Request, request, usage
from pytrace.compare.chance import Chance, Facts
from pytrace.compare.comparer import Comparer
from pytrace.compare.document import Block, Line, read, read_json
from pytrace.compare.outcome import Finding, Outcome
from pytrace.compare.script import about
from pytrace.compare.tokens import tokens
from pytrace.compare.tolerance import Tolerance, parse
from pytrace.compare.verdict import judge
from pytrace.diagnostics import MachineError, UsageError
from tests.compare.record import SCRIPTS, recorded
from tests.harness import datafile
from tests.harness.comparing import verdict

RECORDED = datafile.read(SCRIPTS)
VERSIONS = ("0.17.0", "0.23.2", "0.27.1")
BAR = "@" * 52


def bucket(label: str, count: int, bar: str = BAR) -> str:
    return f"{label:<16}{count:>8} |{bar:<52}|\n"


def compared(
    one: str,
    two: str,
    *,
    tolerance: str = "",
    together: bool = False,
    version: tuple[int, ...] = (0, 27),
    begun: float = 0,
) -> Outcome:
    """Two outputs of runs whose pids were 101 to 110 and 201 to 210."""
    facts = (Facts(101, (100, 110), 1000.0, 1010.0), Facts(201, (200, 210), 1020.0, 1030.0))
    chance = Chance(facts, together, version)
    rules = Tolerance(parse(tolerance) if tolerance else ())
    at_begin = about(Request(script='begin { printf("head %d\\n", 1); }')).at_begin
    comparer = Comparer(chance, rules, blanks=version >= (0, 27), begun=begun or None, at_begin=at_begin)
    return comparer.compare(read(one, [(len(one), 1.0)]), read(two, [(len(two), 1.0)]))


def places(outcome: Outcome) -> list[str]:
    return [finding.place for finding in outcome.findings]


# ---------------------------------------------------------------- reading


def test_tokens_are_the_text() -> None:
    text = "a-5 (-3, 0x1f) 12:30:01.5 ffffffff81000000 1.50 x9 5-3\t|é"
    found = tokens(text)
    assert "".join(token.text for token in found) == text
    assert [t.text for t in found if t.kind == "number"] == ["5", "-3", "1.50", "5", "3"]
    assert [t.text for t in found if t.kind in ("address", "time")] == ["0x1f", "12:30:01.5", "ffffffff81000000"]


def test_lines_and_maps() -> None:
    text = "one\n\n@a: 5\n@b[x]: 1\n@b[y, 2]: str: with colon\n@b[x]: 2\n"
    document = read(text)
    assert document.items[:2] == (Line("one"), Line(""))
    blocks = [item for item in document.items if isinstance(item, Block)]
    assert [block.name for block in blocks] == ["@a", "@b", "@b"]
    assert [(e.key, e.value) for e in blocks[1].elements] == [("x", "1"), ("y, 2", "str: with colon")]
    assert "".join(i.text + "\n" if isinstance(i, Line) else i.text for i in document.items) == text


def test_histograms() -> None:
    document = read(
        "@h:\n" + bucket("[1]", 3) + bucket("[2, 4)", 0, "") + "\n@k[a, 1]: \n" + bucket("(..., 0)", 1) + "\nx\n"
    )
    one, two = (item for item in document.items if isinstance(item, Block))
    assert one.elements[0].buckets == (("[1]", 3, BAR), ("[2, 4)", 0, " " * 52))
    assert two.elements[0].buckets == (("(..., 0)", 1, BAR),) and document.items[-1] == Line("x")


def test_stacks_in_keys_and_values() -> None:
    text = "@k[\n        a+1\n        b+2\n, act]: 3\n@one: \n        a+1\n        b+2\n\n@u[\n    0x7f00\n]: 1\n"
    items = read(text).items
    assert [item.name for item in items if isinstance(item, Block)] == ["@k", "@one", "@u"]
    k, one, u = (item.elements[0] for item in items if isinstance(item, Block))
    assert k.key == "\n        a+1\n        b+2\n, act" and k.value == "3"
    assert one.value == "a+1\nb+2" and u.key == "\n        0x7f00\n"


def test_what_only_looks_like_a_map() -> None:
    assert all(isinstance(item, Line) for item in read("@\n@x[unclosed\nplain\n @a: 1\n").items)


def test_when_lines_came() -> None:
    items = read("one\ntwo\n@x: 1\n", [(4, 1.5), (9, 2.5), (20, 3.5)]).items
    assert [item.at for item in items] == [1.5, 2.5, 2.5]


def test_json() -> None:
    text = (
        '{"type": "attached_probes", "data": {"probes": 1}}\n{"type": "printf", "data": "hi\\n"}\n'
        '{"type": "map", "data": {"@b": {"x": 1, "y": 5}}}\n'
        '{"type": "stats", "data": {"@s": {"count": 1, "average": 2, "total": 3}}}\n'
        '{"type": "hist", "data": {"@h": [{"min": 4, "max": 7, "count": 1}]}}\nplain\n'
    )
    printed, b, s, h, plain = read_json(text).items
    assert isinstance(printed, Line) and plain == Line("plain")
    assert isinstance(b, Block) and [(e.key, e.value) for e in b.elements] == [("x", "1"), ("y", "5")]
    assert isinstance(s, Block) and s.elements[0].key is None
    assert isinstance(h, Block) and h.elements[0].buckets == (("[4, 7]", 1, ""),)


# ---------------------------------------------------------------- versions


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", RECORDED, ids=lambda case: case.name)
def test_recorded_outputs_agree(case: datafile.Case, version: str) -> None:
    """What each version printed for the same script is equal to what pytrace printed."""
    runs = recorded(case)
    reference = versions.Reference("", f"bpftrace v{version}", tuple(map(int, version.split("."))))
    form = "json" if "-f json" in case.one("run", "") else "text"
    found = verdict(runs[version], runs["pytrace"], form=form, reference=reference)
    assert found.word == "equal", found


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", RECORDED, ids=lambda case: case.name)
def test_a_changed_digit_is_found(case: datafile.Case, version: str) -> None:
    """Whatever the version: the last small number of the output, and one more."""
    runs = recorded(case)
    reference = versions.Reference("", f"bpftrace v{version}", tuple(map(int, version.split("."))))
    form = "json" if "-f json" in case.one("run", "") else "text"
    changed = re.sub(
        r"(?s)(.*[ {\[:])(\d)(?!\d)", lambda m: f"{m[1]}{(int(m[2]) + 2) % 10}", runs["pytrace"].stdout, count=1
    )
    changed = changed if changed != runs["pytrace"].stdout else changed.replace("end", "END", 1)
    assert changed != runs["pytrace"].stdout
    own = replace(runs["pytrace"], stdout=changed)
    assert verdict(runs[version], own, form=form, reference=reference).word == "different", changed


def test_old_forms_hold_for_old_versions_only() -> None:
    old, new = (
        "@b: 1\n@p: 5\n@s: count 1, average 3, total 3\n",
        "@b: true\n@p: 0x5\n@s: { .count = 1, .average = 3, .total = 3 }\n",
    )
    assert places(compared(old, new)) == ["@b", "@p", "@s"]
    assert not places(compared(versions.modern(old, (0, 17))[0], new, version=(0, 17)))
    assert places(compared("@b: 1\n", "@b: false\n", version=(0, 17))) == ["@b"]


def test_which_old_tokens_stand_for_which() -> None:
    assert not places(compared("@a: 1\n@b: -1\n@c: 0\n", "@a: true\n@b: true\n@c: false\n", version=(0, 23)))
    assert not places(compared("@a: 1\n@b: 5\n", "@a: RED\n@b: GREEN\n", version=(0, 17)))
    assert places(compared("@a: 1\n@b: 1\n", "@a: RED\n@b: GREEN\n", version=(0, 17))) == ["@b"]
    assert places(compared("@a: 1\n", "@a: RED\n", version=(0, 23))) == ["@a"]


def test_an_empty_map_of_old_versions() -> None:
    assert not places(compared("@c: 0\n", "", version=(0, 23)))
    assert places(compared("@c: 0\n", "")) == ["@c"] and places(compared("@c: 1\n", "", version=(0, 23))) == ["@c"]


def test_what_tracers_say_of_themselves() -> None:
    assert versions.output("Attaching 2 probes...\n__BPFTRACE_NOTIFY_PROBES_ATTACHED\nhi\nLost 3 events\n") == "hi\n"
    noise = "WARNING: Unknown error -1: couldn't set RLIMIT_MEMLOCK for bpftrace. If …\nAttached 2 probes\nbad\n"
    assert versions.messages(noise) == "bad\n"
    assert versions.lost("Lost 3 events\nx\nLost 4 events\n") == 7
    assert versions.lost("12 sh Lost 1 events\n") == 1  # 0.17, in the middle of what it prints
    assert versions.lost('{"type": "lost_events", "count": 3, "data": {"events": 3}}\n') == 3
    assert versions.lost("Lost 3 events\nWARNING: Total lost event count: 3\n") == 3


# ---------------------------------------------------------------- finding bpftrace


def executable(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return path


def test_pytrace_by_the_name_of_bpftrace_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "bpftrace").symlink_to(Path(__file__).parents[2] / "bin" / "pytrace")
    executable(tmp_path / "pip" / "bpftrace", "from pytrace.cli import command\n")
    real = executable(tmp_path / "real" / "bpftrace", "echo bpftrace v0.17.0-rc1\n")
    monkeypatch.setenv("PATH", os.pathsep.join(str(tmp_path / name) for name in ("own", "pip", "none", "real")))
    found = versions.find()
    assert found == versions.Reference(str(real), "bpftrace v0.17.0-rc1", (0, 17, 0))
    assert not found.is_current and not found.remark


def test_no_bpftrace_says_what_was_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bpftrace").symlink_to(Path(__file__).parents[2] / "bin" / "pytrace")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(versions, "_BESIDE_PATH", (str(tmp_path / "sbin"),))
    with pytest.raises(
        MachineError, match=f"{tmp_path}, {tmp_path}/sbin; {tmp_path}/bpftrace is pytrace itself"
    ) as raised:
        versions.find()
    assert raised.value.exit_status == 2 and "--against" in (raised.value.advice or "")


def test_other_programs_are_no_bpftrace(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="is no bpftrace"):
        versions.find(str(executable(tmp_path / "x", "echo something else\n")))
    with pytest.raises(MachineError, match=r"cannot run .*No such file"):
        versions.find(str(tmp_path / "missing"))


def test_unknown_versions_are_remarked() -> None:
    assert versions.Reference("", "bpftrace v0.30.0", (0, 30, 0)).remark and versions.Reference("", "", (0, 9)).remark


# ---------------------------------------------------------------- what may differ


def test_pids_of_two_runs() -> None:
    assert not places(compared("105 act\n106 sh\n105 act\n", "205 act\n206 sh\n205 act\n"))
    assert places(compared("105 act\n106 sh\n105 act\n", "205 act\n206 sh\n206 act\n"))  # one that is two
    assert places(compared("105 act\n", "105 act\n".replace("105", "211")))  # not given out meanwhile
    assert places(compared("105 act\n", "106 act\n", together=True))
    assert not places(compared("@[105]: 3\n@[106]: 3\n", "@[205]: 3\n@[206]: 3\n"))
    assert places(compared("@[105]: 3\n@[106]: 4\n", "@[205]: 4\n@[206]: 3\n"))


def test_bytes_and_numbers_of_any_length() -> None:
    assert not places(compared("\xc3\xa9 \xff 9" * 3000 + "\n", "\xc3\xa9 \xff 9" * 3000 + "\n"))
    assert places(compared("1" * 5000 + "\n", "2" * 5000 + "\n")) == ["line 1"]
    found = judge([compared("@[\xc3\xa9\xff]: 1\n", "@[\xc3\xa9\xff]: 2\n")])
    cost = report.Cost(None, 0, 0.0, 0)
    made = report.Comparison(("a 1", "b 1"), ("", ""), "", found, (cost, cost))
    assert "\xc3\xa9\xff" in report.text(made)
    assert report.as_dictionary(made)["different"][0]["place"] == "@[\u00e9\\xff]"


def test_numbers_that_are_pids_of_one_run_only_by_chance() -> None:
    """105 was given out as a pid in the first run, 205 in the second; what both print alike is no pid."""
    one = "sent 105\nsent 205\nsent 107\nby 104\n@[105]: 1\n@[205]: 2\n@[108]: 3\n"
    two = one.replace("104", "204").replace("108", "208")
    assert not places(compared(one, two))
    assert places(compared(one, two.replace("sent 205", "sent 300"))) == ["line 2"]


def test_pids_after_the_highest_one() -> None:
    chance = Chance((Facts(pids=(4190000, 50)), Facts(pids=(60, 70))), False, (0, 27))
    assert chance.compare("4190001 20", "61 62").same and not chance.compare("100", "61").same


def test_clocks() -> None:
    assert not places(compared("at 1005000000000\n", "at 1025000000000\n"))
    assert places(compared("at 1005000000000\n", "at 1025000000\n"))  # nanoseconds and microseconds
    assert places(compared("at 1005000000000\n", "at 1000000000\n")) == ["line 1"]
    assert not places(compared("12:30:01 2026-01-01\n", "12:31:02 2026-01-02\n"))
    assert places(compared("12:30:01\n", "12:30\n"))


def test_times_since_the_start() -> None:
    facts = (Facts(101, (0, 0), 1000.0, 1010.0, 1000.4), Facts(201, (0, 0), 999.5, 1010.0, 1000.5))
    for words, elapsed, same in (
        ((("3 /a", "473 /a"), ("15 /b", "486 /b"), ("900 /c", "1371 /c")), True, [True, True, True]),
        ((("3 /a", "473 /a"), ("15 /b", "520 /b"), ("900 /c", "1369 /c")), True, [True, False, True]),
        ((("3 /a", "473 /a"), ("900 /a", "99999999999999 /a")), True, [True, False]),
        ((("3 /a", "473 /a"),), False, [False]),
    ):
        chance = Chance(facts, True, (0, 27), elapsed=elapsed)
        assert [chance.compare(*pair).same for pair in words] == same


def test_addresses_stand_for_the_same_ones() -> None:
    assert not places(compared("0x7f0010 0x7f0020 0x7f0010\n", "0x7e0010 0x7e0020 0x7e0010\n"))
    assert places(compared("0x7f0010 0x7f0020 0x7f0010\n", "0x7e0010 0x7e0020 0x7e0020\n"))
    assert places(compared("0x10\n", "0x11\n")) and places(compared("0x7f0010\n", "0x7e0010\n", together=True))


def test_symbols_that_one_has_lost() -> None:
    one, two = "@u[\n    0x7fb3a7969829\n]: 3\n", "@u[\n    syscall+25\n]: 3\n"
    assert not places(compared(one, two)) and places(compared(one, two.replace(": 3", ": 4"))) == ["@u[0x7fb3a7969829]"]
    assert places(compared(one.replace("0x7fb3a7969829", "getpid+5"), two))
    assert places(compared("0x5\n", "name\n")) and places(compared("0xffffffff81000000\n", "name\n"))


def test_the_tracers_names_and_what_they_see_of_each_other() -> None:
    assert not places(compared("101 bpftrace\n", "201 pytrace\n"))
    assert places(compared("102 bpftrace\n", "201 pytrace\n"))
    both = compared("@[bpftrace]: 3\n@[sh]: 1\n", "@[pytrace]: 9\n@[sh]: 1\n", together=True)
    assert not places(both) and both.aside
    assert places(compared("@[bash]: 3\n", "@[sh]: 3\n", together=True)) == ["@[bash]", "@[sh]"]
    assert not places(compared("201 open\nx\n", "x\n", together=True))


def test_lines_from_before_both_were_attached() -> None:
    early, later = "opens /a\nopens /b\n", "opens /b\n"
    assert not places(compared(early, later, together=True, begun=2.0))
    assert places(compared(early, later, together=True, begun=0.5)) == ["line 1"]
    assert not places(compared("same\n" * 5, "same\n" * 3, together=True, begun=2.0))
    assert places(compared("head 5\nopens /b\n", later, together=True, begun=2.0)) == ["line 1"]  # of begin
    assert places(compared(later, early, together=True, begun=2.0)) == ["line 1"]  # ours attaches last


def test_white_space_counts_unless_numbers_move_it() -> None:
    assert places(compared("a  b\n", "a b\n"))
    assert not places(compared("    9 x\n", "   10 x\n", tolerance="20%"))
    assert places(compared("a\n\nb\n", "a\nb\n")) and not places(compared("a\n\nb\n", "a\nb\n", version=(0, 17)))
    assert places(compared("a\n\n\n@x: 1\n", "a\n\n@x: 1\n")) == ["the end"]


# ---------------------------------------------------------------- maps


def test_histograms_bucket_by_bucket() -> None:
    one = "@h:\n" + bucket("[1]", 90) + bucket("[2, 4)", 10, "@@@@@") + "\n"
    two = "@h:\n" + bucket("[1]", 89) + bucket("[2, 4)", 10, "@@@@@") + bucket("[4, 8)", 1, "") + "\n"
    found = compared(one, two).findings[0]
    assert found.place == "@h" and found.percent == 1.0
    assert found.reference.split("\n")[1:] == [f"{'[1]':<16}{90:>8}", f"{'[4, 8)':<16}{0:>8}"]
    assert compared(one, two, tolerance="1%").within and not places(compared(one, two, tolerance="1%"))
    assert places(compared(one, one.replace("@@@@@ ", "@@@@@@", 1).replace("|@@@@@", "|@@@@", 1)))  # the bars


def test_the_order_of_elements() -> None:
    assert not places(compared("@[a]: 1\n@[b]: 1\n", "@[b]: 1\n@[a]: 1\n"))
    assert not places(compared("@[a]: 1\n@[b]: 2\n", "@[b]: 1\n@[a]: 2\n", tolerance="1"))
    assert compared("@[a]: 1\n@[b]: 2\n", "@[b]: 2\n@[a]: 1\n").orders == {
        "@, the order of its keys": (("a", "b"), ("b", "a"))
    }
    assert not places(compared("@[b]: 2\n@[a]: 1\n", "@[a]: 1\n@[b]: 2\n"))  # bpftrace's own is no order


def test_the_maps_at_the_end_come_in_any_order() -> None:
    assert not places(compared("x\n\n\n@a: 1\n@b: 2\n", "x\n\n\n@b: 2\n@a: 1\n"))
    assert places(compared("@a: 1\n@b: 2\n", "@a: 1\n")) == ["@b"]


def test_tolerances() -> None:
    one, two = "@[a]: 100\n@[b]: 1000\n@c: 10\n", "@[a]: 103\n@[b]: 1031\n@c: 11\n"
    assert places(compared(one, two)) == ["@[a]", "@[b]", "@c"]
    assert places(compared(one, two, tolerance="5%")) == ["@c"]
    assert places(compared(one, two, tolerance="3")) == ["@[b]"]
    assert places(compared(one, two, tolerance="any,@[b]=1%")) == ["@[b]"]
    assert places(compared(one, two, tolerance="@=5%,@c=1")) == []
    assert compared("took 300 us\n", "took 301 us\n", tolerance="lines=1%").within
    assert places(compared("took 300 us\n", "took 301 ms\n", tolerance="any"))
    missing = "@[a]: 99\n@[b]: 1\n", "@[a]: 99\n"
    assert places(compared(*missing)) == ["@[b]"] and compared(*missing).findings[0].percent == 1.0
    assert not places(compared(*missing, tolerance="1%")) and not places(compared(*missing, tolerance="1"))


@pytest.mark.parametrize("text", ["", "x", "5%%", "@a", "@a=", "lines", "5%;3", "-1"])
def test_tolerances_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="--tolerance"):
        parse(text)


def test_lines_between_the_same_neighbours_are_shown_beside_each_other() -> None:
    found = compared("a\ngold\nb\nx 1\nonly\n", "a\nlead\nb\nx 2\n").findings
    assert [(f.place, f.reference, f.own) for f in found] == [
        ("line 2", "gold", "lead"), ("line 4", "x 1", "x 2"), ("line 5", "only", ""),
    ]  # fmt: skip
    found = compared("a\nb\nlast\n", "first\na\nb\n").findings
    assert [(f.place, f.reference, f.own) for f in found] == [("line 1", "", "first"), ("line 3", "last", "")]


def test_the_most_particular_rule_decides() -> None:
    rules = Tolerance(parse("1,@a=2,@a[k, 2]=3%,lines=any"))
    assert [rules.rule(*at).amount for at in (("@b",), ("@a",), ("@a", "k, 2"), ("lines",))] == [1, 2, 3, None]


# ---------------------------------------------------------------- several runs


def outcome(*differ: str, order: tuple[str, str] | None = None) -> Outcome:
    findings = [Finding(place, place, "1", "2", 50.0) for place in differ]
    orders = {} if order is None else {"the order of lines": (tuple(order[0]), tuple(order[1]))}
    return Outcome(findings, orders=orders)


def test_a_difference_must_hold() -> None:
    found = judge([outcome("@a", "@b"), outcome("@b"), outcome("@c", "@b")])
    assert found.word == "different" and [h.finding.place for h in found.holds] == ["@b"]
    assert [(h.finding.place, h.first, h.runs) for h in found.passing] == [("@a", 1, 1), ("@c", 3, 1)]
    assert judge([outcome("@a"), outcome()]).word == "equal"


def test_the_order_of_lines_needs_more_runs() -> None:
    same, other = outcome(order=("abc", "acb")), outcome(order=("abc", "cab"))
    assert judge([same]).word == "equal" and judge([same]).aside["the order of lines"][0] == 1
    assert judge([same, same]).holds[0].finding.place == "the order of lines, from number 2 on"
    assert judge([same, other]).word == "equal" and judge([same, outcome()]).word == "equal"
    assert judge([same], "exact").word == "different" and judge([same, same], "any").word == "equal"


# ---------------------------------------------------------------- words and reports


def test_words() -> None:
    asked = request(
        ["-c", "ls /", "--tolerance", "5%", "--tolerance=@a=1", "x.bt", "1", "-p5"[:0] or "two", "--", "--n=3"]
    )
    assert asked.words() == ["-c", "ls /", "x.bt", "1", "two", "--", "--n=3"] and not asked.together
    assert len(asked.tolerance.rules) == 2
    both = request(["-e", "begin { }", "--unsafe", "-I", "inc", "9", "--as", "json"])
    assert both.words() == ["--unsafe", "-I", "inc", "-f", "json", "-e", "begin { }", "9"] and both.together


def test_the_library() -> None:
    from pytrace import compare

    asked = compare.request(["-e", "begin { exit(); }"])
    assert isinstance(asked, compare.Request) and callable(compare.compare)
    with pytest.raises(AttributeError):
        compare.nothing  # noqa: B018


@pytest.mark.parametrize(
    "argv",
    [
        [], ["--runs", "0", "x"], ["--runs", "x", "y"], ["--duration", "-1", "x"], ["-f", "xml", "x"],
        ["--order", "up", "x"], ["-c", "a", "--workload", "b", "x"], ["-c", "a", "-p", "1", "x"], ["--nothing", "x"],
    ],
)  # fmt: skip
def test_wrong_words(argv: list[str]) -> None:
    with pytest.raises(UsageError):
        request(argv)


def test_every_option_is_explained() -> None:
    for option in OPTIONS:
        assert option.doc and option.spelling in usage()


def test_report_on_both_sides() -> None:
    one, two = compared("@a: 5\n@b: 1\nx\n", "@a: 6\n@b: 1\nx\n"), compared("105\n", "205\n")
    cost = report.Cost(0.25, 3, 0.1, 5 << 20)
    for found, word, status in ((one, "different", 1), (two, "equal", 0)):
        made = report.Comparison(("bpftrace 0.27", "pytrace 1"), ("/b", "p"), "in turn", judge([found]), (cost, cost))
        assert made.status == status and f"\n{word}\n" in report.text(made)
        assert json.loads(json.dumps(report.as_dictionary(made)))["verdict"] == word
    made = report.Comparison(("bpftrace 0.27", "pytrace 1"), ("/b", "p"), "in turn", judge([one]), (cost, cost))
    lines = [line.split("|") for line in report.text(made).splitlines() if "|" in line]
    assert [[side.strip() for side in line] for line in lines] == [["bpftrace 0.27", "pytrace 1"], ["@a: 5", "@a: 6"]]
    assert "--tolerance 17%" in report.text(made) and report.as_dictionary(made)["reference"]["events_lost"] == 3
