"""Processes that see other files and other numbers than the tracer does: another root, mounts, PID namespace.

What a newcomer would get wrong: a number given to `-p` is one of the tracer's own namespace, and so is what `pid`
shows, wherever the process is; `pid(init)` is the number that the machine as a whole has for it.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.live.test_stack_files import comm, family

pytestmark = [
    pytest.mark.feature("root", "uprobe", "gcc", "bcc"),
    pytest.mark.usefixtures("nothing_left_behind"),
]
SOURCE = """\
#include <sys/prctl.h>
#include <unistd.h>
__attribute__((noinline)) int probed(int n) { __asm__ volatile(""); return n + 1; }
__attribute__((noinline)) int outer(int n) { int r = probed(n); __asm__ volatile(""); return r; }
int main(void)
{
	prctl(PR_SET_NAME, "calling");
	for (alarm(40);;) {
		outer(7);
		usleep(10000);
	}
}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder to be a root, with the program in it."""
    folder = tmp_path / "root"
    folder.mkdir()
    (tmp_path / "calling.c").write_text(SOURCE)
    flags = ["-g", "-O0", "-fno-omit-frame-pointer", "-static"]
    subprocess.run(["gcc", *flags, "calling.c", "-o", "root/calling"], cwd=tmp_path, check=True)
    return folder


@contextmanager
def calling(*words: str) -> Iterator[int]:
    """A process that has come to its loop, started by the words."""
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        pid = 0
        try:
            while not pid and process.poll() is None:
                time.sleep(0.01)
                pid = next((p for p in family(process.pid) if comm(p) == "calling"), 0)
            assert pid, f"{words} did not start"
            yield pid
        finally:
            os.kill(pid or process.pid, 9)


def trace(pytrace: str, pid: int, script: str, *before: str) -> str:
    words = [*before, *pytrace.split(), "-q", "-p", str(pid), "-e", script]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


STACK = "        probed+0\n        outer+{}\n        main+{}\n"


def shown(text: str) -> str:
    """The frames of the program, without the offsets of its callers."""
    return re.sub(r"(outer|main)\+\d+", r"\1+{}", text)


@pytest.mark.parametrize("where", ["/calling:probed", "probed", "/proc/{pid}/exe:probed"])
def test_another_root(where: str, pytrace: str, root: Path) -> None:
    with calling("unshare", "-m", "chroot", str(root), "/calling") as pid:
        script = f"uprobe:{where.format(pid=pid)} {{ print((pid, tid, args.n)); print(ustack); exit(); }}"
        found = trace(pytrace, pid, script)
        assert f"({pid}, {pid}, 7)\n" in found
        assert STACK in shown(found)


@pytest.mark.parametrize("where", ["probed", "/proc/{pid}/exe:probed"])
def test_a_root_that_was_deleted(where: str, pytrace: str, root: Path) -> None:
    with calling("unshare", "-m", "chroot", str(root), "/calling") as pid:
        (root / "calling").unlink()
        root.rmdir()
        script = f"uprobe:{where.format(pid=pid)} {{ print((pid, args.n)); print(ustack); exit(); }}"
        found = trace(pytrace, pid, script)
        assert f"({pid}, 7)\n" in found
        assert STACK in shown(found)


def test_another_pid_namespace(pytrace: str, root: Path) -> None:
    """There its number is 1; the tracer knows the machine's."""
    with calling("unshare", "-p", "-f", "-m", "chroot", str(root), "/calling") as pid:
        status = Path(f"/proc/{pid}/status").read_text()
        assert re.search(r"^NSpid:\t.*\t1$", status, re.M), status
        numbers = "print((pid, tid, pid(init), tid(init)));"
        found = trace(pytrace, pid, f"uprobe:/calling:probed {{ {numbers} print(ustack); exit(); }}")
        assert f"({pid}, {pid}, {pid}, {pid})\n" in found
        assert STACK in shown(found)


def test_tracer_in_a_pid_namespace(pytrace: str, root: Path) -> None:
    """Process 2 of the namespace is traced; process 3 calls the same function."""
    program = root / "calling"
    body = "@[pid, tid] = count(); @init = pid(init) > 3; @n++; if (@n == 5) { exit(); }"
    script = f"uprobe:{program}:probed {{ {body} }}"
    inside = f"{program} & {program} & {pytrace} -q -p 2 -e '{script}'; kill %1 %2"
    words = ["unshare", "-p", "-f", "--mount-proc", "bash", "-c", inside]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout.strip().split("\n") == ["@[2, 2]: 5", "@init: true", "@n: 5"], done.stderr
