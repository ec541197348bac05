"""The command of -c: forked early, so that its pid is known, and executed once the probes are attached.

Place in the pipeline: owned by the Session.  In: the command line.  Out: a process, its pid and exit status.
What a newcomer would get wrong: there is no shell: the words are split at single spaces and the first is looked up in
PATH; and Python ignores SIGPIPE, which a program must not inherit.
"""

from __future__ import annotations

import os
import signal
from errno import EACCES, ENOENT
from struct import error, iter_unpack

from pytrace.diagnostics import MachineError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytrace.runtime.sys import Kernel

_PTRACE_TRACEME, _PTRACE_CONT, _PTRACE_DETACH, _PTRACE_SETOPTIONS = 0, 7, 17, 0x4200
_PTRACE_PEEKTEXT, _PTRACE_PEEKUSER, _PTRACE_POKETEXT, _PTRACE_POKEUSER = 1, 3, 4, 6
_RIP = 128  # offset in struct user (sys/user.h) on x86-64
_INT3 = 0xCC
_AT_ENTRY = 9
_PTRACE_O_TRACEEXEC = 0x10
_GO, _STOP_AT_EXEC = b"g", b"s"
_MOST_ARGUMENTS = 255


def split(command: str) -> tuple[str, list[str]]:
    """(path, arguments) of a command.  Raises MachineError as the reference words it."""
    words = [word for word in command.split(" ") if word]
    if not words:
        raise _failed("empty command")
    if len(words) > _MOST_ARGUMENTS + 1:
        raise _failed(f"too many arguments for command ({len(words)} > {_MOST_ARGUMENTS})")
    return resolve(words[0]), words


def resolve(name: str) -> str:
    """The executable file that `name` means.  Raises MachineError."""
    folders = [""] if "/" in name else os.get_exec_path()
    for folder in folders:
        path = os.path.join(folder, name) if folder else name
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return os.path.abspath(path)
    reason = EACCES if "/" in name and os.path.exists(name) else ENOENT
    raise _failed(f"Path '{name}' does not exist or is not executable ({os.strerror(reason)})")


def _failed(reason: str) -> MachineError:
    return MachineError(f"Failed to fork child: {reason}", exit_status=1)


