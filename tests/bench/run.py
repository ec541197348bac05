#!/usr/bin/env python3
"""Ratios against the reference, side by side in one run:  tests/bench/run.py [--json FILE] [--rounds N] [PART…]

PART is any of: start memory event storm list (default: all), attach and kprobes, which keep the kernel busy for
minutes, and strace.  Root, one quiet core.  It prints a table and, with --json, the numbers.  It judges nothing:
absolute times are not portable, and a busy machine moves even ratios.

- start   seconds from starting the process to its "Attached" line, median; pytrace cold (no compile cache) and warm
- memory  peak resident memory of such a run, MiB
- list    seconds of -l of everything, of one category of tracepoints, of that with fields; pytrace first (without its
          cache) and again (from what the first has found)
- event   nanoseconds per event above an empty probe's, by the kernel's own account: kernel.bpf_stats_enabled, then
          run_time_ns / run_cnt of the program in /proc/PID/fdinfo while a program of ours calls getppid() in a loop
- attach  seconds to the "Attached" line of 100 and of 1,000 uprobes, and of 500 tracepoints (once: the kernel takes
          71 ms to let go of each), by wildcard; and from the signal to the end of the process
- kprobes the same of about 250, 500 and 1,000 kernel functions (one link for all, where the kernel has kprobe_multi),
          and of about 100 with a program and an event for each; after each run no function may still be traced
- strace  by how much `find /usr -name x` becomes slower under strace -f -o and under pytrace strace -f: seconds with
          less seconds without, medians; and the whole of each run, with what the tracer itself does
- storm   two million printf events at one core's full speed: lines that arrived, and losses that were reported
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.harness import machine, process, programs  # noqa: E402

HELLO = 'begin { printf("hello\\n"); }'
PROBE = "tracepoint:syscalls:sys_enter_getppid"
PROBES = {
    "@ = count()": f"{PROBE} {{ @ = count(); }}",
    "@[comm] = count()": f"{PROBE} {{ @[comm] = count(); }}",
    "@ = hist(pid)": f"{PROBE} {{ @ = hist(pid); }}",
    "printf": f'{PROBE} {{ printf("%d\\n", pid); }}',
}
EMPTY = f"{PROBE} {{ }}"
STATS = Path("/proc/sys/kernel/bpf_stats_enabled")
STORM = 2_000_000
DEFAULT = ("start", "list", "event", "storm")


class Tool:
    """One of the two: its command and the environment that it starts with."""

    def __init__(self, name: str, command: list[str], env: dict[str, str]) -> None:
        self.name, self.command, self.env = name, command, env

    def start(self, script: str, *options: str, stdout: object = subprocess.DEVNULL) -> subprocess.Popen[bytes]:
        """Start tracing `script`; stderr is a pipe."""
        return subprocess.Popen(
            [*self.command, *options, "-e", script],
            stdin=subprocess.DEVNULL,
            stdout=stdout,  # type: ignore[call-overload]
            stderr=subprocess.PIPE,
            env=self.env,
        )


def wait_attached(child: subprocess.Popen[bytes]) -> str:
    """Read stderr up to the "Attached" line; all of it, if that never comes."""
    assert child.stderr
    seen = b""
    for line in child.stderr:
        seen += line
        if line.startswith(b"Attached "):
            return ""
    return seen.decode(errors="replace")


def started(tool: Tool, script: str) -> tuple[float, float]:
    """(seconds to "Attached", peak MiB) of one run."""
    began = time.monotonic()
    child = tool.start(script)
    trouble = wait_attached(child)
    seconds = time.monotonic() - began
    _, _, usage = os.wait4(child.pid, 0)
    child.returncode = 0
    assert child.stderr
    child.stderr.close()
    if trouble:
        raise SystemExit(f"{tool.name} did not attach:\n{trouble}")
    return seconds, usage.ru_maxrss / 1024


def listed(tool: Tool, *words: str) -> float:
    """Seconds of a listing."""
    began = time.monotonic()
    subprocess.run([*tool.command, *words], env=tool.env, capture_output=True, stdin=subprocess.DEVNULL, check=True)
    return time.monotonic() - began


def measure_list(reference: Tool, ours: Tool, rounds: int) -> dict[str, float]:
    """Medians, the three kinds taking turns."""
    found = {}
    for words in (("-l",), ("-l", "tracepoint:syscalls:*"), ("-lv", "tracepoint:syscalls:*")):
        kinds: dict[str, list[float]] = {"reference": [], "first": [], "again": []}
        listed(reference, *words), listed(ours, *words)
        for _ in range(rounds):
            kinds["reference"].append(listed(reference, *words))
            kinds["first"].append(listed(ours, "--no-cache", *words))
            kinds["again"].append(listed(ours, *words))
        for kind, seconds in kinds.items():
            found[f"list {' '.join(words)} {kind}"] = statistics.median(seconds)
        for kind in ("first", "again"):
            found[f"list {' '.join(words)} {kind} / reference"] = statistics.median(kinds[kind]) / statistics.median(
                kinds["reference"]
            )
    return found


def measure_start(reference: Tool, ours: Tool, cache: Path, rounds: int) -> dict[str, float]:
    """Medians, the three kinds of start taking turns so that a busy minute hits all alike."""
    kinds: dict[str, list[tuple[float, float]]] = {"reference": [], "cold": [], "warm": []}
    started(reference, HELLO), started(ours, HELLO)  # once for the page cache
    for _ in range(rounds):
        kinds["reference"].append(started(reference, HELLO))
        shutil.rmtree(cache, ignore_errors=True)
        kinds["cold"].append(started(ours, HELLO))
        kinds["warm"].append(started(ours, HELLO))
    found = {}
    for kind, values in kinds.items():
        found[f"start {kind} s"] = statistics.median(v[0] for v in values)
        found[f"memory {kind} MiB"] = statistics.median(v[1] for v in values)
    for kind in ("cold", "warm"):
        for what, unit in (("start", "s"), ("memory", "MiB")):
            found[f"{what} {kind} ratio"] = found[f"{what} {kind} {unit}"] / found[f"{what} reference {unit}"]
    return found


TRACEPOINTS = ",".join(
    f"tracepoint:syscalls:sys_{name}*" for name in ("enter_", "exit_s", "exit_g", "exit_f", "exit_p")
)


def attached(tool: Tool, script: str) -> tuple[float, float]:
    """Seconds to "Attached", and from SIGINT to the end."""
    began = time.monotonic()
    child = tool.start(script)
    trouble = wait_attached(child)
    seconds = time.monotonic() - began
    began = time.monotonic()
    child.send_signal(signal.SIGINT)
    child.communicate()
    if trouble:
        raise SystemExit(f"{tool.name} did not attach:\n{trouble}")
    return seconds, time.monotonic() - began


def uprobe_scripts(folder: Path) -> dict[str, str]:
    """What measure_attach measures of user space and of tracepoints."""
    functions = [f"traced_{n:04}" for n in range(1000)]
    text = "".join(f"void {name}(void) {{}}\n" for name in functions) + "int main(void) { return 0; }\n"
    (folder / "many.c").write_text(text)
    subprocess.run(["gcc", "-O0", "many.c", "-o", "many"], cwd=folder, check=True)
    return {
        "attach 100 uprobes": f"uprobe:{folder}/many:traced_00* {{ @ = count(); }}",
        "attach 1000 uprobes": f"uprobe:{folder}/many:traced_* {{ @ = count(); }}",
        "attach 500 tracepoints": f"{TRACEPOINTS} {{ @ = count(); }}",
    }


def kprobe_scripts() -> dict[str, str]:
    """What measure_attach measures of kernel functions: the wildcard that matches nearest to the number that is wanted
    (the real one stands in the name)."""
    lines = (machine.TRACING / "available_filter_functions").read_text().splitlines()
    names = {line for line in lines if line[0] != "_" and "[" not in line and ".part." not in line}
    matching = Counter(name[:length] for name in names for length in range(3, min(len(name), 12)))
    scripts = {}
    for wanted, kind, body in (
        (250, "kprobes", "@ = count();"),
        (500, "kprobes", "@ = count();"),
        (1000, "kprobes", "@ = count();"),
        (100, "kprobes one by one", "@[probe] = count();"),
    ):
        first, count = min(matching.items(), key=lambda row: (abs(row[1] - wanted), row[0]))
        scripts[f"attach {count} {kind}"] = f"kprobe:{first}* {{ {body} }}"
    return scripts


def still_traced(patience: float = 0.0) -> set[str]:
    """The functions that some tracer still has its hand on; the kernel lets go a little after the process has ended.
    None where the kernel does not tell."""
    path, end = machine.TRACING / "enabled_functions", time.monotonic() + patience
    while True:
        try:
            found = set(path.read_text().splitlines())
        except OSError:
            return set()
        if not found or time.monotonic() >= end:
            return found
        time.sleep(0.5)


def measure_attach(reference: Tool, ours: Tool, cache: Path, scripts: dict[str, str], rounds: int) -> dict[str, float]:
    """Each with an empty compile cache."""
    found = {}
    before = still_traced()
    for name, script in scripts.items():
        times: dict[str, list[tuple[float, float]]] = {"reference": [], "pytrace": []}
        for _ in range(1 if "tracepoints" in name else rounds):
            for tool in (reference, ours):
                shutil.rmtree(cache, ignore_errors=True)
                times[tool.name].append(attached(tool, script))
                if left := still_traced(0 if before else 20) - before:
                    raise SystemExit(f"{tool.name} has left behind after {name}: {sorted(left)[:5]}")
        for which, values in times.items():
            found[f"{name} {which} s"] = statistics.median(v[0] for v in values)
            found[f"{name} {which} end s"] = statistics.median(v[1] for v in values)
        found[f"{name} ratio"] = found[f"{name} pytrace s"] / found[f"{name} reference s"]
    return found


@contextlib.contextmanager
def statistics_on() -> Iterator[None]:
    """The kernel counts each program's runs and time while this lasts."""
    before = STATS.read_text()
    STATS.write_text("1")
    try:
        yield
    finally:
        STATS.write_text(before)


