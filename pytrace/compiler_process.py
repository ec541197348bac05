"""The compiler in a process of its own.

Place in the pipeline: between driver and compiler, for the command.  In: a function that builds a Program.  Out: the
Program.  Why: a trace runs for hours, and LLVM's 70 MiB need not stay with it; the runtime loads on the other core
meanwhile; and whatever LLVM ends a process for ends that process only.  What a newcomer would get wrong: in the child
`run` returns by an exception or not at all: a ScriptError goes up to the command line there, is printed there, and its
exit status is what the parent then ends with (`CompilerEnded`).
"""

from __future__ import annotations

import marshal
import os
import signal
from _thread import start_new_thread
from contextlib import suppress

from pytrace.diagnostics import InternalError, PytraceError
from pytrace.program import Program
from pytrace.runtime.sys import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class CompilerEnded(PytraceError):
    """The compiler's process has reported its failure itself; only its exit status is left to pass on."""


def run(build: Callable[[Callable[[Program], None]], None], meanwhile: Callable[[], None]) -> Program:
    """The Program that `build` delivers; `meanwhile` runs here while it is at work.

    Raises CompilerEnded with the child's exit status, InternalError if it was killed.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child == 0:
        os.close(reader)
        kernel.die_with_parent(signal.SIGKILL)
        build(lambda program: _deliver(writer, program))
        os._exit(0)
    os.close(writer)
    try:
        meanwhile()
        with open(reader, "rb") as pipe:
            data = pipe.read()
    except BaseException:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    if data:
        start_new_thread(_reap, (child,))
        return Program.from_plain(marshal.loads(data))
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code < 0:
        raise InternalError("compiler", f"ended by {signal.Signals(-code).name}")
    ended = CompilerEnded("")
    ended.exit_status = code
    raise ended


def _reap(child: int) -> None:
    """Wait for the child, which is about to end, so that no dead process hangs about while a trace runs."""
    with suppress(ChildProcessError):
        os.waitpid(child, 0)


def _deliver(writer: int, program: Program) -> None:
    """Send the Program; what the child does afterwards (filling the cache) keeps nobody waiting."""
    kernel.die_with_parent(0)
    with open(writer, "wb") as pipe:
        marshal.dump(program.to_plain(), pipe)
