"""Machines that lack something: each gives one clear message that says what to do, and a documented exit status.

Made of private mount namespaces and changed user ids, so that the machine itself stays as it is.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness import process
from tests.harness.machine import ROOT
from tests.harness.process import Finished
from tests.harness.tracer import SCALE

pytestmark = [
    pytest.mark.feature("root", "tracefs", "btf", "tracepoint"),
    pytest.mark.usefixtures("nothing_left_behind"),
]

Runner = Callable[..., Finished]

HELLO = 'begin { printf("hello\\n"); exit(); }'
READ = "tracepoint:syscalls:sys_enter_read { exit(); }"
TASK = "begin { print(((struct task_struct *)curtask)->pid); exit(); }"


@pytest.fixture
def run(pytrace: str, tmp_path: Path) -> Runner:
    """run(*words, mounts=…, prefix=…, NAME=…): elsewhere, and without the set-up of bin/pytrace."""
    python = sys.executable
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from pytrace.cli import command; command()"

    def go(*words: str, mounts: str = "", prefix: str = "", **env: str) -> Finished:
        inner = f"{prefix} {python} -c {shlex.quote(code)} {' '.join(map(shlex.quote, words))}"
        command = f"unshare --mount --propagation private sh -c {shlex.quote(f'{mounts} exec {inner}')}"
        return process.run(
            command, timeout=30 * SCALE, env=process.environment(**{"XDG_CACHE_HOME": str(tmp_path), **env})
        )

    return go


def refused(done: Finished, status: int, *texts: str) -> None:
    """One message, with what to do, and nothing else."""
    assert done.status == status and not done.timed_out, done.describe()
    for text in texts:
        assert text in done.stderr, done.describe()
    assert "Traceback" not in done.stderr and "BUG:" not in done.stderr, done.describe()
    assert done.stderr.count("ERROR") == 1, done.describe()


NOBODY = "setpriv --reuid 65534 --regid 65534 --clear-groups"


@pytest.mark.parametrize("words", [("-e", HELLO), ("-e", READ), ("-l", "tracepoint:*"), ("--info",)])
def test_without_root(run: Runner, words: tuple[str, ...]) -> None:
    done = run(*words, prefix=NOBODY)
    refused(done, 1, "Missing CAP_BPF capability, please run ", "as the root user")


def test_without_root_what_needs_none(run: Runner) -> None:
    assert run("--help", prefix=NOBODY).status == 0
    assert run("--version", prefix=NOBODY).stdout.startswith("bpftrace v")
    done = run("--fmt", "-e", "begin{exit()}", prefix=NOBODY)
    assert done.status == 0 and done.stdout == "begin\n{\n  exit();\n}\n", done.describe()


def test_without_one_capability(run: Runner) -> None:
    drop = "setpriv --bounding-set -perfmon,-sys_admin --inh-caps -perfmon,-sys_admin"
    done = run("-e", HELLO, prefix=drop)
    refused(done, 1, "Missing CAP_PERFMON capability")


UNMOUNT = "umount -l /sys/kernel/tracing 2>/dev/null; umount -l /sys/kernel/debug 2>/dev/null;"


def test_without_tracefs(run: Runner) -> None:
    done = run("-e", READ, mounts=UNMOUNT)
    refused(done, 1, "tracefs is not mounted", "mount -t tracefs tracefs /sys/kernel/tracing")
    done = run("-l", "tracepoint:syscalls:*", mounts=UNMOUNT)
    refused(done, 1, "mount -t tracefs tracefs /sys/kernel/tracing")


def test_what_needs_no_tracefs(run: Runner) -> None:
    done = run("-e", HELLO, mounts=UNMOUNT)
    assert done.status == 0 and done.stdout.startswith("hello\n"), done.describe()


@pytest.mark.parametrize("way", ["masked", "absent", "damaged"])
def test_without_btf(run: Runner, tmp_path: Path, way: str) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    damaged = tmp_path / "damaged"
    damaged.write_bytes(b"\x9f\xeb\x01\x00" + bytes(20))
    mounts = f"mount --bind {empty} /sys/kernel/btf;" if way == "masked" else ""
    env = {"absent": {"BPFTRACE_BTF": "/no/such/file"}, "damaged": {"BPFTRACE_BTF": str(damaged)}}.get(way, {})
    done = run("-e", TASK, mounts=mounts, **env)
    refused(done, 1, "Cannot resolve unknown type", "HINT: No BTF could be read", "CONFIG_DEBUG_INFO_BTF")
    done = run("-e", "rawtracepoint:sched_switch { print(args.preempt); }", mounts=mounts, **env)
    refused(done, 1, "require kernel BTF")
    done = run("-e", "iter:task { exit(); }", mounts=mounts, **env)
    refused(done, 1, "This kernel has no BTF")
    done = run("-e", "fentry:vfs_read { exit(); }", mounts=mounts, **env)
    refused(done, 1, "This kernel")  # "has no BTF", or where that would not help, "does not allow fentry"
    for script in (HELLO, "interval:ms:10 { @ = count(); @t[comm] = hist(nsecs); exit(); }", READ):
        done = run("-e", script, mounts=mounts, **env)
        assert done.status == 0, done.describe()


def test_lockdown(run: Runner, tmp_path: Path) -> None:
    """A kernel that keeps BPF from its memory says so in this file."""
    for mode, status in (("none [integrity] confidentiality", 0), ("none integrity [confidentiality]", 1)):
        (tmp_path / "lockdown").write_text(mode + "\n")
        mounts = f"mount -t tmpfs none /sys/kernel/security && cp {tmp_path}/lockdown /sys/kernel/security/;"
        done = run("-e", HELLO, mounts=mounts)
        assert done.status == status, done.describe()
        if status:
            refused(done, 1, "Kernel lockdown is enabled", "HINT: boot with")


def test_without_libraries(run: Runner, tmp_path: Path) -> None:
    """bcc and libbpf are Debian packages that may be missing: what does not need them goes on."""
    mounts = "for f in /usr/lib/x86_64-linux-gnu/libbcc.so.0 /usr/lib/x86_64-linux-gnu/libbpf.so.1; do"
    mounts += ' mount --bind /dev/null "$(readlink -f $f)"; done;'
    done = run("-e", HELLO, mounts=mounts)
    assert done.status == 0 and "Traceback" not in done.stderr and "BUG:" not in done.stderr, done.describe()
    done = run("-e", "begin { print(kstack); exit(); }", mounts=mounts)
    assert done.status == 0 and "Traceback" not in done.stderr and "BUG:" not in done.stderr, done.describe()


def test_read_only_home(run: Runner) -> None:
    """No place for the cache: compiled each time, without a word."""
    done = run("-e", HELLO, XDG_CACHE_HOME="/proc/nowhere", HOME="/proc/nowhere")
    assert done.status == 0 and "cache" not in done.stderr, done.describe()
