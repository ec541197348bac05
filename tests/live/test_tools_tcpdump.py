"""`pytrace tcpdump` beside tcpdump on the same traffic: every packet, every byte, every line.

All tracers run at once on one traffic: the fixture `seen` has what they wrote and printed, and each test looks at its
part of it.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.harness import machine
from tests.harness.packets import (
    LAST_TO_VLAN,
    RINGED,
    Packets,
    chosen,
    packets,
    pair,
    python,
    shell,
    tcpdump,
    traffic,
)  # fmt: skip
from tests.harness.process import environment, pytrace_command, run
from tests.harness.tools import at_once, finished, traced

FEATURES = ("root", "btf", "rawtracepoint", "netns", "tcpdump", "tun", "skb_dynptr")
pytestmark = [pytest.mark.feature(*FEATURES), pytest.mark.usefixtures("nothing_left_behind")]

PLACES = {"near pt0": 90, "far pt1": 90, "near lo": 6, "near tn0": 3, "near any": 100}
"""Namespace and interface, and how many packets there are at least."""
EXPRESSIONS = {
    "udp and dst port 9000 and src host 10.98.0.1": "near pt0",
    "host fd98::2 and tcp": "near pt0",
    "ip6 and src port 7007": "near pt0",
    "arp": "near pt0",
    "icmp and dst 10.98.0.1": "near pt0",
    "udp port 9000": "near lo",  # of 65,507 bytes, of which only the headers are in the first piece
}
LINES = "lines"
DIRECTIONS = {"in": "inbound", "out": "outbound"}
TRACERS = {
    **{place: f"-i {place.split()[1]}" for place in PLACES},
    **{expression: f"-i {place.split()[1]} {expression}" for expression, place in EXPRESSIONS.items()},
    **{direction: f"-Q {direction}" for direction in DIRECTIONS},
    "cut": "-i pt0 -s 60 tcp",
    LINES: "-nni pt0",
}


class Seen:
    """What all of them saw of the traffic.  `ours`: the files by tracer; `theirs`: tcpdump's by place."""

    def __init__(self, folder: Path) -> None:
        self.ours = {name: folder / f"ours{number}" for number, name in enumerate(TRACERS)}
        self.theirs = {place: folder / f"theirs {place}" for place in PLACES}
        self.said: dict[str, list[str]] = {}


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    machine.need(*FEATURES)
    found = Seen(tmp_path_factory.mktemp("packets"))
    with pair() as (near, far):

        def command(name: str) -> str:
            there = f"nsenter --net=/run/netns/{far if name.startswith('far') else near} {pytrace_command()} tcpdump"
            return f"{there} {TRACERS[name]}" + (f" -w {found.ours[name]}" if name != LINES else "")

        def act() -> None:
            with ExitStack() as stack:
                for place, file in found.theirs.items():
                    end, interface = place.split()
                    stack.enter_context(tcpdump(near if end == "near" else far, interface, file))
                traffic(near, far)

        found.said = at_once({name: command(name) for name in TRACERS}, act)
    yield found


@pytest.mark.parametrize("place", PLACES)
def test_tcpdump_writes_what_tcpdump_writes(seen: Seen, place: str) -> None:
    expected, found = packets(seen.theirs[place]), packets(seen.ours[place])
    assert found == expected
    count = sum(expected.values())
    assert seen.said[place] == [f"{count} packets received by filter"] and count > PLACES[place]
    if place != "near tn0":
        assert max(length for length, _ in expected) > (65535 if place == "near lo" else 2000)  # segments of TCP
    heads = [file.read_bytes()[4:24] for file in (seen.ours[place], seen.theirs[place])]
    assert heads[0] == heads[1]  # version, snapshot length, link type


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_tcpdump_chooses_what_tcpdump_chooses(seen: Seen, expression: str) -> None:
    expected = chosen(seen.theirs[EXPRESSIONS[expression]], expression)
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
    lines = seen.said[LINES]
    assert all(re.match(r"\d\d:\d\d:\d\d\.\d{6} ", line) for line in lines)
    assert shown(lines) == shown(printed) and sum(shown(printed).values()) > 90
    assert len([line for line in lines if " ethertype 0x88b5, length " in line]) == 3


