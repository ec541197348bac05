"""The bundled tool strace, beside the strace that everybody knows and on calls of known number."""

from __future__ import annotations

import re
import statistics
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.harness.process import Finished, run
from tests.harness.tools import finished
from tests.harness.tracer import SCALE

pytestmark = [
    pytest.mark.feature("root", "btf", "rawtracepoint", "strace"),
    pytest.mark.usefixtures("nothing_left_behind"),
]


def ended(done: Finished) -> list[str]:
    """The lines of a run that went well, without the empty ones."""
    assert done.status == 0 and not done.timed_out, done.describe()
    assert "Lost" not in done.stderr and "ERROR" not in done.stderr, done.describe()
    return [line for line in done.stdout.splitlines() if line]


def ours(pytrace: str, options: str, command: str, folder: Path, timeout: float = 60) -> list[str]:
    """What pytrace strace prints about a command; what the command prints goes to a file."""
    out = folder / "ours"
    ended(run(f"{pytrace} -q -o {out} strace {options} -c '{command}' >{folder}/printed", timeout=SCALE * timeout))
    return [line for line in out.read_text().splitlines() if line]


# ---------------------------------------------------------------- equal to strace


_CHANGES = [
    (r"0x[0-9a-f]{5,}", "ADDRESS"),  # where the kernel puts things
    (r"/\* \d+ vars? \*/", "/* VARS */"),  # what runs the command differs
    (r" /\* \d+ entries \*/", ""),  # strace looks into what getdents64 read
    (r"getrandom\(\"[^\"]*\"", 'getrandom("NOISE"'),
    (r"rt_sigreturn\(\{mask=.*?\}\)", "rt_sigreturn()"),
    (r"sin_port=htons\(\d+\)", "sin_port=htons(PORT)"),
    (r" f_b\w+=\d+,| f_ffree=\d+,", ""),  # a file system in use
    (r"left \{[^}]*\}", "left {TIME}"),
    (r" +(= \S+)", r" \1"),
]


def by_thread(lines: list[str], leader: str) -> list[list[str]]:
    """The calls of each thread, in order; threads in that of their first call.  What two runs differ in is masked."""
    calls: dict[str, list[str]] = defaultdict(list)
    begun: dict[str, str] = {}
    ids: dict[str, str] = {}
    for line in lines:
        found = re.fullmatch(leader + r"(.*)", line)
        assert found, line
        thread, text = found.groups()
        ids.setdefault(thread, f"THREAD{len(ids)}")
        if text.startswith(("---", "+++")):
            continue
        if text.endswith(" <unfinished ...>"):
            begun[thread] = text.removesuffix(" <unfinished ...>")
            continue
        if resumed := re.fullmatch(r"<\.\.\. \w+ resumed>(.*)", text):
            head = begun.pop(thread)
            text = head + (" " if head.endswith(",") else "") + resumed[1]
        for pattern, masked in _CHANGES:
            text = re.sub(pattern, masked, text)
        calls[thread].append(text)
    known = re.compile(rf"\b({'|'.join(ids)})\b")
    return [[known.sub(lambda m: ids[m[0]], text) for text in found] for found in calls.values()]


def compared(pytrace: str, command: str, folder: Path) -> tuple[list[list[str]], list[list[str]]]:
    """The calls of a command as pytrace and as strace have them."""
    mine = ours(pytrace, "-f", command, folder)
    out = folder / "theirs"
    ended(run(f"strace -f -o {out} {command} >{folder}/printed", timeout=SCALE * 60))
    theirs = out.read_text().splitlines()
    return by_thread(mine, r"\[pid +(\d+)\] "), by_thread(theirs, r"(\d+) +")


def short(calls: list[list[str]]) -> list[list[tuple[str, str]]]:
    """Name and result of each call."""
    return [[(text.partition("(")[0], text.rpartition(" = ")[2]) for text in thread] for thread in calls]


def tree(folder: Path) -> Path:
    """Some folders and files for find."""
    root = folder / "tree"
    for outer in range(6):
        for inner in range(5):
            (root / f"folder {outer}" / f"d{inner}").mkdir(parents=True)
            for name in ("x", "é", "y" * 200):
                (root / f"folder {outer}" / f"d{inner}" / name).touch()
    return root


def test_find_makes_the_calls_that_strace_shows(pytrace: str, tmp_path: Path) -> None:
    command = f"/usr/bin/find {tree(tmp_path)} -name x"
    mine, theirs = compared(pytrace, command, tmp_path)
    assert len(mine) == 1 and len(mine[0]) > 250
    assert short(mine) == short(theirs)
    assert mine == theirs


def test_threads_and_children_make_the_calls_that_strace_shows(
    pytrace: str, test_programs: Path, tmp_path: Path
) -> None:
    mine, theirs = compared(pytrace, f"{test_programs}/syscalls tour {tmp_path}", tmp_path)
    for calls in (mine, theirs):
        assert len(calls) == 4
        for thread in calls:  # whether a thread must be waited for is chance
            thread[:] = [text for text in thread if not text.startswith(("futex(", "madvise("))]
    assert sum(text.startswith("gettid() =") for text in mine[1]) == 20
    assert short(mine) == short(theirs)
    assert mine == theirs