def account(pid: int, floor: int) -> tuple[int, int]:
    """(run_time_ns, run_cnt) of the process's busiest BPF program, which must have run `floor` times."""
    best = (0, 0)
    for info in Path(f"/proc/{pid}/fdinfo").iterdir():
        if found := re.search(r"^run_time_ns:\s*(\d+)\nrun_cnt:\s*(\d+)", info.read_text(), re.M):
            best = max(best, (int(found[1]), int(found[2])), key=lambda pair: pair[1])
    if best[1] < floor:
        raise SystemExit(f"the probe ran {best[1]} times of {floor}")
    return best


def per_event(tool: Tool, script: str, loop: Path, calls: int) -> float:
    """Nanoseconds that the kernel charges to one event of `script`."""
    child = tool.start(script)
    if trouble := wait_attached(child):
        raise SystemExit(f"{tool.name} did not attach {script}:\n{trouble}")
    try:
        subprocess.run([str(loop), str(calls)], check=True)
        spent, ran = account(child.pid, calls)
    finally:
        child.send_signal(signal.SIGINT)
        child.communicate()
    return spent / ran


def measure_event(reference: Tool, ours: Tool, loop: Path, rounds: int, calls: int = 300_000) -> dict[str, float]:
    """The least of several rounds: noise only adds."""
    found = {}
    with statistics_on():
        for tool in (reference, ours):
            empty = min(per_event(tool, EMPTY, loop, calls) for _ in range(rounds))
            found[f"event empty {tool.name} ns"] = empty
            for name, script in PROBES.items():
                cost = min(per_event(tool, script, loop, calls) for _ in range(rounds)) - empty
                found[f"event {name} {tool.name} ns"] = cost
    for name in PROBES:
        theirs, own = (found[f"event {name} {tool.name} ns"] for tool in (reference, ours))
        found[f"event {name} ratio"] = own / theirs if theirs > 0 else float("nan")
    return found


