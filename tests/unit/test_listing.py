"""`-l` on a recorded Target."""

from __future__ import annotations

import pytest

from pytrace.defs import load_registry
from pytrace.listing import list_matching, list_of_script, show
from pytrace.options import Options
from pytrace.registry import Registry
from tests.unit.recorded_target import RecordedTarget


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


@pytest.mark.parametrize(
    ("search", "lines"),
    [
        ("t:sched:*", ["tracepoint:sched:sched_process_exec", "tracepoint:sched:sched_switch"]),
        ("*openat", ["tracepoint:syscalls:sys_enter_openat"]),
        ("interval:*", ["interval:hz:", "interval:ms:", "interval:s:", "interval:us:"]),
        ("s:c*", ["software:context-switches:", "software:cpu-clock:", "software:cpu-migrations:", "software:cpu:",
                  "software:cs:"]),
        ("software:cs", []),
        ("self:*", ["self:signal:SIGUSR1"]),
        ("rt:*", ["rawtracepoint:vmlinux:sched_switch"]),
        ("u:/bin/prog:read*", ["uprobe:/bin/prog:read_a", "uprobe:/bin/prog:read_b"]),
        ("ur:prog:main", ["uretprobe:/bin/prog:main"]),
        ("k:vfs_*", ["kprobe:vfs_open", "kprobe:vfs_read"]),
        ("k:kvm:*", ["kprobe:kvm:kvm_init", "kprobe:kvm:shared"]),
        ("fentry:bpf:*", ["fentry:bpf:7:my_prog", "fentry:bpf:9:other"]),
        ("foo:*", []),
        ("t:sched:sched_s*,s:cs:", ["tracepoint:sched:sched_switch", "software:cs:"]),
        ("struct in_addr", ["struct in_addr"]),
    ],
)  # fmt: skip
def test_lines(registry: Registry, capsys: pytest.CaptureFixture[str], search: str, lines: list[str]) -> None:
    show(list_matching(search, registry, RecordedTarget(), Options()).to_plain(), Options())
    assert capsys.readouterr().out.split("\n")[:-1] == lines


def test_parameters(registry: Registry, capsys: pytest.CaptureFixture[str]) -> None:
    options = Options(verbose=1)
    show(list_matching("t:sched:sched_switch", registry, RecordedTarget(), options).to_plain(), options)
    assert capsys.readouterr().out == (
        "tracepoint:sched:sched_switch\n    char prev_comm[16]\n    pid_t prev_pid\n    long prev_state\n"
    )
    show(list_matching("rt:*", registry, RecordedTarget(), options).to_plain(), options)
    assert capsys.readouterr().out == (
        "rawtracepoint:vmlinux:sched_switch\n    bool preempt\n    struct task_struct * prev\n"
    )
    show(list_matching("u:/bin/prog:main", registry, RecordedTarget(), options).to_plain(), options)
    assert 'No DWARF found for "/bin/prog", cannot show parameter info' in capsys.readouterr().err
    show(list_matching("struct in_addr", registry, RecordedTarget(), options).to_plain(), options)
    assert capsys.readouterr().out == "vmlinux: struct in_addr {\n\t__be32 s_addr;\n};\n\n"


def test_a_missing_file_is_a_pattern(registry: Registry, capsys: pytest.CaptureFixture[str]) -> None:
    found = list_matching("nope.bt", registry, RecordedTarget(), Options()).to_plain()
    show(found, Options())
    assert capsys.readouterr().err.startswith("WARNING: It appears that 'nope.bt' is a filename but the file does not")
    show(found, Options(warning_level=0))
    assert capsys.readouterr().err == ""


def test_a_script(registry: Registry, capsys: pytest.CaptureFixture[str]) -> None:
    from pytrace.diagnostics import Diagnostics
    from pytrace.grammar.parser import parse
    from pytrace.source import Source

    diagnostics = Diagnostics()
    text = "begin {} t:sched:sched_* {} i:s:1 {} u:/bin/prog:read_* {} s:cs:1 {} u:/bin/prog:0x1040 {}"
    tree = parse(Source("stdin", text), diagnostics)
    assert list_of_script(tree, registry, RecordedTarget(), Options(), diagnostics) == 0
    assert capsys.readouterr().out.split() == [
        "tracepoint:sched:sched_process_exec",
        "tracepoint:sched:sched_switch",
        "interval:s:",
        "uprobe:/bin/prog:read_a",
        "uprobe:/bin/prog:read_b",
        "software:cs:",
        "uprobe:/bin/prog:",
    ]
