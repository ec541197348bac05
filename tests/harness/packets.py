"""Known traffic between two network namespaces, tcpdump's capture of it, and what a capture file holds.

In: a pair of namespaces made for one test.  Out: packets as (length, bytes), to be compared as multisets: two captures
may see those of two CPUs in another order.  What a newcomer would get wrong: tcpdump hands packets on in blocks, so
its file is complete only when it holds the last packet of the traffic, which is there to be waited for.
"""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.harness.process import environment
from tests.harness.tracer import SCALE

LAST = b"the last packet"
TRAFFIC = """
import ctypes, fcntl, os, select, socket, struct, subprocess, sys, threading

near, far, last = sys.argv[1:]
libc = ctypes.CDLL(None)

def enter(name):
    fd = os.open("/run/netns/" + name, os.O_RDONLY)
    assert libc.setns(fd, 0x40000000) == 0
    os.close(fd)

def receive(peer, size):
    while size:
        size -= len(peer.recv(1 << 20))

enter(far)
servers = [socket.create_server((a, 7007), family=f) for a, f in
           (("10.98.0.2", socket.AF_INET), ("fd98::2", socket.AF_INET6))]
sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sink.bind(("10.98.0.2", 9000))
enter(near)
with open("/proc/self/exe", "rb") as pages:  # sent without a copy: packets in pieces
    for server in servers:
        client = socket.create_connection(server.getsockname()[:2])
        peer = server.accept()[0]
        reader = threading.Thread(target=receive, args=(peer, 350_000))
        reader.start()
        client.sendall(os.urandom(200_000))
        done = 0
        while done < 150_000:
            done += os.sendfile(client.fileno(), pages.fileno(), done, 150_000 - done)
        reader.join()
        client.close()
        assert peer.recv(1) == b""
        peer.close()
source = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for size in (0, 1, 100, 1472, 1473, 20000):  # the last two in fragments
    source.sendto(b"u" * size, ("10.98.0.2", 9000))
source.sendto(b"nobody listens", ("10.98.0.2", 9001))
for address in ("10.98.0.2", "fd98::2", "127.0.0.1"):
    subprocess.run(["ping", "-q", "-c2", "-i0.2", address], check=True, stdout=subprocess.DEVNULL)
source.sendto(b"l" * 65507, ("127.0.0.1", 9000))
tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, 0x400454CA, struct.pack("16sH22x", b"tn0", 0x1001))  # TUNSETIFF, IFF_TUN and IFF_NO_PI
while not select.select([tun], [], [], 0.2)[0]:  # the kernel hears a little later that the tunnel is there
    source.sendto(b"into the tunnel", ("10.96.0.2", 9))
sent = os.read(tun, 2000)
os.write(tun, sent[:12] + sent[16:20] + sent[12:16] + sent[20:])  # and back
raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
raw.bind(("pt0", 0x88B5))
for kind in (b"\\x88\\xb5", b"\\x81\\x00\\x60\\x07\\x88\\xb5", b"\\x81\\x00\\x00\\x09\\x08\\x00"):
    raw.send(b"\\xff" * 6 + b"\\x02\\0\\0\\0\\0\\1" + kind + bytes(60))
for address in ("127.0.0.1", "10.96.0.2", "10.98.0.2"):
    source.sendto(last.encode(), (address, 9))
"""
RINGED = """
import ctypes, mmap, os, socket, struct, sys

fd = os.open("/run/netns/" + sys.argv[1], os.O_RDONLY)
assert ctypes.CDLL(None).setns(fd, 0x40000000) == 0
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.setsockopt(263, 13, struct.pack("IIII", 4096, 1, 2048, 2))  # SOL_PACKET, PACKET_TX_RING: a page of two frames
s.bind(("pt0", 0x0800))
ring = mmap.mmap(s.fileno(), 4096)
udp = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 228, 0, 0, 64, 17, 0, socket.inet_aton("10.98.0.1"),
                  socket.inet_aton("10.98.0.2")) + struct.pack(">HHHH", 9000, 9000, 208, 0) + b"r" * 200
frame = b"\\xff" * 6 + b"\\x02\\0\\0\\0\\0\\1\\x08\\0" + udp
ring[32 : 32 + len(frame)] = frame  # behind struct tpacket_hdr
ring[8:12] = struct.pack("I", len(frame))
ring[0:8] = struct.pack("Q", 1)  # TP_STATUS_SEND_REQUEST
assert s.send(b"") == len(frame)
"""
"""One packet of UDP all of which, but for the link-layer header, the kernel has in a page."""
LAST_TO_VLAN = """
import ctypes, os, socket, sys

fd = os.open("/run/netns/" + sys.argv[1], os.O_RDONLY)
assert ctypes.CDLL(None).setns(fd, 0x40000000) == 0
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"the last packet", ("10.97.0.2", 9))
"""
GROUPS = "/proc/sys/net/ipv6/conf/{}/mldv2_unsolicited_report_interval"
"""Milliseconds between the reports of multicast groups that go out when an address is added."""
Packets = Counter[tuple[int, bytes]]


