"""Call the command line in a fork of the test process: as apart as a new process, without Python's start.

In: arguments and environment.  Out: `Finished`.  What a newcomer would get wrong: libraries are imported once here,
ahead of the first fork; the child is ended with its whole session when the deadline passes.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.harness.process import Finished, environment

ESCAPED = 99
"""Status of a child that an exception left."""


def call(arguments: list[str], *, timeout: float, folder: Path, **env: str) -> Finished:
    """`pytrace.cli.main(arguments)` in a child, its output captured; standard input is empty."""
    import lark  # noqa: F401
    import llvmlite.binding  # noqa: F401

    import pytrace.cli
    import pytrace.driver  # noqa: F401

    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        began = time.monotonic()
        pid = os.fork()
        if pid == 0:
            os.setsid()
            for fd, target in ((os.open(os.devnull, os.O_RDONLY), 0), (out.fileno(), 1), (err.fileno(), 2)):
                os.dup2(fd, target)
            _become(arguments, environment(XDG_CACHE_HOME=str(folder / "cache"), **env))
        status, timed_out = _wait(pid, timeout)
        seconds = time.monotonic() - began
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode("latin-1"))
    return Finished(texts[0], texts[1], status, timed_out, seconds)


def _wait(pid: int, timeout: float) -> tuple[int, bool]:
    watch = os.pidfd_open(pid)
    try:
        late = not select.select([watch], [], [], timeout)[0]
    finally:
        os.close(watch)
    if late:
        os.killpg(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), late


def _become(arguments: list[str], env: dict[str, str]) -> None:
    """In the child.  Does not return."""
    status = ESCAPED
    try:
        os.environ.clear()
        os.environ.update(env)
        sys.argv = ["pytrace", *arguments]
        sys.stdin, sys.stdout, sys.stderr = (os.fdopen(n, "w" if n else "r", closefd=False) for n in range(3))
        from pytrace.cli import main

        status = main(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 - this is what the tests look for
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(status)
