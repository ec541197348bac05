"""Names in user stacks, wherever the symbols are: in the file, beside it, in another root, deleted, generated."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.harness.tracer import SCALE

pytestmark = [
    pytest.mark.feature("root", "perf_software", "gcc", "bcc"),
    pytest.mark.usefixtures("nothing_left_behind"),
]
SOURCE = """\
#include <sys/prctl.h>
#include <unistd.h>
volatile unsigned long sink;
__attribute__((noinline)) static void hot(void)
{
	for (unsigned long i = 0; i < 20000; i++)
		sink += i;
}
__attribute__((noinline)) void warm(void) { hot(); hot(); __asm__ volatile(""); }
int main(void)
{
	prctl(PR_SET_NAME, "spinning"); /* from here on it calls nothing but what is above */
	for (alarm(20);;)
		warm();
}
"""
FLAGS = ["-O0", "-fno-omit-frame-pointer"]

# As rpmbuild makes it: what .dynsym does not have, in an ELF file, compressed by xz.
MINI = """\
nm -D prog --format=posix --defined-only | awk '{print $1}' | sort >dynamic
nm prog --format=posix --defined-only | awk '$2 ~ /[TtD]/ {print $1}' | sort >functions
comm -13 dynamic functions >keep
objcopy --only-keep-debug prog full
objcopy -S --remove-section .comment --keep-symbols=keep full mini
strip prog && xz mini && objcopy --add-section .gnu_debugdata=mini.xz prog"""
SEPARATE = "objcopy --only-keep-debug prog prog.debug; strip prog; objcopy --add-gnu-debuglink=prog.debug prog"
BUILDS = {
    "position-independent": ([], ""),
    "fixed addresses": (["-no-pie"], ""),
    "static": (["-static"], ""),
    "symbols in a separate file": ([], SEPARATE),
    "MiniDebugInfo": ([], MINI),
}


def build(folder: Path, flags: list[str], then: str) -> Path:
    (folder / "prog.c").write_text(SOURCE)
    subprocess.run(["gcc", *FLAGS, *flags, "prog.c", "-o", "prog"], cwd=folder, check=True)
    subprocess.run(["sh", "-ec", then], cwd=folder, check=True)
    return folder / "prog"


@contextmanager
def running(*words: str, name: str = "spinning") -> Iterator[int]:
    """A process; the number is that of what the words run in the end, once it has taken the name.

    Before it has, it may be in the dynamic linker, on a loaded machine for long."""
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        pid = process.pid
        for _ in range(300):
            pid = next((p for p in family(process.pid) if comm(p) == name), 0)
            if pid:
                break
            time.sleep(0.01)
        try:
            assert pid, f"{words} did not start"
            yield pid
        finally:
            os.kill(pid or process.pid, 9)


def family(pid: int) -> Iterator[int]:
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return
    for child in children:
        yield from family(int(child))


def comm(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def stack(pytrace: str, pid: int, ends: bool = False) -> list[str]:
    """The functions of the stack of a process, innermost first; `ends`: shown when the process is gone."""
    script = "profile:hz:99 { @[ustack(perf, 3)] = count(); @n++; if (@n == 5) { signal(9); exit(); } }"
    if not ends:
        script = "profile:hz:99 { print(ustack(perf, 3)); exit(); }"
    words = [*pytrace.split(), "-q", "--unsafe", "-p", str(pid), "-e", script]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60 * SCALE, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return re.findall(r"^\t[0-9a-f]+ (.+?)(?:\+\d+)? \(", done.stdout, re.M)[:3]


@pytest.mark.parametrize("ends", [False, True], ids=["living", "ended"])
@pytest.mark.parametrize("how", BUILDS)
def test_symbols(how: str, ends: bool, pytrace: str, tmp_path: Path) -> None:
    program = build(tmp_path, *BUILDS[how])
    with running(str(program)) as pid:
        assert stack(pytrace, pid, ends)[:3] in (["hot", "warm", "main"], ["warm", "main", "__libc_start_call_main"])


CLOCK = """\
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>
int main(void)
{
	struct timespec now;
	prctl(PR_SET_NAME, "spinning");
	for (alarm(20);;)
		clock_gettime(CLOCK_MONOTONIC, &now);
}
"""


@pytest.mark.parametrize("ends", [False, True], ids=["living", "ended"])
def test_library_of_the_kernel(ends: bool, pytrace: str, tmp_path: Path) -> None:
    """Most of the time is spent in the vDSO, which is in no file."""
    (tmp_path / "prog.c").write_text(CLOCK)
    subprocess.run(["gcc", *FLAGS, "prog.c", "-o", "prog"], cwd=tmp_path, check=True)
    end = "signal(9); exit();" if ends else "exit();"
    script = f"profile:hz:99 {{ @[ustack(perf, 2)] = count(); @n++; if (@n == 20) {{ {end} }} }}"
    with running(str(tmp_path / "prog")) as pid:
        words = [*pytrace.split(), "-q", "--unsafe", "-p", str(pid), "-e", script]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    named = re.findall(r"^\t([0-9a-f]+) clock_gettime\+\d+ \(\[vdso\]\)$", done.stdout, re.M)
    assert named, done.stdout
    for address in re.findall(r"^\t([0-9a-f]+) \w+ \(\[unknown\]\)$", done.stdout, re.M):
        assert abs(int(address, 16) - int(named[0], 16)) < 1 << 13, done.stdout  # the vDSO's own, without a symbol


@pytest.mark.parametrize("how", ["position-independent", "MiniDebugInfo", "symbols in a separate file"])
def test_in_another_mount_namespace(how: str, pytrace: str, tmp_path: Path) -> None:
    build(tmp_path, *BUILDS[how])
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    move = f"mount -t tmpfs none {hidden} && cp {tmp_path}/prog* {hidden} && exec {hidden}/prog"
    with running("unshare", "-m", "sh", "-c", move) as pid:
        assert not (hidden / "prog").exists()
        assert "main" in stack(pytrace, pid)


def test_ended_in_another_mount_namespace(pytrace: str, tmp_path: Path) -> None:
    """Another file has the same path here: its names would be wrong ones."""
    build(tmp_path, [], "mkdir place; cp prog place/prog")
    other = SOURCE.replace("hot", "wrong").replace("warm", "wrong_too")
    (tmp_path / "prog.c").write_text("int before(int n) { return n; }\n" + other)
    subprocess.run(["gcc", *FLAGS, "prog.c", "-o", "other"], cwd=tmp_path, check=True)
    hide = f"mount --bind {tmp_path}/place {tmp_path}/hidden && exec {tmp_path}/hidden/prog"
    (tmp_path / "hidden").mkdir()
    (tmp_path / "other").rename(tmp_path / "hidden" / "prog")
    ends = "if (@n == 60) { signal(9); exit(); }"
    script = f'profile:hz:99 /comm == "spinning"/ {{ @[ustack(perf, 3)] = count(); @n++; {ends} }}'
    words = [*pytrace.split(), "-q", "--unsafe", "-e", script]
    tracer = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with running("unshare", "-m", "sh", "-c", hide):
        shown, _ = tracer.communicate(timeout=60 * SCALE)
    assert "wrong" not in shown
    assert re.search(rf" main\+\d+ \({tmp_path}/hidden/prog\)", shown), shown


def test_in_another_root(pytrace: str, tmp_path: Path) -> None:
    build(tmp_path, ["-static"], "mkdir root; mv prog root")
    inside = f"mount --bind {tmp_path}/root /mnt && exec chroot /mnt /prog"
    with running("unshare", "-m", "sh", "-c", inside) as pid:
        assert "main" in stack(pytrace, pid)


def test_file_that_was_deleted(pytrace: str, tmp_path: Path) -> None:
    program = build(tmp_path, [], "")
    with running(str(program)) as pid:
        program.unlink()
        assert "main" in stack(pytrace, pid)


def test_deleted_file_of_a_process_that_has_ended(pytrace: str, tmp_path: Path) -> None:
    program = build(tmp_path, [], "")
    with running(str(program)) as pid:
        program.unlink()
        assert "main" in stack(pytrace, pid, ends=True)


def test_in_another_pid_namespace(pytrace: str, tmp_path: Path) -> None:
    program = build(tmp_path, [], "")
    with running("unshare", "-p", "-f", "-m", "--mount-proc", str(program)) as pid:
        assert "main" in stack(pytrace, pid)


def jit(pytrace: str, program: Path, *before: str, **env: str) -> str:
    script = f"uprobe:{program}:probed {{ @[ustack(perf, 3)] = count(); }}"
    words = [*before, *pytrace.split(), "-q", "-c", f"{program} 100", "-e", script]
    env = {**os.environ, **env}
    done = subprocess.run(words, capture_output=True, text=True, timeout=60 * SCALE, env=env, check=False)
    return done.stdout


def test_generated_code_of_a_living_process(pytrace: str, test_programs: Path) -> None:
    with subprocess.Popen([str(test_programs / "jitted"), "60000"]) as process:
        script = f"uprobe:{test_programs}/jitted:probed {{ print(ustack(perf, 3)); exit(); }}"
        words = [*pytrace.split(), "-q", "-p", str(process.pid), "-e", script]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60 * SCALE, check=False)
        process.kill()
    Path(f"/tmp/perf-{process.pid}.map").unlink(missing_ok=True)
    assert f" LazyCompile:~twice script.js:1+6 (/tmp/perf-{process.pid}.map)\n" in done.stdout


def test_generated_code_of_a_process_that_has_ended(pytrace: str, test_programs: Path) -> None:
    shown = jit(pytrace, test_programs / "jitted", KEEP="1")
    found = re.search(r" LazyCompile:~twice script.js:1\+6 \((/tmp/perf-\d+.map)\)\n", shown)
    assert found, shown
    Path(found[1]).unlink()


def test_generated_code_in_a_container(pytrace: str, test_programs: Path) -> None:
    """The map is in the container's own /tmp, under the number that the process has there."""
    moves = f"mount -t tmpfs none /mnt && cp {test_programs}/jitted /mnt/prog && mount -t tmpfs none /tmp"
    inside = f"{moves} && /mnt/prog 60000"
    with running("unshare", "-p", "-f", "-m", "--mount-proc", "sh", "-c", inside, name="prog") as pid:
        script = f"uprobe:/proc/{pid}/root/mnt/prog:probed {{ print(ustack(perf, 3)); exit(); }}"
        words = [*pytrace.split(), "-q", "-p", str(pid), "-e", script]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60 * SCALE, check=False)
    assert "LazyCompile:~twice script.js:1+6" in done.stdout, done.stderr