class Child:
    """A process that waits, before its exec, for `run`.  `pid` is valid from the start."""

    def __init__(self, command: str, kernel: Kernel) -> None:
        path, words = split(command)
        self._kernel = kernel
        self.exit_code: int | None = None
        self.signal: int | None = None
        self._stopped = False
        order, self._order = os.pipe2(os.O_CLOEXEC)
        self._result, result = os.pipe2(os.O_CLOEXEC)
        try:
            self.pid = os.fork()
        except OSError as error:
            raise _failed(error.strerror or "") from None
        if self.pid == 0:
            os.close(self._order)
            _become(kernel, order, result, path, words)
        os.close(order)
        os.close(result)
        self.pidfd = kernel.pidfd_open(self.pid)

    def run(self, *, stop_at_exec: bool = False) -> None:
        """Execute the command; `stop_at_exec` leaves it before its first instruction.  Raises MachineError."""
        os.write(self._order, _STOP_AT_EXEC if stop_at_exec else _GO)
        if stop_at_exec:
            self._wait_for_exec()
        failure = os.read(self._result, 256).decode("latin-1")  # closed by the exec when all went well
        if failure:
            raise MachineError(f"Failed to run child: {failure}")

    def _wait_for_exec(self) -> None:
        """Follow the child through its SIGSTOP to the stop of its exec."""
        os.waitpid(self.pid, 0)
        self._kernel.ptrace(_PTRACE_SETOPTIONS, self.pid, 0, _PTRACE_O_TRACEEXEC)
        self._kernel.ptrace(_PTRACE_CONT, self.pid)
        _, status = os.waitpid(self.pid, 0)
        if os.WIFSTOPPED(status):
            self._stopped = True
        else:
            self._ended(status)

    def run_to_entry(self) -> None:
        """Let a child that `run` left stopped load its libraries: up to its program's own first instruction (x86-64).

        It stays where it is if that cannot be done.
        """
        place = self._trap_place(self._entry_point()) if self._stopped else 0
        if not place:
            return
        word = self._peek(place)
        self._kernel.ptrace(_PTRACE_POKETEXT, self.pid, place, word & ~0xFF | _INT3)
        number = 0
        while True:
            self._kernel.ptrace(_PTRACE_CONT, self.pid, 0, number)
            _, status = os.waitpid(self.pid, 0)
            if not os.WIFSTOPPED(status):
                self._stopped = False
                self._ended(status)
                return
            number = os.WSTOPSIG(status)
            if number == signal.SIGTRAP and self._kernel.ptrace(_PTRACE_PEEKUSER, self.pid, _RIP) == place + 1:
                break
        self._kernel.ptrace(_PTRACE_POKETEXT, self.pid, place, word)
        self._kernel.ptrace(_PTRACE_POKEUSER, self.pid, _RIP, place)

    def _peek(self, address: int) -> int:
        return self._kernel.ptrace(_PTRACE_PEEKTEXT, self.pid, address) & (1 << 64) - 1

    def _trap_place(self, entry: int) -> int:
        """The entry point; the next instruction where a uprobe is, which would take the trap for its own; or 0."""
        if not entry or self._peek(entry) & 0xFF != _INT3:
            return entry
        from pytrace.runtime.x86 import instruction_length

        for line in self._kernel.read_text(f"/proc/{self.pid}/maps").splitlines():
            span, _, offset, *_ = line.split()
            start, end = (int(part, 16) for part in span.split("-"))
            if start <= entry < end:
                with open(f"/proc/{self.pid}/exe", "rb") as file:
                    file.seek(entry - start + int(offset, 16))
                    length = instruction_length(file.read(16), 0)
                return entry + length if length else 0
        return 0

    def _entry_point(self) -> int:
        """Where the program begins, 0 where that is not known."""
        try:
            with open(f"/proc/{self.pid}/auxv", "rb") as file:
                pairs = dict(iter_unpack("=QQ", file.read()))
        except (OSError, error):
            return 0
        return int(pairs.get(_AT_ENTRY, 0))

    def resume(self) -> None:
        """Let a child go on that `run` left stopped."""
        if self._stopped:
            self._stopped = False
            self._kernel.ptrace(_PTRACE_DETACH, self.pid)

    @property
    def is_alive(self) -> bool:
        """Reaps it when it has ended."""
        if self.exit_code is None and self.signal is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._ended(status)
        return self.exit_code is None and self.signal is None

    def _ended(self, status: int) -> None:
        if os.WIFSIGNALED(status):
            self.signal = os.WTERMSIG(status)
        elif os.WIFEXITED(status):
            self.exit_code = os.WEXITSTATUS(status)

    def terminate(self, patience: float = 1.0) -> None:
        """End it: SIGTERM, and SIGKILL after `patience` seconds; it is reaped."""
        if not self.is_alive:
            return
        from select import poll

        self.resume()
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                break
            waiting = poll()
            waiting.register(self.pidfd, 1)
            if waiting.poll(patience * 1000):
                break
        _, status = os.waitpid(self.pid, 0)
        self._ended(status)

    def close(self) -> None:
        """End it if it runs, and close its fds."""
        self.terminate()
        for fd in (self._order, self._result, self.pidfd):
            os.close(fd)


def _become(kernel: Kernel, order: int, result: int, path: str, words: list[str]) -> None:
    """In the child: wait for the order, execute.  Does not return."""
    what = "setup"
    try:
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, signal.SIG_DFL)
        kernel.die_with_parent(signal.SIGTERM)
        command = os.read(order, 1)  # and no other system call: probes may be attached by now
        if not command:
            os._exit(0)  # the parent gave up, or went before we asked for its death signal
        if command == _STOP_AT_EXEC:
            what = "ptrace"
            kernel.ptrace(_PTRACE_TRACEME, 0)
            os.kill(os.getpid(), signal.SIGSTOP)
        what = "execve"
        os.execve(path, words, os.environ)
    except OSError as error:
        os.write(result, f"{what}: {error.strerror}".encode())
    finally:
        os._exit(1)
