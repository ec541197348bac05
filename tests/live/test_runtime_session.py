"""The runtime alone on the real kernel, with programs made by hand: life cycle, attaching, losses, letting go."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from pytrace.diagnostics import KernelError, MachineError, VerifierError
from pytrace.program import GlobalSpec, MapSpec, ProbeSpec, Program
from pytrace.runtime.attach import perf, probe
from pytrace.runtime.sys import kernel
from tests.harness.assembler import Code, Row, Run, counter, program
from tests.harness.tracer import SCALE

pytestmark = [pytest.mark.feature("root"), pytest.mark.usefixtures("nothing_left_behind")]

BEGIN, END = Row("begin"), Row("end")


def tracepoint(event: str) -> Row:
    return Row(attach=lambda session, _, fd: perf.attach_tracepoint(session, "syscalls", event, fd))


def calling(function: Callable[[], object], times: int) -> Row:
    """A row that attaches to getppid and then lets this process call something, as if others did."""

    def attach_and_call(session: Any, probe: ProbeSpec, fd: int) -> Any:
        link = perf.attach_tracepoint(session, "syscalls", "sys_enter_getppid", fd)
        for _ in range(times):
            function()
        return link

    return Row(attach=attach_and_call)


def test_begin_emits_and_ends_by_itself() -> None:
    made = program([Code().emit(0, 42).leave().spec("raw_tracepoint")], [ProbeSpec("b", "begin", 0, {})], events=1)
    run = Run(made, {"b": BEGIN})
    assert run() == 0
    assert run.records == [(0, 42)]
    assert run.output.log == ["begin", ("attached", 1), "end"]


def test_order_of_a_run() -> None:
    codes = [Code().emit(0, n).leave().spec("raw_tracepoint") for n in (1, 2, 3)]
    codes.append(Code().count().leave().spec("tracepoint"))
    probes = [
        ProbeSpec("e", "end", 2, {}), ProbeSpec("b", "begin", 0, {}), ProbeSpec("b", "begin", 1, {}),
        ProbeSpec("t", "tracepoint:syscalls:sys_enter_getppid", 3, {}),
    ]  # fmt: skip
    run = Run(program(codes, probes, maps=(counter(),), events=1), {"b": BEGIN, "e": END, "t": calling(os.getppid, 5)})
    run(timeout=0)
    assert run.records == [(0, 1), (0, 2), (0, 3)]
    name, (value,) = run.output.log[-1]
    assert name == "@n" and value >= 5
    assert run.output.log[:-1] == ["begin", ("attached", 4), "end"]


def test_events_after_an_exit_are_dropped_but_end_probes_run() -> None:
    code = Code().emit(0, 1).emit(1, 300).emit(0, 2).leave()
    made = program(
        [code.spec("raw_tracepoint"), Code().emit(0, 9).leave().spec("raw_tracepoint")],
        [ProbeSpec("b", "begin", 0, {}), ProbeSpec("e", "end", 1, {})],
        events=2,
    )
    run = Run(made, {"b": BEGIN, "e": END})
    run.exits = {1}
    assert run() == 300 & 255
    assert run.records == [(0, 1), (1, 300), (0, 9)]


def test_globals_are_set_before_loading() -> None:
    code = Code().refer(1, "data", "globals", 8).put(0x79, 6, 1, 0)  # r6 = the second global
    code.refer(1, "map", "ring").move(2, 16).move(3, 0).call(131).put(0x15, 0, 0, 6)
    code.move(1, 0).put(0x7B, 0, 1, 0).put(0x7B, 0, 6, 8).copy(1, 0).move(2, 0).call(132).leave()
    made = program(
        [code.spec("raw_tracepoint")],
        [ProbeSpec("b", "begin", 0, {})],
        maps=(MapSpec("globals", "array", 4, 16, 1, 0x80),),
        rows=(GlobalSpec("start_ns", 0, "start_ns"), GlobalSpec("tracer_pid", 8, "tracer_pid")),
        events=1,
    )
    run = Run(made, {"b": BEGIN})
    run()
    assert run.records == [(0, os.getpid())]


def test_lost_events_are_counted_exactly() -> None:
    loop = Code().move(6, 5000)
    body = len(loop.data)
    loop.refer(1, "map", "ring").move(2, 16).move(3, 0).call(131).put(0x55, 0, 0, 4)
    loop.refer(1, "data", "lost").move(2, 1).put(0xDB, 1, 2, 0)  # (a shared counter will do here)
    loop.put(0x05, off=7)
    loop.data = loop.data[:body]  # written below with exact jumps
    loop.relocations.clear()
    loop.refer(1, "map", "ring").move(2, 16).move(3, 0).call(131)  # 2 + 1 + 1 + 1
    loop.put(0x15, 0, 0, 6)  # nothing reserved: go and count it
    loop.move(1, 0).put(0x7B, 0, 1, 0).copy(1, 0).move(2, 0).call(132).put(0x05, off=4)
    loop.refer(1, "data", "lost").move(2, 1).put(0xDB, 1, 2, 0)
    loop.put(0x07, 6, imm=-1)
    loop.put(0x55, 6, 0, -(len(loop.data) - body) // 8 - 1)
    made = program(
        [loop.leave().spec("raw_tracepoint")],
        [ProbeSpec("b", "begin", 0, {})],
        maps=(MapSpec("lost", "array", 4, 8, 1),),
        events=1,
    )
    run = Run(made, {"b": BEGIN})
    run()
    lost = 5000 - len(run.records)
    assert 0 < lost < 5000
    assert ("lost", lost) in run.output.log and ("total lost", lost) in run.output.log


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_the_run(number: int) -> None:
    before = signal.getsignal(number)
    made = program([Code().count().leave().spec("tracepoint")], [ProbeSpec("t", "t", 0, {})], maps=(counter(),))
    run = Run(made, {"t": tracepoint("sys_enter_getsid")})
    Timer(0.2, lambda: os.kill(os.getpid(), number)).start()
    assert run() == 0
    assert run.output.log[:3] == ["begin", ("attached", 1), "end"]
    assert signal.getsignal(number) is before


def test_sigusr1_fires_signal_probes() -> None:
    code = Code().emit(0, 7).leave().spec("raw_tracepoint")
    made = program([code], [ProbeSpec("s", "self:signal:SIGUSR1", 0, {})], events=1)
    run = Run(made, {"s": Row("signal")})
    Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGUSR1)).start()
    run(timeout=0.5)
    assert run.records == [(0, 7)]


def test_the_child_ends_the_run_and_is_seen() -> None:
    made = program([Code().count().leave().spec("tracepoint")], [ProbeSpec("t", "t", 0, {})], maps=(counter(),))
    run = Run(made, {"t": tracepoint("sys_enter_exit_group")}, command="/bin/true")
    assert run() == 0
    assert run.output.log[-1][1][0] >= 1


def test_a_child_is_terminated_with_the_run() -> None:
    made = program([Code().leave().spec("tracepoint")], [ProbeSpec("t", "t", 0, {})])
    run = Run(made, {"t": tracepoint("sys_enter_getsid")}, command="/bin/sleep 100", verbose=1)
    run(timeout=0.2)
    assert ("stderr", "Child terminated by signal: 15\n") in run.output.log


def test_a_missing_command_is_an_error() -> None:
    made = program([Code().leave().spec("tracepoint")], [ProbeSpec("t", "t", 0, {})])
    with pytest.raises(MachineError, match="Failed to fork child: Path '/no/such' does not exist") as caught:
        Run(made, {"t": tracepoint("sys_enter_getsid")}, command="/no/such x")()
    assert caught.value.exit_status == 1


def test_the_traced_process_ends_the_run() -> None:
    with subprocess.Popen(["/bin/sleep", "0.3"]) as process:
        made = program([Code().leave().spec("tracepoint")], [ProbeSpec("t", "t", 0, {})])
        assert Run(made, {"t": tracepoint("sys_enter_getsid")}, pid=process.pid)(timeout=10) == 0
        assert process.poll() is not None or process.wait(1) == 0


def test_dry_run_attaches_and_says_nothing() -> None:
    codes = [Code().emit(0, 1).leave().spec("raw_tracepoint"), Code().leave().spec("tracepoint")]
    made = program(codes, [ProbeSpec("b", "begin", 0, {}), ProbeSpec("t", "t", 1, {})], events=1)
    run = Run(made, {"b": BEGIN, "t": tracepoint("sys_enter_getsid")}, dry_run=True)
    assert run() == 0
    assert run.records == [] and run.output.log == ["begin"]


def test_a_refused_program_leaves_nothing_and_names_the_line() -> None:
    from pytrace.program import LineRow, Location

    bad = Code().put(0x79, 0, 3, 0).put(0x95)  # reads an uninitialised register
    where = Location("script.pt:2:1-8", "", "script.pt", 2, 1)
    spec = bad.spec("raw_tracepoint", "begin_1", line_info=(LineRow(0, 2, 3, "  $x = 1"),), location=where)
    good = Code().leave().spec("raw_tracepoint")
    made = program([good, spec], [ProbeSpec("b", "begin", 0, {}), ProbeSpec("b", "begin", 1, {})], maps=(counter(),))
    with pytest.raises(VerifierError, match=r"Error loading BPF program for begin_1. Error code: -13") as caught:
        Run(made, {"b": BEGIN})()
    assert caught.value.cause == "R3 !read_ok"
    assert caught.value.line is not None and caught.value.line.location == "script.pt:2:3"
    assert "R3 !read_ok" in caught.value.log


def test_what_cannot_be_attached_follows_missing_probes() -> None:
    def made(policy: str) -> Program:
        codes = [Code().leave().spec("tracepoint"), Code().leave().spec("tracepoint")]
        probes = [ProbeSpec("t", "t", 0, {}), ProbeSpec("no", "tracepoint:no:such", 1, {})]
        return program(codes, probes, missing_probes=policy)

    rows = {
        "t": tracepoint("sys_enter_getsid"),
        "no": Row(attach=lambda session, _, fd: perf.attach_tracepoint(session, "no", "such", fd)),
    }
    with pytest.raises(MachineError, match="Unable to attach probe: tracepoint:no:such"):
        Run(made("error"), rows)()
    warned = Run(made("warn"), rows)
    assert warned(timeout=0) == 0
    assert ("warning", "Unable to attach probe: tracepoint:no:such. Skipping.") in warned.output.log
    ignored = Run(made("ignore"), rows)
    assert ignored(timeout=0) == 0
    assert ignored.output.log == ["begin", ("attached", 1), "end"]


def test_timers_fire() -> None:
    codes = [Code().count("@i").leave().spec("perf_event"), Code().count("@p").leave().spec("perf_event")]
    rows = {
        "i": Row(attach=lambda session, _, fd: perf.attach_interval(session, fd, period=10_000_000)),
        "p": Row(attach=lambda session, _, fd: perf.attach_profile(session, fd, frequency=99)),
    }
    probes = [ProbeSpec("i", "interval:ms:10", 0, {}), ProbeSpec("p", "profile:hz:99", 1, {})]
    run = Run(program(codes, probes, maps=(counter("@i"), counter("@p"))), rows)
    began = time.monotonic()
    run(timeout=0.5)
    most = (time.monotonic() - began) * 100 + 5
    counts = dict(entry for entry in run.output.log if isinstance(entry, tuple) and entry[0] in ("@i", "@p"))
    assert 20 <= counts["@i"][0] <= most


C_SOURCE = """\
int first(int x) { return x + 1; }
int second(int x) { return first(x) + 1; }
int main(void) { return second(1) - 3; }
"""


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[int]]:
    """(a program, the file offsets of its functions `first` and `second`)."""
    folder: Path = tmp_path_factory.mktemp("traced")
    (folder / "p.c").write_text(C_SOURCE)
    subprocess.run(["gcc", "-O0", "-fno-pie", "-no-pie", "-o", "p", "p.c"], cwd=folder, check=True)
    names = subprocess.run(["nm", "p"], cwd=folder, check=True, capture_output=True, text=True).stdout
    address = {line.split()[2]: int(line.split()[0], 16) for line in names.splitlines() if len(line.split()) == 3}
    return str(folder / "p"), [address[name] - 0x400000 for name in ("first", "second")]


@pytest.mark.parametrize("returns", [False, True])
def test_uprobes_one_by_one(traced: tuple[str, list[int]], returns: bool) -> None:
    path, offsets = traced
    row = Row(attach=lambda session, _, fd: probe.attach_uprobe(session, fd, path, offsets[0], returns=returns))
    made = program([Code().count().leave().spec("kprobe")], [ProbeSpec("u", "u", 0, {})], maps=(counter(),))
    run = Run(made, {"u": row}, command=path)
    assert run() == 0
    assert run.output.log[-1] == ("@n", [1])


@pytest.mark.feature("uprobe_multi")
def test_uprobes_together(traced: tuple[str, list[int]]) -> None:
    path, offsets = traced
    row = Row(attach=lambda session, _, fd: probe.attach_uprobe_multi(session, fd, path, offsets))
    code = Code().count().leave().spec("kprobe", attach_type="trace_uprobe_multi")
    run = Run(program([code], [ProbeSpec("u", "u", 0, {})], maps=(counter(),)), {"u": row}, command=path)
    assert run() == 0
    assert ("attached", 2) in run.output.log and run.output.log[-1] == ("@n", [2])


def test_software_events_and_watchpoints() -> None:
    from ctypes import addressof, c_long

    from pytrace.runtime.sys import abi

    word, software = c_long(0), abi.PERF_TYPE_SOFTWARE
    rows = {
        "s": Row(attach=lambda session, _, fd: perf.attach_perf_event(session, software, 2, fd, period=1)),
        "w": Row(attach=lambda session, _, fd: perf.attach_watchpoint(session, fd, addressof(word), 8, "w")),
    }
    codes = [Code().count("@s").leave().spec("perf_event"), Code().count("@w").leave().spec("perf_event")]
    probes = [ProbeSpec("s", "software:page-faults:1", 0, {}), ProbeSpec("w", "watchpoint", 1, {})]
    run = Run(program(codes, probes, maps=(counter("@s"), counter("@w"))), rows, pid=os.getpid())

    def touch() -> None:
        word.value = 1
        bytearray(1 << 22)[:: kernel.page_size]

    Timer(0.1, touch).start()
    run(timeout=0.4)
    counts = dict(run.output.log[-2:])
    assert counts["@w"] and counts["@w"][0] >= 1


def test_a_kernel_without_kprobes_says_so() -> None:
    if os.path.exists("/sys/bus/event_source/devices/kprobe"):
        pytest.skip("missing feature no_kprobe: this kernel has kprobes")
    row = Row(attach=lambda session, _, fd: probe.attach_kprobe(session, fd, "vfs_read"))
    run = Run(program([Code().leave().spec("kprobe")], [ProbeSpec("k", "kprobe:vfs_read", 0, {})]), {"k": row})
    with pytest.raises(MachineError, match="Unable to attach probe: kprobe:vfs_read"):
        run()
    assert any("This kernel has no kprobes" in text for kind, text in run.output.log[1:])


def test_unknown_program_types_are_kernel_errors() -> None:
    made = program([Code().leave().spec("tracing", attach_type="trace_fentry")], [ProbeSpec("b", "begin", 0, {})])
    with pytest.raises((KernelError, VerifierError)):
        Run(made, {"b": BEGIN})()


def test_ctrl_c_does_not_wait_for_slow_handlers_but_end_probes_are_heard() -> None:
    from time import sleep

    codes = [Code().emit(0, 1).leave().spec("perf_event"), Code().emit(1, 2).leave().spec("raw_tracepoint")]
    row = Row(attach=lambda session, _, fd: perf.attach_interval(session, fd, period=200_000))
    made = program(codes, [ProbeSpec("i", "interval:us:200", 0, {}), ProbeSpec("e", "end", 1, {})], events=2)
    run = Run(made, {"i": row, "e": END})
    run.delay = lambda: sleep(0.005)
    Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    assert run(timeout=30 * SCALE) == 0
    assert run.records[-1] == (1, 2)
    assert run.output.log[-2][0] == "total lost"
