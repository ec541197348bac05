"""Two tracers at work, with programs in their place that do as tracers do: when they start, are held, and end."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from pytrace.compare import runs
from pytrace.compare.runs import Plan, Runner
from pytrace.compare.tracer import HOLD
from pytrace.compare.versions import NOTIFICATION

TRACER = f"""
import os, select, signal, sys, time
name, seconds, log = sys.argv[1], float(sys.argv[2]), sys.argv[3]
def say(what):
    with open(log, "a") as f: f.write(name + " " + what + "\\n")
stopped = []
signal.signal(signal.SIGINT, lambda *_: stopped.append(1))
heard = []
if "hard" in name: signal.signal(signal.SIGINT, lambda *_: (stopped if heard else heard).append(1))
if "deaf" in name: signal.signal(signal.SIGINT, signal.SIG_IGN)
if "{HOLD}" in os.environ:
    fd = int(os.environ["{HOLD}"])
    say("ready"); os.write(fd, b"."); os.read(fd, 1)
if "refuses" in name:
    print("ERROR: no", file=sys.stderr); sys.exit(3)
say("attached"); print("{NOTIFICATION}", flush=True); print("of " + name, flush=True)
end = time.monotonic() + seconds
waits = select.epoll()
while time.monotonic() < end and not stopped: waits.poll(0.1)
say("ends"); print("end", flush=True)
"""


def command(name: str, seconds: float, folder: Path) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", TRACER, name, str(seconds), str(folder / "log")]


def log(folder: Path) -> list[str]:
    return (folder / "log").read_text().splitlines()


def test_in_turn(tmp_path: Path) -> None:
    pair = Runner(Plan(together=False)).run(command("one", 0.05, tmp_path), command("two", 0.05, tmp_path))
    assert log(tmp_path) == ["one attached", "one ends", "two attached", "two ends"]
    assert pair.both is None and not pair.stuck and (pair.reference.status, pair.own.status) == (0, 0)
    for run, name in ((pair.reference, "one"), (pair.own, "two")):
        assert run.out == f"{NOTIFICATION}\nof {name}\nend\n" and not run.interrupted
        assert run.attach_seconds and 0 < run.attach_seconds < run.ended - run.started
        assert run.pids[0] < run.pids[1] and run.cpu_seconds > 0 and run.peak_bytes > 1 << 20
    assert pair.reference.ended <= pair.own.started
    assert pair.own.arrival[-1][0] == len(pair.own.out)


def test_at_the_same_time_pytrace_waits_for_bpftrace(tmp_path: Path) -> None:
    workload = f"echo workload >> {tmp_path}/log"
    pair = Runner(Plan(True, workload=workload)).run(command("one", 60, tmp_path), command("two", 60, tmp_path))
    assert log(tmp_path)[:4] == ["two ready", "one attached", "two attached", "workload"]
    assert sorted(log(tmp_path)[4:]) == ["one ends", "two ends"]
    assert pair.reference.interrupted and pair.own.interrupted and pair.both
    assert pair.reference.attached and pair.own.attached and pair.both[1] >= pair.both[0] >= pair.own.attached
    assert pair.own.attach_seconds and pair.own.attach_seconds < pair.own.attached - pair.own.started


def test_a_duration(tmp_path: Path) -> None:
    pair = Runner(Plan(True, duration=0.1)).run(command("one", 60, tmp_path), command("two", 60, tmp_path))
    assert pair.both and 0.1 <= pair.both[1] - pair.both[0] < 20 and pair.own.interrupted
    pair = Runner(Plan(False, duration=0.1)).run(command("one", 60, tmp_path), command("two", 0, tmp_path))
    assert pair.reference.interrupted and not pair.own.interrupted


def test_a_workload_that_takes_longer_is_ended(tmp_path: Path) -> None:
    workload = f"(sleep 300; echo >> {tmp_path}/log) & echo $! >> {tmp_path}/log; wait"
    plan = Plan(True, duration=0.3, workload=workload)
    Runner(plan).run(command("one", 60, tmp_path), command("two", 60, tmp_path))
    child = next(line for line in log(tmp_path) if line.isdecimal())
    for _ in range(200):
        if not Path(f"/proc/{child}").exists() or " Z " in Path(f"/proc/{child}/stat").read_text():
            break
        time.sleep(0.01)
    else:
        raise AssertionError("it still runs")


def test_who_ends_by_itself_ends_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "_GRACE", 0.1)
    pair = Runner(Plan(True)).run(command("one", 0.05, tmp_path), command("two", 60, tmp_path))
    assert not pair.reference.interrupted and pair.own.interrupted and pair.own.status == 0


def test_who_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "_END", 0.2)
    pair = Runner(Plan(True, duration=0.05)).run(command("deaf", 60, tmp_path), command("two", 60, tmp_path))
    assert pair.stuck == ("bpftrace",) and pair.reference.status == -9 and pair.own.status == 0


def test_who_overhears_ctrl_c_hears_it_again(tmp_path: Path) -> None:
    plan = Plan(True, duration=0.05, insist=True)
    pair = Runner(plan).run(command("hard of hearing", 60, tmp_path), command("two", 60, tmp_path))
    assert not pair.stuck and (pair.reference.status, pair.own.status) == (0, 0)


@pytest.mark.parametrize("together", [True, False])
def test_who_refuses(together: bool, tmp_path: Path) -> None:
    began = time.monotonic()
    pair = Runner(Plan(together, duration=0.05)).run(command("refuses", 60, tmp_path), command("two", 60, tmp_path))
    assert pair.reference.attached is None and pair.reference.attach_seconds is None
    assert pair.own.attached is not None
    assert (pair.reference.status, pair.reference.err) == (3, "ERROR: no\n") and time.monotonic() - began < 30


def test_what_cannot_be_started(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        Runner(Plan(True)).run([str(tmp_path / "missing")], command("two", 60, tmp_path))
