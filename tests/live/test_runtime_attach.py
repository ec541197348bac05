"""The ways of attaching that need more of the kernel than tracepoints: kprobes, tracing programs, iterators.

Programs are made by hand (tests.harness.assembler), so that only the runtime is tested.  Where CI's kernel lacks the
feature, the run in the virtual machine has it.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytrace.diagnostics import MachineError
from pytrace.program import ProbeSpec, Program
from pytrace.runtime.attach import probe, tracing
from tests.harness.assembler import Code, Row, Run, counter, program

pytestmark = [pytest.mark.feature("root"), pytest.mark.usefixtures("nothing_left_behind")]


def reads() -> None:
    with open("/proc/self/stat") as f:
        f.read()


def counting(kind: str, **more: Any) -> Program:
    code = Code().count().leave().spec(kind, **more)
    return program([code], [ProbeSpec("p", "probe", 0, {})], maps=(counter(),))


def attached(how: Any, times: int = 3) -> Row:
    """Attach with `how(session, fd)`, then read a file some times."""

    def attach_and_read(session: Any, probe: ProbeSpec, fd: int) -> Any:
        link = how(session, fd)
        for _ in range(times):
            reads()
        return link

    return Row(attach=attach_and_read)


def seen(run: Run) -> int:
    name, values = run.output.log[-1]
    assert name == "@n"
    return int(values[0])


@pytest.mark.smoke
@pytest.mark.feature("kprobe")
@pytest.mark.parametrize("returns", [False, True])
def test_kprobes_one_by_one(returns: bool) -> None:
    row = attached(lambda s, fd: probe.attach_kprobe(s, fd, "vfs_read", returns=returns))
    run = Run(counting("kprobe"), {"p": row})
    assert run(timeout=0) == 0
    assert seen(run) >= 3


@pytest.mark.feature("kprobe")
def test_a_kprobe_in_the_middle_of_an_instruction_says_so() -> None:
    row = attached(lambda s, fd: probe.attach_kprobe(s, fd, "vfs_read", offset=1))
    run = Run(counting("kprobe"), {"p": row})
    with pytest.raises(MachineError, match="Unable to attach probe"):
        run(timeout=0)
    assert any("in the middle of an instruction" in entry[1] for entry in run.output.log if entry[0] == "error")


@pytest.mark.feature("kprobe")
def test_an_unknown_function_says_so() -> None:
    row = attached(lambda s, fd: probe.attach_kprobe(s, fd, "no_such_function"))
    run = Run(counting("kprobe"), {"p": row})
    with pytest.raises(MachineError, match="Unable to attach probe"):
        run(timeout=0)
    assert any("there is no such kernel function" in entry[1] for entry in run.output.log if entry[0] == "error")


@pytest.mark.smoke
@pytest.mark.feature("kprobe_multi")
@pytest.mark.parametrize("returns", [False, True])
def test_kprobes_together(returns: bool) -> None:
    functions = ["vfs_read", "vfs_open"]
    row = attached(lambda s, fd: probe.attach_kprobe_multi(s, fd, functions, returns=returns))
    run = Run(counting("kprobe", attach_type="trace_kprobe_multi"), {"p": row})
    assert run(timeout=0) == 0
    assert ("attached", 2) in run.output.log and seen(run) >= 6


@pytest.mark.smoke
@pytest.mark.feature("kprobe_multi")
def test_a_session_link_sees_entry_and_return() -> None:
    row = attached(lambda s, fd: probe.attach_kprobe_multi(s, fd, ["vfs_open"], session_link=True))
    run = Run(counting("kprobe", attach_type="trace_kprobe_session"), {"p": row})
    try:
        run(timeout=0)
    except MachineError:
        pytest.skip("missing feature kprobe_session: Linux 6.10")
    assert seen(run) >= 6


@pytest.mark.smoke
@pytest.mark.feature("rawtracepoint")
def test_raw_tracepoints() -> None:
    row = attached(lambda s, fd: tracing.attach_raw_tracepoint(s, fd, "sys_enter"))
    run = Run(counting("raw_tracepoint"), {"p": row})
    assert run(timeout=0) == 0
    assert seen(run) >= 3


@pytest.mark.smoke
@pytest.mark.feature("fentry", "btf")
@pytest.mark.parametrize(
    ("kind", "target"), [("trace_fentry", "vfs_read"), ("trace_fexit", "vfs_read"), ("trace_raw_tp", "sys_enter")]
)
def test_tracing_programs(kind: str, target: str) -> None:
    how = tracing.attach_raw_tracepoint if kind == "trace_raw_tp" else tracing.attach_fentry
    run = Run(counting("tracing", attach_type=kind, attach_to=target), {"p": attached(how)})
    assert run(timeout=0) == 0
    assert seen(run) >= 3


@pytest.fixture
def bpf_folder(tmp_path: Path) -> Iterator[Path]:
    """A bpf file system of the test's own: not every machine has one on /sys/fs/bpf."""
    subprocess.run(["mount", "-t", "bpf", "bpf", str(tmp_path)], check=True)
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.mark.smoke
@pytest.mark.feature("iter", "btf")
def test_iterators_run_once_and_can_be_pinned(bpf_folder: Path) -> None:
    made = counting("tracing", attach_type="trace_iter", attach_to="task")
    row = Row(phase="iter", attach=lambda session, _, fd: tracing.attach_iter(session, fd))
    run = Run(made, {"p": row})
    assert run(timeout=5) == 0
    assert seen(run) > 1
    path = bpf_folder / "pin"
    row = Row(phase="iter", attach=lambda session, _, fd: tracing.attach_iter(session, fd, pin=str(path)))
    run = Run(made, {"p": row})
    run(timeout=5)
    assert run.output.data == f"Program pinned to {path}\n".encode()
    assert path.exists()