# ---------------------------------------------------------------- what lines say


def texts(lines: list[str]) -> list[str]:
    """Lines without the thread in front, and one blank in front of the result."""
    return [re.sub(r" +(= [-?\d])", r" \1", re.sub(r"^\[pid +\d+\] ", "", line)) for line in lines]


def test_lines(pytrace: str, test_programs: Path, tmp_path: Path) -> None:
    program = f"{test_programs}/syscalls"
    lines = ours(pytrace, "-f", f"{program} tour {tmp_path}", tmp_path)
    assert all(re.match(r"\[pid +\d+\] ", line) for line in lines)
    shown = texts(lines)
    words = ", ".join(f'"{w[:32]}"' + ("..." if len(w) > 32 else "") for w in (program, "tour", str(tmp_path)))
    start = rf'execve\("{program}", \[{words}\], 0x[0-9a-f]+ /\* \d+ vars \*/\) = 0'
    assert re.fullmatch(start, shown[0]), shown[0]
    for text in (
        f'openat(AT_FDCWD, "{tmp_path}/file", O_RDWR|O_CREAT|O_TRUNC, 0640) = 3',
        'write(3, "tab\\t quote\\" back\\\\ nul\\0 1\\0011 high\\377"..., 33) = 33',
        'writev(3, [{iov_base="one", iov_len=3}, {iov_base="two and more than fits into thir"..., iov_len=38}], 2)',
        "lseek(3, 0, SEEK_SET) = 0",
        "fcntl(3, F_GETFD) = 0x1 (flags FD_CLOEXEC)",
        "openat(AT_FDCWD, 0x10, O_WRONLY) = -1 EFAULT (Bad address)",
        f'openat(AT_FDCWD, "{tmp_path}/missing", O_RDONLY|O_CLOEXEC) = -1 ENOENT (No such file or directory)',
        f'mkdir("{tmp_path}/made", 0750) = 0',
        'recvfrom(4, "hello", 300, 0, NULL, NULL) = 5',
        "poll([{fd=-1}], 1, 1) = 0 (Timeout)",
        "pselect6(5, [4], NULL, NULL, {tv_sec=1, tv_nsec=0}, NULL) = 1 (in [4], left {tv_sec=",
        'sendmsg(3, {msg_name=NULL, msg_namelen=0, msg_iov=[{iov_base="abc\\0", iov_len=4}, {iov_base="and what',
        "rt_sigsuspend([], 8) = ? ERESTARTNOHAND (To be restarted if no handler)",
    ):
        assert any(line.startswith(text) for line in shown), text
    assert "--- SIGALRM {si_signo=SIGALRM, si_code=SI_KERNEL} ---" in shown
    assert sorted(line for line in shown if line.startswith("+++")) == [
        *["+++ exited with 0 +++"] * 3,
        "+++ exited with 7 +++",
    ]
    assert shown[-2:] == ["exit_group(0) = ?", "+++ exited with 0 +++"]


def test_only_the_first_thread_without_f(pytrace: str, test_programs: Path, tmp_path: Path) -> None:
    lines = ours(pytrace, "-e getppid,fork,clone,clone3", f"{test_programs}/syscalls tour {tmp_path}", tmp_path)
    calls = [line.partition("(")[0] for line in lines if not line.startswith(("---", "+++"))]
    assert calls == ["clone3", "clone", "clone"]


def test_a_path_in_memory_that_was_not_there_yet(pytrace: str, test_programs: Path, tmp_path: Path) -> None:
    lines = ours(pytrace, "-e openat", f"{test_programs}/syscalls absent {tmp_path}", tmp_path)
    opened = [line for line in lines if line.startswith("openat")]
    assert opened[-1] == f'openat(AT_FDCWD, "{tmp_path}/name", O_RDONLY) = -1 ENOENT (No such file or directory)'


@pytest.mark.parametrize(
    ("options", "form"),
    [
        ("-tt", r"\d\d:\d\d:\d\d\.\d{6} getppid\(\) += \d+"),
        ("-r -T", r" +\d\.\d{6} getppid\(\) += \d+ <\d\.\d{6}>"),
    ],
)
def test_times(pytrace: str, test_programs: Path, tmp_path: Path, options: str, form: str) -> None:
    lines = ours(pytrace, f"{options} -e trace=getppid", f"{test_programs}/syscalls loop 3 {tmp_path}/time", tmp_path)
    assert len([line for line in lines if re.fullmatch(form, line)]) == 3, lines


def test_failed_and_successful_calls(pytrace: str, test_programs: Path, tmp_path: Path) -> None:
    for option, failed in (("-Z", True), ("-z", False)):
        lines = ours(pytrace, f"{option} -f -e %file", f"{test_programs}/syscalls tour {tmp_path}", tmp_path)
        calls = [line for line in texts(lines) if not line.startswith(("---", "+++"))]
        assert len(calls) > 5 and {" = -1 E" in line for line in calls} == {failed}


