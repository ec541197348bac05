"""The bundled tools on TCP connections of known number and size, over loopback and a pair of network namespaces."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.harness.process import environment
from tests.harness.tools import reference_tool, together, traced
from tests.harness.tracer import SCALE

pytestmark = [
    pytest.mark.feature("root", "btf", "tracepoint"),
    pytest.mark.usefixtures("nothing_left_behind"),
]
OWN = os.getpid()
COMM = Path("/proc/self/comm").read_text().strip()
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


def rows(lines: list[str]) -> list[list[str]]:
    return [line.split() for line in lines[1:]]


def version(address: str) -> str:
    return "6" if ":" in address else "4"


# ---------------------------------------------------------------- tcpconnect


def test_tcpconnect_shows_each_connection(pytrace: str) -> None:
    act = Sessions(3, *FAMILIES)
    lines = traced(f"{pytrace} tcpconnect -p {OWN}", act)
    assert lines[0].split() == ["PID", "COMM", "IP", "SADDR", "DADDR", "DPORT"]
    expected = [[str(OWN), COMM[:12], version(a), a, a, str(port)] for a, _, port in act.pairs]
    assert len(expected) == 9 and rows(lines) == expected


def test_tcpconnect_columns_and_filters(pytrace: str) -> None:
    act = Sessions(2, "127.0.0.1", "::1")
    lines = traced(f"{pytrace} tcpconnect -LtU -p {OWN}", act)
    assert lines[0].split() == "TIME(s) UID PID COMM IP SADDR LPORT DADDR DPORT".split()
    assert [[row[1], *row[5:]] for row in rows(lines)] == [["0", a, str(c), a, str(s)] for a, c, s in act.pairs]
    act = Sessions(2, "127.0.0.1", "::1")
    lines = traced(f"{pytrace} tcpconnect -6 -p {OWN}", act)
    assert [row[2] for row in rows(lines)] == ["6", "6"]
    act = Sessions(5, "127.0.0.1")
    lines = traced(f"{pytrace} tcpconnect -c -p {OWN}", act)
    assert lines[0] == "Tracing connect ... Hit Ctrl-C to end"
    assert lines[1].split() == ["LADDR", "RADDR", "RPORT", "CONNECTS"]
    assert [line.split() for line in lines[2:]] == [["127.0.0.1", "127.0.0.1", str(act.pairs[0][2]), "5"]]


def test_tcpconnect_shows_refused_connections(pytrace: str) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]

        def act() -> None:
            with suppress(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", port))

        assert len(traced(f"{pytrace} tcpconnect -P {port}", act)) == 2
        assert len(traced(f"{pytrace} tcpconnect -P {port} -u 12345", act)) == 1


@pytest.mark.feature("kprobe")
def test_tcpconnect_agrees_with_the_reference(pytrace: str) -> None:
    act = Sessions(3, "127.0.0.1", "::1")
    ours, theirs = together(f"{pytrace} tcpconnect -L -p {OWN}", reference_tool("tcpconnect"), act)
    seen = [line.split()[1:] for line in theirs if f" {OWN} " in line]
    assert len(seen) == 6 and [[*row[:2], *row[3:]] for row in rows(ours)] == seen


# ---------------------------------------------------------------- tcpaccept


def test_tcpaccept_shows_each_connection(pytrace: str) -> None:
    act = Sessions(3, *FAMILIES)
    lines = traced(f"{pytrace} tcpaccept -p {OWN}", act)
    assert lines[0].split() == ["PID", "COMM", "IP", "RADDR", "RPORT", "LADDR", "LPORT"]
    expected = [[str(OWN), COMM[:12], version(a), a, str(c), a, str(s)] for a, c, s in act.pairs]
    assert len(expected) == 9 and rows(lines) == expected


def test_tcpaccept_leaves_out_other_sockets(pytrace: str, tmp_path: Path) -> None:
    def act() -> None:
        with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
            server.bind(str(tmp_path / "socket"))
            server.listen()
            client.connect(str(tmp_path / "socket"))
            server.accept()[0].close()
        Sessions(2, "127.0.0.1", "::1")()

    lines = traced(f"{pytrace} tcpaccept -Tt -4 -p {OWN}", act)
    assert lines[0].split()[:3] == ["TIME", "TIME(s)", "PID"]
    assert len(lines) == 3
    assert all(re.fullmatch(r"\d\d:\d\d:\d\d", row[0]) and row[4] == "4" for row in rows(lines))


@pytest.mark.feature("kprobe")
def test_tcpaccept_agrees_with_the_reference(pytrace: str) -> None:
    act = Sessions(3, "127.0.0.1", "::1")
    ours, theirs = together(f"{pytrace} tcpaccept -p {OWN}", reference_tool("tcpaccept"), act)
    seen = [line.split()[1:-1] for line in theirs if f" {OWN} " in line]
    assert len(seen) == 6 and [[*row[:2], *row[3:]] for row in rows(ours)] == seen


# ---------------------------------------------------------------- tcplife


def both_ends(act: Sessions) -> list[list[str]]:
    """Both ends of each session: addresses, ports, kilobytes."""
    sent, answered = str(act.sent // 1024), str(act.answered // 1024)
    found = []
    for address, client, server in act.pairs:
        found.append([address, str(client), address, str(server), sent, answered])
        found.append([address, str(server), address, str(client), answered, sent])
    return found


def test_tcplife_shows_both_ends(pytrace: str) -> None:
    act = Sessions(2, *FAMILIES, sent=64 << 10, answered=16 << 10)
    lines = traced(f"{pytrace} tcplife -p {OWN}", act)
    assert lines[0].split() == "PID COMM LADDR LPORT RADDR RPORT TX_KB RX_KB MS".split()
    found = rows(lines)
    assert sorted(row[2:8] for row in found) == sorted(both_ends(act)) and len(found) == 12
    assert all(row[:2] == [str(OWN), COMM[:10]] and 0 <= float(row[8]) < 2000 * SCALE for row in found)


def test_tcplife_forms_and_filters(pytrace: str) -> None:
    act = Sessions(1, "127.0.0.1", "::1")
    lines = traced(f"{pytrace} tcplife -s -t -p {OWN}", act)
    assert lines[0] == "TIME(s),PID,COMM,IP,LADDR,LPORT,RADDR,RPORT,TX_KB,RX_KB,MS"
    assert len(lines) == 5 and all(line.count(",") == 10 for line in lines)
    act = Sessions(1, "127.0.0.1", "::1")
    lines = traced(f"{pytrace} tcplife -w -6 -p {OWN}", act)
    assert lines[0].split() == "PID COMM IP LADDR LPORT RADDR RPORT TX_KB RX_KB MS".split()
    assert [row[2] for row in rows(lines)] == ["6", "6"]


@pytest.mark.feature("kprobe")
def test_tcplife_agrees_with_the_reference(pytrace: str) -> None:
    act = Sessions(3, "127.0.0.1", sent=64 << 10, answered=16 << 10)
    ours, theirs = together(f"{pytrace} tcplife -p {OWN}", reference_tool("tcplife"), act)
    ports = {str(port) for _, client, server in act.pairs for port in (client, server)}
    seen = [line.split()[2:8] for line in theirs if len(line.split()) == 9 and line.split()[3] in ports]
    assert len(seen) == 6 and [row[2:8] for row in rows(ours)] == seen


# ---------------------------------------------------------------- tcpretrans

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
    ns = f"pytrace{OWN}"
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


@pytest.mark.parametrize(
    "loss", ["neighbour", pytest.param("netem", marks=[pytest.mark.feature("netem")])]
)
@pytest.mark.feature("netns")
def test_tcpretrans_shows_each_segment_sent_again(pytrace: str, loss: str) -> None:
    act = Lossy(loss)
    lines = traced(f"{pytrace} tcpretrans -ls", act)
    assert lines[0].split() == "TIME PID IP LADDR:LPORT T> RADDR:RPORT STATE SEQ".split()
    found = [row for row in rows(lines) if row[3] == f"10.99.0.1:{act.ports[0]}"]
    assert act.again >= 3 and len(found) == act.again
    for row in found:
        assert row[2] == "4" and row[4] in ("R>", "L>")
        assert row[5:7] == [f"10.99.0.2:{act.ports[1]}", "ESTABLISHED"]
    assert len({row[7] for row in found}) == 1  # the one segment, again and again
    assert found[-1][4] == "R>"


@pytest.mark.feature("netns")
def test_tcpretrans_counts(pytrace: str) -> None:
    act = Lossy("neighbour")
    lines = traced(f"{pytrace} tcpretrans -c", act)
    assert lines[1].split() == ["LADDR:LPORT", "RADDR:RPORT", "RETRANSMITS"]
    expected = [f"10.99.0.1:{act.ports[0]}", f"10.99.0.2:{act.ports[1]}", str(act.again)]
    assert expected in [line.split() for line in lines[2:]]


@pytest.mark.feature("netns", "kprobe")
def test_tcpretrans_agrees_with_the_reference(pytrace: str) -> None:
    act = Lossy("neighbour")
    ours, theirs = together(f"{pytrace} tcpretrans", reference_tool("tcpretrans"), act)
    assert len([row for row in rows(ours) if row[3].startswith("10.99.0.1:")]) == act.again
    assert len([line for line in theirs if re.match(r"\S+ +\d+ +10\.99\.0\.1:", line)]) == act.again
