"""TCP sessions of known number and size that tests make: over loopback, and through two network namespaces.

In: how many, to which addresses, how much is sent.  Out: ports and counts, known once they have been made.  What a
newcomer would get wrong: sessions over loopback have both ends in the test's own process, so each is seen twice by
whoever looks at sessions.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.harness.process import environment

FAMILIES = {"127.0.0.1": socket.AF_INET, "::1": socket.AF_INET6, "::ffff:127.0.0.1": socket.AF_INET6}


class Sessions:
    """Opens sessions with itself, one after the other, and keeps what is to be seen of them."""

    def __init__(self, count: int, *addresses: str, sent: int = 0, answered: int = 0) -> None:
        self.count, self.addresses, self.sent, self.answered = count, addresses, sent, answered
        self.pairs: list[tuple[str, int, int]] = []
        """Address, the client's port, the server's port."""

    def __call__(self) -> None:
        for address in self.addresses:
            with socket.socket(FAMILIES[address]) as server:
                server.bind((address, 0))
                server.listen()
                for _ in range(self.count):
                    self._session(server, address)

    def _session(self, server: socket.socket, address: str) -> None:
        port = server.getsockname()[1]
        client = socket.create_connection((address, port))
        peer = server.accept()[0]
        self.pairs.append((address.removeprefix("::ffff:"), client.getsockname()[1], port))
        for source, sink, size in ((client, peer, self.sent), (peer, client, self.answered)):
            source.sendall(bytes(size))
            while size:
                size -= len(sink.recv(65536))
        client.close()
        assert peer.recv(1) == b""
        peer.close()


CLIENT = """
import socket, struct, sys, time
s = socket.create_connection(("10.99.0.2", int(sys.argv[1])))
print(s.getsockname()[1], flush=True)
sys.stdin.readline()
s.send(bytes(100))
again = lambda: struct.unpack_from("I", s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104), 100)[0]
while again() < 3:
    time.sleep(.01)
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
print(again(), flush=True)
s.close()
"""
SERVER = """
import socket, sys
with socket.create_server(("10.99.0.2", 0)) as server:
    print(server.getsockname()[1], flush=True)
    peer = server.accept()[0]
    sys.stdin.readline()
"""
LOSS = {
    "neighbour": "ip -n {ns}a neigh replace 10.99.0.2 lladdr 02:00:00:00:00:99 nud permanent dev pt0",
    "netem": "ip netns exec {ns}a tc qdisc add dev pt0 root netem loss 100%",
}


def shell(commands: str) -> None:
    subprocess.run(["bash", "-ec", commands], check=True, env=environment())


@contextmanager
def namespaces() -> Iterator[str]:
    """Two network namespaces that a veth pair joins, called NAMEa (10.99.0.1) and NAMEb (10.99.0.2)."""
    ns = f"pytrace{os.getpid()}"
    try:
        shell(
            f"ip netns add {ns}a; ip netns add {ns}b; ip link add pt0 netns {ns}a type veth peer name pt1 netns {ns}b\n"
            f"ip -n {ns}a addr add 10.99.0.1/24 dev pt0; ip -n {ns}b addr add 10.99.0.2/24 dev pt1\n"
            f"ip -n {ns}a link set pt0 up; ip -n {ns}b link set pt1 up"
        )
        yield ns
    finally:
        shell(f"for n in {ns}a {ns}b; do ip netns del $n || true; done")


@contextmanager
def python(ns: str, script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    words = ["ip", "netns", "exec", ns, sys.executable, "-S", "-c", script, *arguments]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()) as child:
        yield child


def line_of(child: subprocess.Popen[str], say: str = "") -> int:
    """The number that the child prints next, after `say` has been said to it."""
    assert child.stdin and child.stdout
    if say:
        child.stdin.write(say)
        child.stdin.flush()
    return int(child.stdout.readline())


class Lossy:
    """A session in which everything is lost from some moment on, until three segments were sent again."""

    def __init__(self, loss: str) -> None:
        self.loss = loss
        self.ports, self.again = (0, 0), 0

    def __call__(self) -> None:
        with namespaces() as ns, python(ns + "b", SERVER) as server:
            port = line_of(server)
            with python(ns + "a", CLIENT, str(port)) as client:
                self.ports = line_of(client), port
                time.sleep(0.2)
                shell(LOSS[self.loss].format(ns=ns))
                self.again = line_of(client, "go\n")
