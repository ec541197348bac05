"""The bundled tools on TCP connections of known number and size, over loopback and a pair of network namespaces."""

from __future__ import annotations

import os
import re
import socket
from contextlib import suppress
from pathlib import Path

import pytest

from tests.harness.tools import traced
from tests.harness.tracer import SCALE
from tests.harness.traffic import FAMILIES, Lossy, Sessions

pytestmark = [
    pytest.mark.feature("root", "btf", "tracepoint"),
    pytest.mark.usefixtures("nothing_left_behind"),
]
OWN = os.getpid()
COMM = Path("/proc/self/comm").read_text().strip()


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

        assert len(traced(f"{pytrace} tcpconnect -P 1,{port},2", act)) == 2
        assert len(traced(f"{pytrace} tcpconnect -P {port} -u 12345", act)) == 1


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


# ---------------------------------------------------------------- tcpretrans

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
