"""`-l` follows the kernel: the second run takes what the first has found, until a probe or a module comes or goes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.harness import machine, process
from tests.harness.machine import TRACING
from tests.harness.tracer import SCALE

pytestmark = pytest.mark.feature("root", "tracefs", "tracepoint")

Lines = Callable[..., list[str]]
MODULE = "sunrpc"  # with functions and tracepoints of its own


@pytest.fixture
def lines(pytrace: str, tmp_path: Path) -> Lines:
    """lines(options, pattern): what is listed, with a cache of the test's own."""

    def go(*words: str) -> list[str]:
        env = process.environment(PYTRACE_CACHE_DIR=str(tmp_path / "cache"))
        done = process.run(f"{pytrace} {' '.join(words)}", timeout=30 * SCALE, env=env)
        assert done.status == 0 and "ERROR" not in done.stderr, done.describe()
        return done.stdout.splitlines()

    return go


@pytest.fixture
def event() -> Iterator[Callable[[str], str]]:
    """event(definition) defines a uprobe event of the kernel's own kind in a group of this test's; its name."""
    group = f"pytrace_listing_{os.getpid()}"

    def define(arguments: str) -> str:
        write_event(f"p:{group}/one /bin/true:0x10 {arguments}")
        return f"{group}:one"

    yield define
    if (TRACING / "events" / group).exists():
        write_event(f"-:{group}/one")


def write_event(line: str) -> None:
    """Neither truncated, which would remove the events of others, nor sought in, which the kernel refuses."""
    fd = os.open(TRACING / "uprobe_events", os.O_WRONLY | os.O_APPEND)
    try:
        os.write(fd, f"{line}\n".encode())
    finally:
        os.close(fd)


def entries(folder: Path) -> dict[str, int]:
    """When each entry of the cache was written."""
    return {path.name: path.stat().st_mtime_ns for path in (folder / "cache").glob("*.listing")}


def test_a_second_listing_is_that_of_the_first(lines: Lines, tmp_path: Path) -> None:
    words = ("-lv", "'tracepoint:syscalls:sys_enter_open*'")
    first = lines(*words)
    written = entries(tmp_path)
    assert "    const char * filename" in first and len(written) == 1
    assert lines(*words) == first == lines("--no-cache", *words)
    assert entries(tmp_path) == written


@pytest.mark.feature("uprobe")
def test_an_event_that_comes_changes_and_goes(lines: Lines, event: Callable[[str], str]) -> None:
    words = ("-lv", f"'tracepoint:pytrace_listing_{os.getpid()}:*'")
    assert lines(*words) == []
    name = event("first=%ax:u64")
    assert lines(*words) == [f"tracepoint:{name}", "    unsigned long __probe_ip", "    u64 first"]
    write_event(f"-:{name.replace(':', '/')}")
    assert lines(*words) == []
    event("second=%ax:s32")
    assert lines(*words) == [f"tracepoint:{name}", "    unsigned long __probe_ip", "    s32 second"]


@pytest.mark.smoke
@pytest.mark.feature("module", "kprobe", "filter_functions")
def test_a_module_that_comes_and_goes(lines: Lines) -> None:
    modprobe = ["modprobe", "-d", str(machine.module_tree()), MODULE]
    patterns = [("-l", f"'tracepoint:{MODULE}:*'"), ("-l", f"'kprobe:{MODULE}:*'")]
    assert [lines(*words) for words in patterns] == [[], []]
    subprocess.run(modprobe, check=True)
    found = [lines(*words) for words in patterns]
    assert all(found) and [lines(*words) for words in patterns] == found
    subprocess.run([*modprobe, "--remove"], check=True)
    assert [lines(*words) for words in patterns] == [[], []]
