"""Expanding attach points on a recorded Target: names, params, and every message with its place."""

from __future__ import annotations

from typing import Any

import pytest

from pytrace.attach_points import AttachPoint
from pytrace.defs import load_registry
from pytrace.diagnostics import Diagnostics
from pytrace.grammar import ast
from pytrace.registry import Registry
from pytrace.sema.attach import AttachOptions, check_probe_limit, expand_probe, expand_probes
from pytrace.source import Source, Span
from pytrace.target import UsdtNote
from tests.unit.recorded_target import RecordedTarget


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


def probe(text: str) -> ast.Probe:
    """A probe with the attach points that `text` lists."""
    source = Source("stdin", text)
    points, at = [], 0
    for part in text.split(","):
        begin = at + len(part) - len(part.lstrip())
        points.append(ast.AttachPoint(text=part.strip(), span=Span(source, begin, begin + len(part.strip()))))
        at += len(part) + 1
    whole = Span(source, 0, len(text))
    return ast.Probe(tuple(points), None, ast.Block((), None, span=whole), span=whole)


def expand(
    registry: Registry, text: str, target: RecordedTarget | None = None, separate: bool = False, **options: Any
) -> tuple[list[AttachPoint], str]:
    diagnostics = Diagnostics()
    chosen = AttachOptions(target or RecordedTarget(), **options)
    points = expand_probe(probe(text), registry, chosen, diagnostics, wants_separate=separate)
    return points, diagnostics.render()


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("begin", ["begin"]),
        ("begin:*", ["begin"]),
        ("BEGIN", ["begin"]),
        ("x=begin", ["begin"]),
        ("self:signal:SIGUSR1", ["self:signal:SIGUSR1"]),
        ("i:10ms", ["interval:us:10000"]),
        ("interval:1s", ["interval:us:1000000"]),
        ("interval:1000", ["interval:us:1"]),
        ("i:s:1", ["interval:s:1"]),
        ("p:hz:99", ["profile:hz:99"]),
        ("s:cs", ["software:cs"]),
        ("s:page-faults:5", ["software:page-faults:5"]),
        ("h:cycles:1e6", ["hardware:cycles:1000000"]),
        ("t:sched:sched_switch", ["tracepoint:sched:sched_switch"]),
        ("t:sched_s*", ["tracepoint:sched:sched_switch"]),
        (
            "t:*:s*",
            [
                "tracepoint:sched:sched_process_exec",
                "tracepoint:sched:sched_switch",
                "tracepoint:syscalls:sys_enter_openat",
            ],
        ),
        (
            "t:sched:sched_switch, t:syscalls:*",
            ["tracepoint:sched:sched_switch", "tracepoint:syscalls:sys_enter_openat"],
        ),
        ("tracep*:sched:sched_s*", ["tracepoint:sched:sched_switch"]),
        ("rt:sched_switch", ["rawtracepoint:vmlinux:sched_switch"]),
        ("rt:vmlinux:sched_switch", ["rawtracepoint:vmlinux:sched_switch"]),
        ("u:/bin/prog:main", ["uprobe:/bin/prog:main"]),
        ("u:prog:main+4", ["uprobe:/bin/prog:main+4"]),
        ("u:/bin/prog:0x1040", ["uprobe:/bin/prog:4160"]),
        ("ur:libx:read_c", ["uretprobe:/lib/libx.so:read_c"]),
        ("u:/bin/prog:read_*", ["uprobe:/bin/prog:read_a", "uprobe:/bin/prog:read_b"]),
        ("k:vfs_read", ["kprobe:vfs_read"]),
        ("k:vfs_*", ["kprobe:vfs_open", "kprobe:vfs_read"]),
        ("kr:kvm:kvm_*", ["kretprobe:kvm:kvm_init"]),
        ("watchpoint:0x10:8:wr", ["watchpoint:16:8:rw"]),
        ("fentry:bpf:my*", ["fentry:bpf:7:my_prog"]),
        ("test:a", ["test:a"]),
    ],
)
def test_names(registry: Registry, text: str, names: list[str]) -> None:
    points, messages = expand(registry, text)
    assert messages == ""
    assert [p.name for p in points] == names


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("foo:x", "Invalid probe type: foo"),
        ("zz*:a:b", "No probe type matched for zz*"),
        ("begin:x", "begin probe type requires 0 arguments, found 1"),
        ("end:x:y", "end probe type requires 0 arguments, found 2"),
        ("self:signal", "self probe type requires 2 arguments, found 1"),
        ("self:foo:bar", "foo is not a supported trigger"),
        ("self:signal:SIGUSR2", "SIGUSR2 is not a supported signal"),
        ("interval", "interval probe type requires 1 or 2 arguments, found 0"),
        ("interval:foo:1", "foo is not an accepted unit of time"),
        ("interval:s:0", "interval frequency should be a positive integer"),
        ("interval:s:-1", "interval frequency should be a positive integer"),
        ("profile:10ns", "Invalid rate of profile probe. Minimum is 1000 or 1us. Found: 10 nanoseconds"),
        ("interval:s:x", "Invalid rate of interval probe: invalid integer: x"),
        (
            "i:$a:1",
            'invalid trailing character for positional param: a. Try quoting this entire part if this is intentional e.g. "$a".',  # noqa: E501
        ),
        ("tracepoint:sched", "tracepoint probe type requires 2 arguments, found 1"),
        ("tracepoint::", "tracepoint probe must have a target"),
        ("t:sched:nope", "No matches for tracepoint sched:nope."),
        (
            "t:sched:nope*",
            "Probe has no valid attach points. If this is expected, set the 'missing_probes' config variable to 'warn'.",  # noqa: E501
        ),
        ("rt:kvm:sched_switch", "No matches for rawtracepoint kvm:sched_switch."),
        ("software:foo", "foo is not a software probe"),
        ("software:c*", "wildcards are not allowed for software probe type"),
        ("hardware:cycles:abc", "Invalid count for hardware probe: invalid integer: abc"),
        ("uprobe:/bin/prog", "uprobe probe type requires 2 or 3 arguments, found 1"),
        ("uprobe:/bin/nope:f", "uprobe target file '/bin/nope' does not exist or is not executable"),
        ("uprobe:/bin/prog:nope", "No matches for uprobe /bin/prog:nope."),
        ("uprobe:/bin/prog:java:f", "unsupported language type: java"),
        ("uprobe:/bin/prog:main+x", "Invalid offset: invalid integer: x"),
        ("uprobe:/bin/prog:main+1+2", "Cannot take more than one offset"),
        ("uretprobe:/bin/prog:main+4", "Offset not allowed"),
        ("uprobe:/bin/*:0x1000", "Cannot use wildcards with absolute address"),
        ("uprobe:/bin/prog@a.c:1", "No DWARF debug info found for '/bin/prog', cannot attach by source code location."),
        ("kprobe:0x1234", "Probing by address requires --unsafe"),
        ("kprobe:f+", "Invalid offset"),
        ("fentry:shared", "ambiguous attach point, please specify module containing the function 'shared'"),
        ("fentry:bpf", "the 'bpf' variant of this probe requires a bpf program name and optional bpf program id"),
        ("fentry:bpf:x:y", "bpf program id must be a number or '*'"),
        ("watchpoint:0:8:w", "watchpoint must be attached to a non-zero address"),
        ("watchpoint:1:3:w", "watchpoint length must be one of (1,2,4,8)"),
        ("iter:nope", "iter nope not available for your kernel version."),
        ("iter:ta*", "iter probe type does not support wildcards"),
        ("iter:task", "No matches for iter task."),
        (
            "usdt::a:b",
            "usdt probe must specify at least path or pid to probe. To target all paths/pids set the path to '*'.",
        ),
    ],
)
def test_messages(registry: Registry, text: str, message: str) -> None:
    _, messages = expand(registry, text)
    first = messages.split("\n")[0]
    assert first == f"stdin:1:1-{len(text) + 1}: ERROR: {message}"


