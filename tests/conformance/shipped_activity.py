"""What the reference's own tools are shown when they run: an activity for each, and what of its output must be equal.

In: a tool's name and a folder to work in.  Out: a function that acts, and a pattern whose groups are compared wherever
it is found in the two outputs.  What a newcomer would get wrong: whatever else the machine does is in the outputs too,
so a pattern names the test's own process or files; of what is added up over the whole machine only one thing can be
said, that the tracer which was there longer has counted no less (`adds_up`).
"""

from __future__ import annotations

import mmap
import os
import pty
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from tests.harness.process import environment
from tests.harness.tools import direct_writes, loop_device
from tests.harness.traffic import Sessions

OWN = os.getpid()
Act = Callable[[Path], object]


def ran(*words: object) -> None:
    null = subprocess.DEVNULL
    done = subprocess.run([str(word) for word in words], stdout=null, stderr=null, check=False)
    assert done.returncode < 2  # of a file that is missing, they say 1


def python(folder: Path, script: str) -> None:
    """Runs a script in a process called shipped-python, which has one thread."""
    program = folder / "shipped-python"
    program.symlink_to("/usr/bin/python3")
    ran(program, "-I", "-S", "-c", script)


def bash(folder: Path) -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve("/bin/bash", ["bash", "--norc", "--noprofile", "-i"], environment(HISTFILE="/dev/null"))
    os.write(terminal, f"cd {folder}\ncd {folder}/missing\nexit\n".encode())
    with suppress(OSError):  # the shell is gone
        while os.read(terminal, 1024):
            pass
    os.waitpid(pid, 0)
    os.close(terminal)


def writes(folder: Path) -> None:
    with loop_device(folder) as device:
        direct_writes(device, [7, 100, 3, 300, 50, 51, 900, 20] * 5)


def sized_writes(folder: Path) -> None:
    program = folder / "shipped-dd"
    program.symlink_to("/bin/dd")
    with loop_device(folder) as device:
        for size in ("4k", "16k"):
            ran(program, "if=/dev/zero", f"of={device}", f"bs={size}", "count=9", "oflag=direct")


def opens(folder: Path) -> None:
    (folder / "there").touch()
    for name in ("there", "missing", "there"):
        ran("/bin/cat", folder / name)


def kills(_: Path) -> None:
    os.kill(OWN, 0)
    os.kill(OWN, signal.SIGCONT)
    with suppress(ProcessLookupError):
        os.kill(4_000_000, signal.SIGTERM)


def looks_up(_: Path) -> None:
    for name in ("localhost", "127.0.0.9"):
        socket.getaddrinfo(name, 80)


def sleeps(_: Path) -> None:
    for seconds in (0.01, 0.025):
        ran("/bin/sleep", seconds)


def forks(_: Path) -> None:
    for _i in range(100):
        if (pid := os.fork()) == 0:
            os._exit(0)
        os.waitpid(pid, 0)
    time.sleep(1.2)  # until an interval is over


def users(folder: Path) -> None:
    python(folder, "import os, ctypes; os.setuid(0); os.setresuid(-1, 0, -1); ctypes.CDLL(None).setfsuid(0)")


def asks(folder: Path) -> None:
    (folder / "there").touch()
    ran("/usr/bin/stat", folder / "there", folder / "missing")
    os.statvfs(folder)


def syncs(folder: Path) -> None:
    with (folder / "file").open("w+b") as file:
        file.write(bytes(8192))
        file.flush()
        os.fsync(file.fileno())
        os.fdatasync(file.fileno())
        with mmap.mmap(file.fileno(), 4096) as memory:
            memory[0] = 1
            memory.flush()


def shakes_hands(_: Path) -> None:
    """A handshake without certificates between two ends in this process."""
    contexts = [ssl.SSLContext(kind) for kind in (ssl.PROTOCOL_TLS_SERVER, ssl.PROTOCOL_TLS_CLIENT)]
    for context in contexts:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("AECDH-AES256-SHA:@SECLEVEL=0")
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [contexts[0].wrap_bio(up, down, server_side=True), contexts[1].wrap_bio(down, up)]
    for end in (ends[1], ends[0], ends[1], ends[0], ends[1]):
        with suppress(ssl.SSLWantReadError):
            end.do_handshake()


def threads(folder: Path) -> None:
    python(folder, "import _thread, time\nfor i in range(3): _thread.start_new_thread(id, (1,))\ntime.sleep(.1)")


def changes_root(_: Path) -> None:
    ran("/usr/sbin/chroot", "/", "/bin/true")


def connects(_: Path) -> None:
    Sessions(3, "127.0.0.1", "::1", sent=9000)()