def test_sizes_and_hexadecimal(pytrace: str, test_programs: Path, tmp_path: Path) -> None:
    lines = ours(pytrace, "-s 5 -x -e write,writev", f"{test_programs}/syscalls tour {tmp_path}", tmp_path)
    assert lines[0] == 'write(3, "plain", 5)                    = 5'
    assert lines[1].startswith('write(3, "tab\\t "..., 33)')
    lines = ours(pytrace, "-s 100 -x -e write", f"{test_programs}/syscalls tour {tmp_path}", tmp_path)
    assert lines[1].startswith('write(3, "\\x74\\x61\\x62\\x09')


def test_summary(pytrace: str, test_programs: Path, tmp_path: Path) -> None:
    lines = ours(pytrace, "--summary-only -f", f"{test_programs}/syscalls tour {tmp_path}", tmp_path)
    assert lines[0] == "% time     seconds  usecs/call     calls    errors syscall"
    counts = {row[-1]: row[3:-1] for row in (line.split() for line in lines[2:]) if row[0][0].isdigit()}
    assert counts["gettid"] == ["20"] and counts["writev"] == ["1"] and counts["execve"] == ["3", "1"]
    assert int(counts["total"][0]) == sum(int(row[0]) for name, row in counts.items() if name != "total")
    both = ours(pytrace, "-C -e writev", f"{test_programs}/syscalls tour {tmp_path}", tmp_path)
    assert both[0].startswith("writev(3") and both[-1].endswith("total")


# ---------------------------------------------------------------- processes that run already


def test_processes(pytrace: str, test_programs: Path) -> None:
    """Two that wait in read(2): shown what they wait for, then to their end, which ends the run."""
    command = [f"{test_programs}/syscalls", "wait"]
    children = [subprocess.Popen(command, stdin=subprocess.PIPE, text=True) for _ in range(2)]
    first, second = children

    def act() -> None:
        time.sleep(0.1 * SCALE)  # that they are there is looked at when what `begin` asks is handled
        for child in children:
            assert child.stdin
            child.stdin.write("text\n")
            child.stdin.close()
            child.wait()

    lines = ended(finished(f"{pytrace} strace -p {first.pid} -p {second.pid}", act, interrupt=False))
    for child in children:
        own = [line.partition("] ")[2] for line in lines if line.startswith(f"[pid {child.pid:5}]")]
        assert own == [
            "<... read resumed>)         = 5",
            'read(0, "", 300)            = 0',
            "exit_group(0)               = ?",
            "+++ exited with 0 +++",
        ]


def test_what_a_process_waits_for(pytrace: str, test_programs: Path) -> None:
    child = subprocess.Popen([f"{test_programs}/syscalls", "wait"], stdin=subprocess.PIPE, text=True)
    assert child.stdin

    def act() -> None:
        assert child.stdin
        child.stdin.write("text\n")
        child.stdin.flush()

    lines = ended(finished(f"{pytrace} strace -p {child.pid}", act, settle=1))
    assert lines == ["<... read resumed>)                     = 5", "read(0,  <unfinished ...>"]
    child.stdin.close()
    child.wait()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("-p 4194303", "attach to process 4194303: No such process"),
        ("", "give a command (-c CMD) or a process (-p PID)"),
        ("-e nosuch -p 1", "invalid system call 'nosuch'"),
        ("-e %nosuch -p 1", "invalid class of system calls '%nosuch'"),
        ("-p 1,x", "'x' in the list is no number"),
    ],
)
def test_what_is_wrong_is_said(pytrace: str, arguments: str, message: str) -> None:
    done = run(f"{pytrace} strace {arguments}", timeout=SCALE * 40)
    assert done.status == 1 and message in done.stderr, done.describe()


# ---------------------------------------------------------------- no loss, at a fraction of the cost


def test_nothing_is_lost_in_a_storm(pytrace: str, test_programs: Path, tmp_path: Path) -> None:
    count = 150_000
    lines = ours(pytrace, "-e getppid", f"{test_programs}/syscalls loop {count} {tmp_path}/time", tmp_path, 120)
    assert sum(line.startswith("getppid()  ") for line in lines) == count


def test_it_slows_the_command_by_a_fraction_of_what_strace_does(
    pytrace: str, test_programs: Path, tmp_path: Path
) -> None:
    """A tenth is what it is to be (tests/bench/run.py measures that); a quarter is left to a busy machine."""
    loop = f"{test_programs}/syscalls loop 10000 {tmp_path}/time"

    def alone() -> None:
        run(loop, timeout=60)

    def traced() -> None:
        ours(pytrace, "", loop, tmp_path)

    def with_strace() -> None:
        run(f"strace -o {tmp_path}/out {loop}", timeout=60)

    times: dict[Callable[[], None], list[int]] = {way: [] for way in (alone, traced, with_strace)}
    for _ in range(3):
        for way, found in times.items():
            way()
            found.append(int((tmp_path / "time").read_text()))
    base, mine, theirs = (statistics.median(found) for found in times.values())
    assert (mine - base) * 4 < theirs - base, times.values()
