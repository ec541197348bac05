"""Runs bundled tools on activity that a test makes, and the reference's tools on the same.

In: a tool's command line and a function that does what is to be seen.  Out: the lines that the tool printed.  What a
newcomer would get wrong: the activity runs in the test's own process, after every tracer has attached, so that its pid
is known beforehand and what a tool prints about it can be counted exactly.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.harness import machine
from tests.harness.process import Finished, run
from tests.harness.tracer import SCALE

MACHINES = "RLIMIT_MEMLOCK|available_filter_functions"
"""Warnings about the machine, not about the tool."""


def traced(
    command: str,
    activity: Callable[[], object],
    *,
    settle: float = 0.3,
    interrupt: bool = True,
    warns: bool = False,
    seconds: float = 40,
) -> list[str]:
    """The lines that `command` prints while `activity` runs, without the empty ones.

    The tracer gets SIGINT `settle` seconds after the activity, unless it is to end by itself (`interrupt=False`).  It
    must not warn about the script, unless `warns`, and may take `seconds` in all.
    """
    done = finished(command, activity, settle=settle, interrupt=interrupt, seconds=seconds)
    assert not done.timed_out and done.status == 0, done.describe()
    warnings = [w for w in re.findall(r"^.*(?:WARNING|ERROR):.*$", done.stderr, re.M) if not re.search(MACHINES, w)]
    assert warns or not warnings, done.describe()
    return [line for line in done.stdout.splitlines() if line]


def finished(
    command: str,
    activity: Callable[[], object],
    *,
    settle: float = 0.3,
    interrupt: bool = True,
    seconds: float = 40,
) -> Finished:
    """As `traced`, however the command ends."""
    failures: list[Exception] = []

    def attached(pid: int) -> None:
        try:
            activity()
        except Exception as error:  # noqa: BLE001 - the tracer must be ended before the test fails
            failures.append(error)
        time.sleep(settle * min(SCALE, 5))
        if interrupt:
            os.kill(pid, signal.SIGINT)

    done = run(command, timeout=SCALE * seconds, when_attached=attached)
    if failures:
        raise failures[0]
    return done


def at_once(commands: dict[str, str], activity: Callable[[], object], *, starting: int = 2) -> dict[str, list[str]]:
    """What many tracers print about one run of `activity`, by name; so many at a time are compiled and attached."""
    turn, attached, over = threading.Semaphore(starting), threading.Semaphore(0), threading.Event()

    def trace(command: str) -> list[str]:
        def act() -> None:
            turn.release()
            attached.release()
            over.wait(SCALE * 120)

        turn.acquire()
        return traced(command, act, seconds=150)

    with ThreadPoolExecutor(len(commands)) as pool:
        tracers = {name: pool.submit(trace, command) for name, command in commands.items()}
        try:
            for _ in commands:
                while not attached.acquire(timeout=1):
                    for tracer in tracers.values():
                        if tracer.done():
                            tracer.result()  # it has failed: no use to wait
            activity()
        finally:
            over.set()
            for _ in commands:
                turn.release()
        return {name: tracer.result() for name, tracer in tracers.items()}


def together(
    ours: str, theirs: str, activity: Callable[[], object], *, warns: bool = False
) -> tuple[list[str], list[str]]:
    """What two tracers print about one run of `activity`: the second starts when the first has attached.  `warns`: also
    the first may warn about its script."""
    second: list[list[str]] = []
    first = traced(ours, lambda: second.append(traced(theirs, activity, warns=True)), warns=warns)
    return first, second[0]


def reference_tool(name: str, folder: Path | None = None, **changed: str) -> str:
    """The command that runs the reference's own tool; a skip if its package has none.

    `changed`: map names, each with the key to give it: what the tool adds up is then known by that key.
    """
    machine.need("reference")
    command = Path(machine.reference())
    for found in re.findall(r"(\S+)/usr/bin/bpftrace", command.read_text()):
        script = Path(found) / "usr" / "sbin" / f"{name}.bt"
        if script.exists() and folder:
            text = script.read_text()
            for map_, key in changed.items():
                text = text.replace(f"@{map_} =", f"@{map_}[{key}] =")
            script = folder / script.name
            script.write_text(text)
        if script.exists():
            return f"{command} {script}"
    machine.need("reference_tools")
    raise AssertionError(f"{command} has no {name}.bt")


def in_buckets(lines: list[str], title: str = "") -> int:
    """How many values the histograms in `lines` count: all of them, or only the one called `title`."""
    if title:
        start = lines.index(title) + 1
        end = next((i for i, line in enumerate(lines[start:], start) if line.startswith("@")), len(lines))
        lines = lines[start:end]
    return sum(int(found[1]) for line in lines if (found := re.match(r"[\[(].*[\])]\s+(\d+) \|", line)))


SUFFIXES = {"": 0, "K": 10, "M": 20, "G": 30}


def histogram(lines: list[str], title: str) -> dict[int, int]:
    """The histogram called `title`: the least value of each bucket that is not empty, and its count."""
    found = {}
    for line in lines[lines.index(title) + 1 :]:
        row = re.match(r"\[(\d+)([KMG]?)[,\]].*?\s(\d+) \|", line)
        if not row:
            break
        if int(row[3]):
            found[int(row[1]) << SUFFIXES[row[2]]] = int(row[3])
    return found


@contextmanager
def loop_device(folder: Path, megabytes: int = 4) -> Iterator[str]:
    """A block device over a file; its path.  It is taken away at the end."""
    machine.need("loop")
    image = folder / "disk"
    image.write_bytes(bytes(megabytes << 20))
    done = subprocess.run(["/usr/sbin/losetup", "-f", "--show", str(image)], capture_output=True, text=True, check=True)
    try:
        yield done.stdout.strip()
    finally:
        subprocess.run(["/usr/sbin/losetup", "-d", done.stdout.strip()], check=True)


@contextmanager
def ext4(folder: Path, megabytes: int = 16) -> Iterator[Path]:
    """A fresh ext4 on a loop device, mounted on a folder of its own in `folder`."""
    place = folder / "mounted"
    place.mkdir(exist_ok=True)
    with loop_device(folder, megabytes) as device:
        subprocess.run(["/usr/sbin/mkfs.ext4", "-q", device], check=True)
        subprocess.run(["/usr/bin/mount", device, place], check=True)
        try:
            yield place
        finally:
            subprocess.run(["/usr/bin/umount", place], check=True)


def direct_writes(device: str, blocks: list[int], size: int = 4096) -> None:
    """One write of `size` bytes for each number in `blocks`, past the page cache."""
    import mmap

    memory = mmap.mmap(-1, size)
    fd = os.open(device, os.O_WRONLY | os.O_DIRECT)
    try:
        for block in blocks:
            os.pwrite(fd, memory, block * size)
    finally:
        os.close(fd)