def test_steps_report_separately(registry: Registry) -> None:
    """What cannot be read hides what would be wrong with the rest."""
    diagnostics = Diagnostics()
    rows = [probe("interval:foo:1"), probe("interval:s:x")]
    assert expand_probes(rows, registry, AttachOptions(RecordedTarget()), diagnostics) == []
    assert [d.message for d in diagnostics] == ["Invalid rate of interval probe: invalid integer: x"]


@pytest.mark.parametrize(("missing", "severity"), [("warn", "WARNING"), ("ignore", "")])
def test_missing_probes(registry: Registry, missing: str, severity: str) -> None:
    points, messages = expand(registry, "t:sched:nope,begin", config={"missing_probes": missing})
    assert [p.name for p in points] == ["begin"]
    expected = f"stdin:1:1-13: {severity}: No matches for tracepoint sched:nope. Skipping." if severity else ""
    assert messages.split("\n")[0] == expected


def test_limits(registry: Registry) -> None:
    _, messages = expand(registry, "t:*:*", config={"max_bpf_progs": 2})
    assert "Your program is trying to generate more than 3 BPF programs" in messages
    points, _ = expand(registry, "t:*:*")
    diagnostics = Diagnostics()
    check_probe_limit(points, {"max_probes": 2}, diagnostics)
    assert diagnostics.render().startswith("ERROR: Can't attach to 3 probes because it exceeds the current limit of 2 ")


