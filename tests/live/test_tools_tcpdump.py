"""`pytrace tcpdump` beside tcpdump on the same traffic: every packet, every byte, every line.

All tracers run at once on one traffic, since each takes two seconds to be compiled: the fixture `seen` has what they
wrote and printed, and each test looks at its part of it.
"""

from __future__ import annotations

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.harness import machine
from tests.harness.packets import RINGED, Packets, chosen, packets, pair, python, tcpdump, traffic
from tests.harness.process import environment, pytrace_command, run
from tests.harness.tools import finished, traced

FEATURES = ("root", "btf", "rawtracepoint", "netns", "tcpdump", "skb_dynptr")
pytestmark = [pytest.mark.feature(*FEATURES), pytest.mark.usefixtures("nothing_left_behind")]

PLACES = {"near pt0": 90, "far pt1": 90, "near lo": 6, "near any": 100}
"""Namespace and interface, and how many packets there are at least."""
EXPRESSIONS = (
    "udp and dst port 9000 and src host 10.98.0.1", "host fd98::2 and tcp", "ip6 and src port 7007", "arp",
    "icmp and dst 10.98.0.1",
)  # fmt: skip
DIRECTIONS = {"in": "inbound", "out": "outbound"}
TRACERS = {
    **{place: f"-i {place.split()[1]}" for place in PLACES},
    **{expression: f"-i pt0 {expression}" for expression in EXPRESSIONS},
    **{direction: f"-Q {direction}" for direction in DIRECTIONS},
    "cut": "-i pt0 -s 60 tcp",
}


class Seen:
    """What all of them saw of the traffic.  `ours`: the files by tracer; `theirs`: tcpdump's by place."""

    def __init__(self, folder: Path) -> None:
        self.ours = {name: folder / f"ours{number}" for number, name in enumerate(TRACERS)}
        self.theirs = {place: folder / f"theirs {place}" for place in PLACES}
        self.said: dict[str, list[str]] = {}
        self.lines: list[str] = []


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    machine.need(*FEATURES)
    found = Seen(tmp_path_factory.mktemp("packets"))
    with pair() as (near, far):

        def command(options: str, ns: str = near) -> str:
            return f"nsenter --net=/run/netns/{ns} {pytrace_command()} tcpdump {options}"

        def tracing(names: list[str]) -> None:
            """One tracer inside the other, and in the innermost the traffic."""
            if names:
                name, *rest = names
                there = command(f"-w {found.ours[name]} {TRACERS[name]}", far if name.startswith("far") else near)
                found.said[name] = traced(there, lambda: tracing(rest))
                return
            with ExitStack() as stack:
                for place, file in found.theirs.items():
                    end, interface = place.split()
                    stack.enter_context(tcpdump(near if end == "near" else far, interface, file))
                traffic(near, far)

        found.lines = traced(command("-nni pt0"), lambda: tracing(list(TRACERS)))
    yield found


@pytest.mark.parametrize("place", PLACES)
def test_tcpdump_writes_what_tcpdump_writes(seen: Seen, place: str) -> None:
    expected, found = packets(seen.theirs[place]), packets(seen.ours[place])
    assert found == expected
    count = sum(expected.values())
    assert seen.said[place] == [f"{count} packets received by filter"] and count > PLACES[place]
    assert max(length for length, _ in expected) > (65535 if place == "near lo" else 15000)
    heads = [file.read_bytes()[4:24] for file in (seen.ours[place], seen.theirs[place])]
    assert heads[0] == heads[1]  # version, snapshot length, link type


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_tcpdump_chooses_what_tcpdump_chooses(seen: Seen, expression: str) -> None:
    expected = chosen(seen.theirs["near pt0"], expression)
    assert expected and packets(seen.ours[expression]) == expected


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_tcpdump_knows_directions(seen: Seen, direction: str) -> None:
    expected = chosen(seen.theirs["near any"], DIRECTIONS[direction])
    assert expected and packets(seen.ours[direction]) == expected


def test_tcpdump_cuts(seen: Seen) -> None:
    whole = chosen(seen.theirs["near pt0"], "tcp")
    cut = Packets()
    for (length, packet), count in whole.items():
        cut[length, packet[:60]] += count
    assert packets(seen.ours["cut"]) == cut


def test_tcpdump_prints_what_tcpdump_prints(seen: Seen) -> None:
    printed = subprocess.run(
        ["tcpdump", "-nSr", seen.theirs["near pt0"]], check=True, capture_output=True, text=True, env=environment()
    ).stdout.splitlines()
    assert all(re.match(r"\d\d:\d\d:\d\d\.\d{6} ", line) for line in seen.lines)
    assert shown(seen.lines) == shown(printed) and sum(shown(printed).values()) > 90
    assert len([line for line in seen.lines if " ethertype 0x88b5, length " in line]) == 3


def shown(lines: list[str]) -> Counter[str]:
    """Lines about IP and ARP without their times, and without the options of TCP, which we do not print."""
    bare = (re.sub(r", options \[[^]]*\]", "", line.partition(" ")[2]) for line in lines)
    return Counter(line for line in bare if re.match("IP6? |ARP,", line))


def test_tcpdump_ends_after_a_count(pytrace: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    with pair() as (near, far):
        command = f"nsenter --net=/run/netns/{near} {pytrace} tcpdump -c 20 -w - tcp >{file}"
        done = finished(command, lambda: traffic(near, far), interrupt=False)
    assert done.status == 0 and not done.timed_out, done.describe()
    assert sum(packets(file).values()) == 20  # and nothing but the file is in it


def test_tcpdump_says_what_it_left_out(pytrace: str, tmp_path: Path) -> None:
    whole, part = tmp_path / "whole", tmp_path / "part"
    with pair() as (near, _):
        command = f"nsenter --net=/run/netns/{near} {pytrace} tcpdump -i pt0 -w"
        outer: list[str] = []

        def act() -> None:
            outer.extend(traced(f"{command} {whole}", lambda: python(RINGED, near)))

        done = finished(f"{command} {part} udp", act)
    assert outer == ["1 packets received by filter"] and not packets(part)
    ((length, packet),) = packets(whole)
    assert length == 242 and packet.endswith(b"r" * 200)
    assert "WARNING: 1 packets left out, of which the kernel has the headers in several pieces" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("-i nosuch0", "nosuch0: no such interface"),
        ("-i lo -w /no/such/file", "failed to open file '/no/such/file' (No such file or directory)"),
        ("-Q sideways", "direction is in, out or inout, not 'sideways'"),
    ],
)
def test_tcpdump_refuses(pytrace: str, options: str, message: str) -> None:
    done = run(f"{pytrace} tcpdump {options}", timeout=40)
    assert done.status == 1 and message in done.stderr, done.describe()
    assert done.stdout.strip() in ("", "0 packets received by filter")


def test_tcpdump_stops_at_a_full_disk_with_whole_packets(pytrace: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    with pair() as (near, far):
        command = f"nsenter --net=/run/netns/{near} {pytrace} tcpdump -w {file}"
        limited = f"bash -c 'ulimit -f 64; trap \"\" XFSZ; exec {command}'"
        done = finished(limited, lambda: traffic(near, far), interrupt=False)
    assert done.status == 1 and f"failed to write file '{file}' (File too large)" in done.stderr, done.describe()
    assert packets(file) and file.stat().st_size <= 64 << 10
