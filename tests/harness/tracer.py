"""Run one case of a data file through one tracer: background process first, script, signal once attached, deadline."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path

from tests.harness.datafile import Case
from tests.harness.process import Finished, environment, run

SCALE = float(os.environ.get("PYTRACE_TIME_SCALE", "1"))  # a virtual machine without KVM is 15 to 20 times slower


def run_case(case: Case, tool: str, programs: Path, folder: Path, **env: str) -> Finished:
    """The case's command, with its background process (`before`) started first and ended last."""
    before = case.one("before", "")
    background = _start(before.replace("{programs}", str(programs))) if before else None
    pid = background.pid if background else 0
    after = case.one("after", "")

    def attached(tracer: int) -> None:
        command = after.replace("{tracer}", str(tracer)).replace("{programs}", str(programs)).replace("{pid}", str(pid))
        subprocess.run(["bash", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)

    try:
        done = run(
            case.command(tool, programs, folder / "script.bt", pid),
            timeout=SCALE * float(case.one("timeout", "15")),
            env=environment(**env, **case.environment()),
            cwd=folder,
            stdin=case.script if case.one("stdin", "") == "script" else None,
            when_attached=attached if after else None,
        )
    finally:
        if background:
            background.kill()
            background.wait()
    if not pid:
        return done
    out, err = (re.sub(rf"\b{pid}\b", "PID", text) for text in (done.stdout, done.stderr))
    return replace(done, stdout=out, stderr=err)


def _start(command: str) -> subprocess.Popen[bytes]:
    words = shlex.split(command)
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
    threading.Thread(target=process.wait, daemon=True).start()  # reaped at once: a zombie still looks alive to -p
    comm = Path(f"/proc/{process.pid}/comm")
    for _ in range(200):
        if comm.read_text().strip() == Path(words[0]).name[:15]:
            break
        time.sleep(0.01)
    return process