def test_probe_filter_keeps_begin(registry: Registry) -> None:
    points, _ = expand(registry, "begin,t:*:*", probe_filter="open")
    assert [p.name for p in points] == ["begin", "tracepoint:syscalls:sys_enter_openat"]


def test_tracepoint_fields(registry: Registry) -> None:
    target = RecordedTarget()
    (point,), _ = expand(registry, "t:syscalls:sys_enter_openat", target)
    assert target.asked == [], "types are looked up when args is used, not before"
    assert point.args is not None
    fields = {f.name: (str(f.type), f.offset, f.space) for f in point.args.layout.fields}
    assert fields == {
        "common_type": ("uint16", 0, "user"),
        "__syscall_nr": ("int32", 8, "user"),
        "dfd": ("uint64", 16, "user"),
        "filename": ("int8 *", 24, "user"),
        "mode": ("uint64", 40, "user"),
    }
    (point,), _ = expand(registry, "t:sched:sched_process_exec", target)
    assert point.args is not None
    by_name = {f.name: f for f in point.args.layout.fields}
    assert by_name["filename"].data_loc and str(by_name["filename"].type) == "int64"
    assert str(by_name["addr"].type) == "uint8[16]"
    assert by_name["common_type"].tag == "common"


def test_multi_links(registry: Registry) -> None:
    target = RecordedTarget(features={"uprobe_multi": True, "kprobe_multi": True})
    (point,), _ = expand(registry, "u:/bin/prog:read_*", target)
    assert (point.name, point.attach_type, point.attachments) == ("uprobe:/bin/prog:read_*", "trace_uprobe_multi", 2)
    assert point.params["functions"] == (("read_a", 0x1040), ("read_b", 0x1050))
    points, _ = expand(registry, "u:/bin/prog:read_*", target, separate=True)
    assert [p.attachments for p in points] == [1, 1]
    (point,), _ = expand(registry, "k:vfs_*", target)
    assert (point.params["functions"], point.attachments) == (("vfs_open", "vfs_read"), 2)
    points, _ = expand(registry, "k:kvm:*", target)
    assert all(not p.params["multi"] for p in points)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("u:/bin/prog:main+64", "Offset outside the function bounds ('main' size is 64)"),
        ("u:/bin/prog:main+2", "Could not add uprobe into middle of instruction: /bin/prog:main+2"),
        ("u:/bin/prog:sizeless", "Could not determine boundary for sizeless (symbol has size 0)."),
        ("u:/bin/prog:0x9000", "Could not determine instruction boundary for uprobe:/bin/prog:36864"),
        ("u:/bin/prog:main+4", ""),
    ],
)
def test_unfit_places_are_refused_when_attaching(registry: Registry, text: str, problem: str) -> None:
    (point,), messages = expand(registry, text)
    assert messages == ""
    assert point.params["problem"].startswith(problem) and bool(point.params["problem"]) == bool(problem)
    (point,), _ = expand(registry, text, unsafe=True)
    assert "instruction" not in point.params["problem"]


