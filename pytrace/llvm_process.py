"""LLVM in a process of its own.

Place in the pipeline: between driver and `codegen.backend`, for the command.  In: IR text.  Out: the object's bytes.
Why: LLVM takes longer to load than a script to be analysed, and the other core does it meanwhile; its 70 MiB need not
stay with a trace that runs for hours; and whatever LLVM ends a process for ends that process only.  What a newcomer
would get wrong: the process is forked before anything of the compiler is imported, and it needs nothing but the text:
each of the two imports its own half.
"""

from __future__ import annotations

import marshal
import os

from pytrace.diagnostics import InternalError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

_KILL = 9


class LlvmProcess:
    """Forked and loading LLVM from the start.  It is asked for one object at most; `end` and `reap` are due always."""

    def __init__(self) -> None:
        reader, self._orders = os.pipe2(os.O_CLOEXEC)
        self._answers, writer = os.pipe2(os.O_CLOEXEC)
        self._pid = os.fork()
        if self._pid == 0:
            _serve(reader, writer, (self._orders, self._answers))
        os.close(reader)
        os.close(writer)

    def emit(self, text: str, cpu: str, meanwhile: Callable[[], None]) -> bytes:
        """What `backend.emit` gives; `meanwhile` runs here while LLVM is at work.  Raises InternalError."""
        try:
            with open(self._orders, "wb", closefd=False) as orders:
                marshal.dump((text, cpu), orders)
        except BrokenPipeError:
            pass  # it has ended: the empty answer tells
        meanwhile()
        with open(self._answers, "rb", closefd=False) as answers:
            data = answers.read()
        if not data:
            raise InternalError("codegen", f"LLVM's process ended {self._how_it_ended()}")
        found, failure = marshal.loads(data)
        if failure:
            raise InternalError("codegen", failure)
        return bytes(found)

    def end(self) -> None:
        """End the process, wherever it is; `reap` waits for it."""
        os.close(self._orders)
        os.close(self._answers)
        if self._pid:
            os.kill(self._pid, _KILL)

    def reap(self) -> None:
        """Wait for the end: 2 ms, which the kernel needs to take LLVM's memory back."""
        if self._pid:
            os.waitpid(self._pid, 0)
            self._pid = 0

    def _how_it_ended(self) -> str:
        _, status = os.waitpid(self._pid, 0)
        self._pid = 0
        code = os.waitstatus_to_exitcode(status)
        return f"by signal {-code}" if code < 0 else f"with status {code}"


def _serve(reader: int, writer: int, others: tuple[int, ...]) -> None:
    """The child: never returns.  It sees that its parent has ended by the end of the pipe."""
    status = 1
    try:
        for fd in others:
            os.close(fd)
        from pytrace.codegen import backend

        backend.load()
        with open(reader, "rb") as orders, open(writer, "wb") as answers:
            _answer(orders, answers)
        status = 0
    finally:
        os._exit(status)  # no exception and no buffered output of the parent's leaves this process


def _answer(orders: BinaryIO, answers: BinaryIO) -> None:
    from pytrace.codegen import backend

    try:
        text, cpu = marshal.load(orders)
    except EOFError:
        return
    try:
        answer = (backend.emit(text, cpu), "")
    except InternalError as error:
        answer = (b"", error.what)
    marshal.dump(answer, answers)