def storm(tool: Tool, loop: Path, folder: Path) -> tuple[int, int]:
    """(lines that arrived, losses reported) of STORM printf events."""
    out, err = folder / "out", folder / "err"
    script = f'{PROBE} /comm == "getppid_loop"/ {{ printf("%d\\n", pid); }}'
    with out.open("wb") as stdout, err.open("wb") as stderr:
        child = subprocess.Popen(
            [*tool.command, "-e", script, "-c", f"{loop} {STORM}"],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            env=tool.env,
        )
        child.wait(300)
    with out.open("rb") as lines:
        arrived = sum(1 for line in lines if line.strip())
    lost = re.findall(r"Total lost event count: (\d+)", err.read_text(errors="replace"))
    return arrived, sum(map(int, lost))


def measure_storm(reference: Tool, ours: Tool, loop: Path, folder: Path) -> dict[str, float]:
    found: dict[str, float] = {}
    for tool in (reference, ours):
        arrived, lost = storm(tool, loop, folder)
        found[f"storm arrived {tool.name}"] = arrived
        found[f"storm lost {tool.name}"] = lost
        found[f"storm unaccounted {tool.name}"] = STORM - arrived - lost
    return found


def measure_strace(ours: Tool, programs_: Path, folder: Path, rounds: int) -> dict[str, float]:
    """Medians; the three ways take turns."""
    note = folder / "took"
    command = [str(programs_ / "syscalls"), "time", str(note), "/usr/bin/find", "/usr", "-name", "x"]
    ways = {
        "alone": command,
        "strace": ["strace", "-f", "-o", str(folder / "theirs"), *command],
        "pytrace": [*ours.command, "-q", "-o", str(folder / "ours"), "strace", "-f", "-c", " ".join(command)],
    }
    times: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)  # once for the page cache
    for _ in range(rounds):
        for way, words in ways.items():
            began = time.monotonic()
            subprocess.run(
                words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True, env=ours.env, cwd=folder
            )
            times[way].append((int(note.read_text()) / 1e9, time.monotonic() - began))
    took, whole = ({way: statistics.median(v[i] for v in values) for way, values in times.items()} for i in (0, 1))
    found = {f"strace find {way} s": seconds for way, seconds in took.items()}
    found |= {f"strace whole run {way} s": seconds for way, seconds in whole.items()}
    for name, seconds in (("find", took), ("whole run", whole)):
        found[f"strace {name} slow-down ratio"] = (seconds["pytrace"] - seconds["alone"]) / (
            seconds["strace"] - seconds["alone"]
        )
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help="start memory event storm list attach kprobes strace")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there")
    parser.add_argument("--rounds", type=int, default=15, help="starts of each kind (default 15)")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - {*DEFAULT, "memory", "attach", "kprobes", "strace"}:
        parser.error(f"no such part: {' '.join(sorted(unknown))}")
    more = ("kprobe", "filter_functions") if "kprobes" in arguments.parts else ()
    for feature in ("root", "reference", "gcc", "tracepoint", *more):
        if why := machine.missing(feature):
            parser.error(why)
    parts = set(arguments.parts or DEFAULT)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory(prefix="pytrace-bench-") as name:
        folder = Path(name)
        loop = folder / "getppid_loop"
        if parts & {"event", "storm", "strace"}:
            programs.build(folder)
        cache = folder / "cache"
        env = process.environment()
        venv = os.environ.get("PYTRACE_VENV")
        ours_env = {**env, "XDG_CACHE_HOME": str(cache), **({"PYTRACE_VENV": venv} if venv else {})}
        reference = Tool("reference", [machine.reference()], env)
        ours = Tool("pytrace", [str(ROOT / "bin" / "pytrace")], ours_env)
        if parts & {"start", "memory"}:
            found |= measure_start(reference, ours, cache, arguments.rounds)
        if "list" in parts:
            found |= measure_list(reference, ours, arguments.rounds)
        if "event" in parts:
            found |= measure_event(reference, ours, loop, 3)
        if "attach" in parts:
            found |= measure_attach(reference, ours, cache, uprobe_scripts(folder), min(arguments.rounds, 5))
        if "kprobes" in parts:
            found |= measure_attach(reference, ours, cache, kprobe_scripts(), min(arguments.rounds, 5))
        if "strace" in parts:
            found |= measure_strace(ours, loop.parent, folder, min(arguments.rounds, 5))
        if "storm" in parts:
            found |= measure_storm(reference, ours, loop, folder)
    for name, value in found.items():
        print(f"{name:40} {value:14.3f}" if value % 1 else f"{name:40} {value:14.0f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