def test_process(registry: Registry) -> None:
    (point,), _ = expand(registry, "u:main", pid=1)
    assert point.name == "uprobe:/bin/prog:main"


def test_usdt_places(registry: Registry) -> None:
    notes = [
        UsdtNote("prov", "fire", 0x1000, 0x1000, 0x40, "-4@%edi 8@-16(%rbp)"),
        UsdtNote("prov", "fire", 0x1010, 0x1010, 0x40, "-4@%edi 8@-16(%rbp)"),
        UsdtNote("prov", "fire", 0x1020, 0x1020, 0x40, "-4@$7"),
        UsdtNote("other", "fire", 0x1030, 0x1030, 0, ""),
    ]
    target = RecordedTarget(notes={"/bin/prog": notes}, features={"uprobe_multi": True})
    points, _ = expand(registry, "usdt:/bin/prog:prov:fire", target)
    assert [p.name for p in points] == ["usdt:/bin/prog:prov:fire"] * 2
    assert points[0].params["places"] == ((0x1000, 0x40), (0x1010, 0x40))
    assert [p.attachments for p in points] == [1, 0]
    points, _ = expand(registry, "usdt:/bin/prog:fire", target)
    assert sorted({p.name for p in points}) == ["usdt:/bin/prog:other:fire", "usdt:/bin/prog:prov:fire"]


def test_unreadable_list_of_functions_warns_once(registry: Registry) -> None:
    target = RecordedTarget(traceable=None, features={"kprobe": True})
    _, messages = expand(registry, "k:vfs_read,k:vfs_open", target)
    assert messages.count("Could not read functions") == 1
    assert "is not traceable" not in messages


def test_where_there_are_no_kprobes_the_list_of_functions_is_not_spoken_of(registry: Registry) -> None:
    _, messages = expand(registry, "k:vfs_read,k:vfs_open", RecordedTarget(traceable=None))
    assert "Could not read functions" not in messages
    assert messages.count("HINT: This kernel has no kprobes") == 2


def test_same_test_name_twice(registry: Registry) -> None:
    _, messages = expand(registry, "test:a,test:a")
    lines = messages.split("\n")
    assert lines[0] == 'stdin:1:8-14: ERROR: "a" was used as the name for more than one TEST probe'
    assert lines[3] == "stdin:1:1-7: ERROR: this is the other instance"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("t:syscall:sys_enter_openat", "Did you mean tracepoint:syscalls:sys_enter_openat?"),
        ("t:sched:sched_swich", "Did you mean tracepoint:sched:sched_switch?"),
        ("t:sched:entirely_else", ""),
        ("u:/bin/prog:red_a", "Did you mean uprobe:/bin/prog:read_a?"),
        ("u:/bin/empty:f", "/bin/empty has no function symbols"),
        ("k:vfs_reed", "Did you mean kprobe:vfs_read?"),
    ],
)
def test_hints(registry: Registry, text: str, hint: str) -> None:
    target = RecordedTarget(features={"kprobe": True, "fentry": True})
    target.files["/bin/empty"] = []
    _, messages = expand(registry, text, target)
    hints = [line for line in messages.split("\n") if line.startswith("HINT: ")]
    assert bool(hints) == bool(hint)
    assert not hint or hints[0].startswith(f"HINT: {hint}")