def talks(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(str(folder / "socket"))
        server.listen()
        client.connect(str(folder / "socket"))
        peer = server.accept()[0]
        for word in (b"one", b"two"):
            client.send(word)
            peer.recv(10)
        peer.close()


def reads(folder: Path) -> None:
    (folder / "file").write_bytes(bytes(99))
    for _ in range(50):
        (folder / "file").read_bytes()
    time.sleep(1.2)  # until an interval is over


def naps(_: Path) -> None:
    for _i in range(300):
        time.sleep(0.001)


ACTIVITY: dict[str, tuple[Act, str, int]] = {
    "bashreadline": (bash, r"^[\d:]+ +(\d+) +(cd {folder}.*|exit)$", 3),
    "biosnoop": (writes, rf"^\d+ +(7) +(\d+) +(\S+) +({OWN}) +\d+$", 40),
    "capable": (changes_root, r"^[\d:]+ +(\d+) +(\d+) +(chroot) +(\d+) +(CAP_SYS_CHROOT) +(\d+)", 1),
    "execsnoop": (opens, rf"^ *[\d:.]+ (\d+) +({OWN}) +(/bin/cat {{folder}}.*)$", 3),
    "gethostlatency": (looks_up, rf"^[\d:]+ +({OWN}) +(\S+) +\d+ (\S+)$", 2),
    "killsnoop": (kills, rf"^[\d:.]+ +({OWN}) (\S+) +(N/A|SIGCONT|SIGTERM) +(\d+) +(-?\d+)$", 3),
    "naptime": (sleeps, rf"^[\d:]+ ({OWN}) +(\S+) +(\d+) +(sleep) +([\d.]+)$", 2),
    "opensnoop": (opens, r"^(\d+) +(cat) +(-?\d+) +(\d+) +({folder}\S+)$", 3),
    "setuids": (users, r"^[\d:]+ (\d+) +(shipped-python) +(\d+) +(\S+) +(.*)$", 3),
    "sslsnoop": (shakes_hands, rf"^\d+ +({OWN}) +(\S+) +\d+ +(-?\d+) (\S+)$", 5),
    "statsnoop": (asks, r"^(\d+) +(\S+) +(\d+) ({folder}\S*)$", 3),
    "syncsnoop": (syncs, rf"^[\d:]+ +({OWN}) +(\S+) +(\S+)$", 3),
    "tcpaccept": (connects, rf"^[\d:]+ ({OWN}) +(\S+) +(\S+) +(\d+) +(\S+) +(\d+) +(\S+)$", 6),
    "tcpconnect": (connects, rf"^[\d:]+ ({OWN}) +(\S+) +(\S+) +(\d+) +(\S+) +(\d+) *$", 6),
    "tcplife": (connects, rf"^({OWN}) +(\S+) +(\S+) +(\d+) +(\S+) +(\d+) +(\d+) +(\d+) +\d+$", 12),
    "threadsnoop": (threads, r"^[\d:.]+ +(\d+) (shipped-python) +(\S+)$", 3),
    "undump": (talks, rf"^[\d:]+ (\S+) +({OWN}) +(3) +(one|two)$", 2),
}
"""Tool, what is done, the lines of it that must be equal (`{folder}`: the folder given), and how many they are."""

ADDS_UP: dict[str, tuple[Act, str, int]] = {
    "biolatency": (writes, r"^[\[(].*[\])] +(\d+) \|", 40),
    "biostacks": (writes, r"^[\[(].*[\])] +(\d+) \|", 40),
    "bitesize": (sized_writes, r"^[\[(].*[\])] +(\d+) \|", 18),
    "cpuwalk": (naps, r"^[\[(].*[\])] +(\d+) \|", 1),
    "pidpersec": (forks, r"PIDs/sec: @: (\d+)", 100),
    "runqlat": (naps, r"^[\[(].*[\])] +(\d+) \|", 100),
    "runqlen": (naps, r"^[\[(].*[\])] +(\d+) \|", 1),
    "ssllatency": (shakes_hands, r"\.count = (\d+)", 5),
    "syscount": (naps, r"\[\d+\]: (\d+)", 300),
    "writeback": (syncs, r"^[\d:]+ +\S+ +(\d+) ", 0),
    "tcpdrop": (lambda _: None, r"^[\d:]+ (\d+) ", 0),
    "biolatency-kp": (writes, r"^[\[(].*[\])] +(\d+) \|", 0),
    "dcsnoop": (asks, r"^(\d+) ", 1),
    "vfscount": (reads, r"^@\[vfs_read\]: (\d+)$", 50),
    "vfsstat": (reads, r"^@\[vfs_read\]: (\d+)$", 50),
    "xfsdist": (lambda _: None, r"^[\[(].*[\])] +(\d+) \|", 0),
}
"""Of the whole machine: tool, what is done, the numbers that are added up, and how much that is at least."""

NOTHING: tuple[Act, str, int] = (lambda _: time.sleep(1.2), r"(?!)", 0)  # until an interval is over
"""For the others, which need what the tests do not make: it runs and says what it is."""
