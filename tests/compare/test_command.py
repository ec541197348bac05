"""The command `pytrace compare` as a user calls it: help, forms of scripts, exit statuses, several runs, Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from pytrace.compare.arguments import usage
from tests.harness import forked, machine, process
from tests.harness.process import Finished
from tests.harness.tracer import SCALE

LIMIT = 90.0 * SCALE
OLD = """#!/bin/sh
[ "$1" = --version ] && { echo bpftrace v0.17.0; exit; }
echo "stdin:1:1-6: ERROR: Invalid probe type: begin" >&2
exit 1
"""


def compare(folder: Path, *words: str, against: str = "") -> Finished:
    return forked.call(["compare", "--against", against or machine.reference(), *words], timeout=LIMIT, folder=folder)


def test_help(tmp_path: Path) -> None:
    for words in (["compare", "--help"], ["--help", "compare"], ["compare", "-e", "begin { }", "-h"]):
        done = forked.call(words, timeout=LIMIT, folder=tmp_path)
        assert (done.status, done.stdout, done.stderr) == (0, usage(), "")
    assert "pytrace compare [options]" in forked.call(["--help"], timeout=LIMIT, folder=tmp_path).stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "ERROR: USAGE: filename or -e 'program' required.\nHINT: pytrace compare --help\n"),
        (["/no/such/script.bt"], "ERROR: failed to open file '/no/such/script.bt': No such file or directory\n"),
        (["--runs", "none", "x"], "ERROR: --runs takes a number from 1 to 1000, not 'none'\n"),
        (["--such", "x"], "ERROR: unrecognized option '--such'\n"),
    ],
)
def test_what_cannot_be_compared(words: list[str], message: str, tmp_path: Path) -> None:
    done = forked.call(["compare", *words], timeout=LIMIT, folder=tmp_path)
    assert (done.status, done.stdout, done.stderr) == (2, "", message)


@pytest.mark.feature("root", "btf")
def test_an_old_bpftrace_that_does_not_know_the_script(tmp_path: Path) -> None:
    old = tmp_path / "bpftrace"
    old.write_text(OLD)
    old.chmod(0o755)
    done = compare(tmp_path, "-e", "begin { exit(); }", against=str(old))
    assert done.status == 2 and not done.stdout
    assert done.stderr.startswith("ERROR: bpftrace v0.17.0 does not run this script: stdin:1:1-6: ERROR: Invalid probe")
    assert "\nHINT: scripts for pytrace are those of bpftrace 0.27" in done.stderr


@pytest.mark.feature("root", "btf")
def test_a_script_called_compare_is_run(tmp_path: Path, pytrace: str) -> None:
    (tmp_path / "compare").write_text('begin { printf("the script %s\\n", str($1)); exit(); }')
    done = process.run(f"{pytrace} compare one", timeout=LIMIT, cwd=tmp_path)
    assert done.stdout.startswith("the script one\n") and done.status == 0


@pytest.mark.feature("root", "btf", "reference")
def test_parameters_of_a_file_and_several_runs(tmp_path: Path) -> None:
    script = tmp_path / "script.bt"
    script.write_text('begin { printf("%d %s\\n", $1, str($2)); print(getopt("limit", 3)); @[$1] = rand % 2; }')
    done = compare(
        tmp_path, "-f", "json", "--runs", "2", "--tolerance", "any", str(script), "7", "two", "--", "--limit=9"
    )
    found = json.loads(done.stdout)
    assert done.status == 0 and found["verdict"] in ("equal", "equal within tolerance") and found["runs"] == 2, found
    for side in ("reference", "pytrace"):
        assert (
            found[side]["attach_seconds"] > 0 and found[side]["peak_bytes"] > 1 << 20 and not found[side]["events_lost"]
        )
    assert found["reference"]["title"].startswith("bpftrace 0.") and found["how"] == "at the same time, 2 runs"


@pytest.mark.feature("root", "btf", "reference")
def test_messages_and_refusals(tmp_path: Path) -> None:
    warns = 'begin { printf("x\\n"); warnf("%s", comm == "pytrace" ? "ours" : "theirs"); exit(); }'
    done = compare(tmp_path, "-e", warns)
    assert done.status == 0 and "note: messages on standard error differ" in done.stdout and "ours" in done.stdout
    done = compare(tmp_path, "--messages", "-e", warns)
    assert done.status == 1 and "messages on standard error" in done.stdout
    done = compare(tmp_path, "-e", "begin { print($none); }")
    assert done.status == 0 and "note: neither of them runs the script" in done.stdout


@pytest.mark.feature("root", "btf", "reference", "tracepoint")
@pytest.mark.usefixtures("nothing_left_behind")
def test_until_ctrl_c(tmp_path: Path, pytrace: str, test_programs: Path) -> None:
    """Both see what goes on until Ctrl-C: the calls of one program, made after both have attached."""
    told, act = tmp_path / "told", tmp_path / "until_ctrl_c"  # a name that no test beside this one uses
    shutil.copy(test_programs / "act", act)
    script = (
        'tracepoint:syscalls:sys_enter_getppid /comm == "until_ctrl_c"/ { @ = count(); printf("%d\\n", pid); }'
        " interval:ms:100 { @ticks = count(); }"
    )
    words = ["compare", "--tolerance", "@ticks=any", "--against", machine.reference(), "-e", script]
    with told.open("w") as out:
        running = subprocess.Popen(
            ["bash", "-c", f'exec {pytrace} "$@"', "-", *words], stdout=out, stderr=out, env=process.environment(),
            start_new_session=True,
        )  # fmt: skip
    try:
        _until_both_trace(running.pid)
        subprocess.run([act, "getppid", "25"], check=True)
        time.sleep(0.3)
        os.kill(running.pid, signal.SIGINT)
        assert running.wait(LIMIT) == 0, told.read_text()
    finally:
        running.kill()
    assert re.search(r"(?m)^equal", told.read_text()) and "at the same time" in told.read_text()


def _until_both_trace(pid: int) -> None:
    """Wait until two children of a process hold perf events or links, twice as long as it takes."""
    end = time.monotonic() + LIMIT
    while time.monotonic() < end:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        held = [child for child in children if _attached(child)]
        if len(held) == 2:
            time.sleep(0.5)
            return
        time.sleep(0.05)
    raise AssertionError("they did not attach")


def _attached(child: str) -> bool:
    try:
        links = [os.readlink(fd) for fd in Path(f"/proc/{child}/fd").iterdir()]
    except OSError:
        return False
    return any("perf_event" in link or "bpf_link" in link or "bpf-link" in link for link in links)