def shell(commands: str) -> None:
    subprocess.run(["bash", "-ec", commands], check=True, env=environment())


@contextmanager
def pair() -> Iterator[tuple[str, str]]:
    """Two network namespaces that a veth pair joins, pt0 (10.98.0.1, fd98::1) and pt1 (10.98.0.2, fd98::2), the near
    one with a tunnel, tn0 (10.96.0.1).

    No address is made by itself and no neighbour asked for again, so that nothing is sent but what the test sends.
    """
    near, far = f"pytrace{os.getpid()}near", f"pytrace{os.getpid()}far"
    try:
        shell(f"ip netns add {near}; ip netns add {far}")
        shell(f"ip link add pt0 netns {near} type veth peer name pt1 netns {far}")
        for ns, dev, number in ((near, "pt0", 1), (far, "pt1", 2)):
            shell(
                f"ip -n {ns} link set {dev} addrgenmode none; ip -n {ns} link set lo up\n"
                f"nsenter --net=/run/netns/{ns} bash -c 'echo 1 >{GROUPS.format(dev)}'\n"
                f"ip -n {ns} addr add 10.98.0.{number}/24 dev {dev}\n"
                f"ip -n {ns} addr add fd98::{number}/64 dev {dev} nodad\n"
                f"ip -n {ns} link set {dev} up\n"
                f"for cache in arp_cache ndisc_cache; do\n"
                f"ip -n {ns} ntable change name $cache dev {dev} delay_probe 600000; done"
            )
        shell(
            f"ip -n {near} tuntap add tn0 mode tun; ip -n {near} link set tn0 addrgenmode none\n"
            f"ip -n {near} addr add 10.96.0.1/24 dev tn0; ip -n {near} link set tn0 up"
        )
        _wait(lambda: "tentative" not in subprocess.getoutput(f"ip -n {near} addr; ip -n {far} addr"))
        _wait(lambda: all(_reports(ns, dev) >= 2 for ns, dev in ((near, "pt0"), (far, "pt1"))))
        yield near, far
    finally:
        shell(f"for n in {near} {far}; do ip netns del $n || true; done")


def _reports(ns: str, dev: str) -> int:
    """How many reports of multicast groups have gone out: two for the address, when the kernel has seen the carrier."""
    counters = subprocess.getoutput(f"nsenter --net=/run/netns/{ns} cat /proc/net/dev_snmp6/{dev}")
    return int(counters.partition("Icmp6OutMLDv2Reports")[2].split()[0])


def traffic(near: str, far: str) -> None:
    """UDP whole and in fragments, TCP with segments in pieces, ARP, ICMP, IPv6, VLAN tags, loopback, and a tunnel."""
    python(TRAFFIC, near, far, LAST.decode())


def python(script: str, *arguments: str) -> None:
    """Run a script to its end."""
    words = [sys.executable, "-S", "-c", script, *arguments]
    subprocess.run(words, check=True, env=environment(), timeout=SCALE * 30)


@contextmanager
def tcpdump(ns: str, interface: str, file: Path, *options: str) -> Iterator[None]:
    """tcpdump's own capture; at the end it has seen the last packet."""
    words = ["nsenter", f"--net=/run/netns/{ns}", "tcpdump", "-U", "-B", "65536", "-Z", "root", "-i", interface]
    with subprocess.Popen(
        [*words, "-w", str(file), *options], stderr=subprocess.PIPE, text=True, env=environment()
    ) as child:
        assert child.stderr is not None
        said = ""
        while "listening on" not in said:
            said = child.stderr.readline()
            assert said, child.wait()
        try:
            yield
            _wait(lambda: file.read_bytes().endswith(LAST))
        finally:
            child.send_signal(signal.SIGINT)
        assert " 0 packets dropped by kernel" in " " + child.stderr.read().replace("\n", " ")


def _wait(condition: object) -> None:
    deadline = time.monotonic() + SCALE * 20
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def packets(file: Path | bytes) -> Packets:
    """All packets of a capture file, which must be whole."""
    data = file if isinstance(file, bytes) else file.read_bytes()
    at, found = 24, Packets()
    while at < len(data):
        _, _, kept, length = struct.unpack_from("<IIII", data, at)
        assert at + 16 + kept <= len(data)
        found[length, data[at + 16 : at + 16 + kept]] += 1
        at += 16 + kept
    return found


def chosen(file: Path, *expression: str) -> Packets:
    """What tcpdump takes out of a capture file by an expression."""
    done = subprocess.run(
        ["tcpdump", "-r", str(file), "-w", "-", *expression], check=True, capture_output=True, env=environment()
    )
    return packets(done.stdout)