def shown(lines: list[str]) -> Counter[str]:
    """Lines about IP and ARP without their times, and without the options of TCP, which we do not print."""
    bare = (re.sub(r", options \[[^]]*\]", "", line.partition(" ")[2]) for line in lines)
    return Counter(line for line in bare if re.match("IP6? |ARP,", line))


@pytest.mark.feature("vlan")
def test_tcpdump_puts_tags_back(pytrace: str, tmp_path: Path) -> None:
    """The kernel keeps the tag of a VLAN beside the packet; and what is received there is seen below."""
    files = {name: tmp_path / name for name in ("near", "far", "vlan", "near theirs", "far theirs", "vlan theirs")}
    with pair() as (near, far):
        for ns, dev, number in ((near, "pt0", 1), (far, "pt1", 2)):
            shell(
                f"ip -n {ns} link add link {dev} name {dev}.5 type vlan id 5\n"
                f"ip -n {ns} link set {dev}.5 addrgenmode none; ip -n {ns} addr add 10.97.0.{number}/24 dev {dev}.5\n"
                f"ip -n {ns} link set {dev}.5 up\n"
                f"ip -n {ns} ntable change name arp_cache dev {dev}.5 delay_probe 600000"
            )

        def act() -> None:
            with (
                tcpdump(near, "pt0", files["near theirs"]),
                tcpdump(far, "pt1", files["far theirs"]),
                tcpdump(near, "pt0.5", files["vlan theirs"]),
            ):
                shell(f"nsenter --net=/run/netns/{near} ping -q -c2 -s 1000 10.97.0.2")
                python(LAST_TO_VLAN, near)

        def command(ns: str, dev: str, file: str) -> str:
            return f"nsenter --net=/run/netns/{ns} {pytrace} tcpdump -i {dev} -w {files[file]}"

        def inner() -> None:
            traced(command(far, "pt1", "far"), act)

        done = finished(command(near, "pt0.5", "vlan"), lambda: traced(command(near, "pt0", "near"), inner))
    assert "WARNING: what pt0.5 receives is not seen here, but on the interface below it" in done.stderr
    for name in ("near", "far"):
        expected = packets(files[f"{name} theirs"])
        assert packets(files[name]) == expected
        assert len([packet for _, packet in expected if packet[12:16] == b"\x81\0\0\5"]) > 5
    source = next(packet[6:12] for _, packet in packets(files["vlan theirs"]) if packet.endswith(b"the last packet"))
    sent = Counter({k: n for k, n in packets(files["vlan theirs"]).items() if k[1][6:12] == source})
    assert packets(files["vlan"]) == sent


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


def test_tcpdump_terminated_in_the_middle_leaves_whole_packets(pytrace: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    with pair() as (near, far):

        def act(pid: int) -> None:
            with ThreadPoolExecutor(1) as pool:
                going = pool.submit(traffic, near, far)
                while file.stat().st_size < 100_000 and not going.done():
                    time.sleep(0.001)
                os.kill(pid, signal.SIGTERM)
                going.result()

        command = f"nsenter --net=/run/netns/{near} {pytrace} tcpdump -w {file}"
        done = run(command, timeout=60, when_attached=act)
    assert not done.timed_out, done.describe()
    assert file.stat().st_size >= 100_000 and packets(file)


def test_tcpdump_stops_at_a_full_disk_with_whole_packets(pytrace: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    with pair() as (near, far):
        command = f"nsenter --net=/run/netns/{near} {pytrace} tcpdump -w {file}"
        limited = f"bash -c 'ulimit -f 64; trap \"\" XFSZ; exec {command}'"
        done = finished(limited, lambda: traffic(near, far), interrupt=False)
    assert done.status == 1 and f"failed to write file '{file}' (File too large)" in done.stderr, done.describe()
    assert packets(file) and file.stat().st_size <= 64 << 10
