"""The child of -c, signals and closing: what needs processes, but neither root nor BPF."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from pytrace.diagnostics import MachineError
from pytrace.runtime import release
from pytrace.runtime.child import Child, resolve, split
from pytrace.runtime.events import Dispatcher
from pytrace.runtime.ring import Mixed, Run
from pytrace.runtime.sys import kernel
from pytrace.runtime.wakeup import Wakeup
from tests.harness.assembler import Recorder, Row, program

# ---------------------------------------------------------------- the child


def finished(child: Child, seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while child.is_alive and time.monotonic() < end:
        time.sleep(0.005)
    return not child.is_alive


def test_commands_are_split_at_spaces_without_a_shell() -> None:
    assert split("/bin/echo  'a b' $HOME") == ("/bin/echo", ["/bin/echo", "'a", "b'", "$HOME"])
    assert resolve("sh").endswith("/sh")


@pytest.mark.parametrize("command", ["/no/such", "no-such-command", "", "/etc/passwd"])
def test_what_cannot_be_run_is_refused_before_forking(command: str) -> None:
    with pytest.raises(MachineError, match="Failed to fork child") as caught:
        split(command)
    assert caught.value.exit_status == 1


def test_a_child_waits_for_its_order_and_keeps_its_pid() -> None:
    child = Child("/bin/sleep 0", kernel)
    assert child.is_alive and child.pid > 0
    child.run()
    assert finished(child) and child.exit_code == 0
    child.close()


def test_a_child_does_not_inherit_ignored_signals() -> None:
    child = Child("/bin/sleep 30", kernel)
    child.run()
    with open(f"/proc/{child.pid}/status") as f:
        ignored = next(int(line.split()[1], 16) for line in f if line.startswith("SigIgn:"))
    assert not ignored >> (signal.SIGPIPE - 1) & 1
    child.close()
    assert child.signal == signal.SIGTERM


def test_a_child_that_was_never_run_is_ended() -> None:
    child = Child("/bin/sleep 30", kernel)
    child.close()
    assert not child.is_alive


def test_a_child_that_ignores_the_request_is_killed() -> None:
    child = Child("/usr/bin/env --ignore-signal=TERM /bin/sleep 30", kernel)
    child.run()
    time.sleep(0.1)
    child.terminate(patience=0.1)
    assert child.signal == signal.SIGKILL
    child.close()


def test_a_child_can_be_stopped_at_its_exec() -> None:
    child = Child("/bin/sleep 0", kernel)
    child.run(stop_at_exec=True)
    with open(f"/proc/{child.pid}/comm") as f:
        assert f.read().strip() == "sleep"
    assert child.is_alive
    child.resume()
    assert finished(child) and child.exit_code == 0
    child.close()


# ---------------------------------------------------------------- waiting


def test_a_signal_ends_a_wait_and_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    wakeup = Wakeup(True)
    with wakeup:
        threading.Timer(0.05, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
        start = time.monotonic()
        while not wakeup.stop and time.monotonic() - start < 5:
            wakeup.wait(5)
        assert time.monotonic() - start < 2
    wakeup.close()
    assert signal.getsignal(signal.SIGTERM) is before


def test_sigusr1_is_taken_once() -> None:
    wakeup = Wakeup(True)
    with wakeup:
        os.kill(os.getpid(), signal.SIGUSR1)
        wakeup.wait(1)
        assert wakeup.take_signal() and not wakeup.take_signal() and not wakeup.stop
    wakeup.close()


def test_outside_the_main_thread_there_are_no_handlers() -> None:
    seen = []

    def work() -> None:
        wakeup = Wakeup(True)
        with wakeup:
            wakeup.wait(0.01)
            seen.append(wakeup.stop)
        wakeup.close()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [False]


def test_readable_fds_wake() -> None:
    read, write = os.pipe()
    wakeup = Wakeup(False)
    with wakeup:
        wakeup.watch(read)
        assert not wakeup.is_readable(read)
        os.write(write, b"x")
        wakeup.wait(1)
        assert wakeup.is_readable(read)
    wakeup.close()
    os.close(read)
    os.close(write)


# ---------------------------------------------------------------- letting go


def test_slow_closings_overlap() -> None:
    closed: list[int] = []

    def close(fd: int) -> None:
        time.sleep(0.05)
        closed.append(fd)

    start = time.monotonic()
    release.close_together(list(range(40)), close)
    assert sorted(closed) == list(range(40))
    assert time.monotonic() - start < 1.0


def test_what_is_left_behind_is_closed_later_by_another_process() -> None:
    """A pipe's reader sees its end only when the last owner of the other end is gone; we must not be it."""
    read, write = os.pipe()
    out, held = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        os.close(out)
        release.leave_behind([write])
        os._exit(0)
    os.close(write)
    os.close(held)
    os.waitpid(pid, 0)
    assert os.read(read, 1) == b""
    assert os.read(out, 1) == b"", "the process left behind must not keep other fds"
    os.close(read)
    os.close(out)


# ---------------------------------------------------------------- dispatch


def word(*values: int) -> bytes:
    return b"".join(v.to_bytes(8, "little") for v in values)


def dispatcher(rows: list[Row], output: Recorder) -> Dispatcher:
    made = program([], [], events=len(rows))
    return Dispatcher(made, lambda key: rows[int(key.removeprefix("event:"))], None, output)  # type: ignore


def test_batches_go_to_the_output_whole() -> None:
    output = Recorder()
    row = Row(bind_batch=lambda session, spec: lambda records: b"<" + b"".join(r[8:9] for r in records) + b">")
    block = b"".join(word(16, 0, n) for n in (65, 66, 67))
    dispatcher([row], output).process(Run(0, block, 3, 16, 24))
    assert output.data == b"<ABC>"


def test_an_exit_in_the_middle_drops_the_rest() -> None:
    seen: list[int] = []
    output = Recorder()
    handling: list[Dispatcher] = []

    def handle(record: bytes) -> None:
        seen.append(record[8])
        handling[0].stopped = record[8] == 2

    handling.append(dispatcher([Row(bind=lambda session, spec: handle)], output))
    handling[0].process(Mixed([word(0, n) for n in (1, 2, 3)], 72))
    handling[0].process(Mixed([word(0, 4)], 24))
    assert seen == [1, 2]
