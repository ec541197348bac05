"""`pcap_open()`, `pcap_write()`: packets into a capture file as a packet socket shows them; functions of our own.

Place in the pipeline: rows; type rules for sema, lowering for codegen, handlers for the runtime.  In: calls in raw
tracepoints, later records that hold packets.  Out: a pcap file with link-layer headers.  What a newcomer would get
wrong: where a packet leaves, `skb->data` is its link-layer header; where one comes in, that header is in front of it
and the tag of its VLAN is in neither.  Source: net/packet/af_packet.c (`tpacket_rcv`), libpcap's pcap-linux.c, and
LINKTYPE_LINUX_SLL2.
"""

from __future__ import annotations

from struct import Struct as Form
from struct import pack

from pytrace.registry import FunctionDef, Kind, Param
from pytrace.runtime.packet_file import COOKED, ETHERNET, LONGEST, packet_file
from pytrace.types import INT32, NONE, UINT8, UINT16, UINT32, UINT64, Array, Buffer, Pointer, Space, Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from pytrace.facets import CallSite, Handling, Lowering
    from pytrace.program import EventSpec, Layout
    from pytrace.registry import Handler
    from pytrace.sema import typed
    from pytrace.types import Field, Type

_WRITE, _OPEN = "functions.captures:pcap_write", "functions.captures:pcap_open"
_ROOM = (192, 1600, 16384, 69632, LONGEST)
"""Bytes of packet in a record: a record is as long as the least of these that the packet fits in."""
_FRONT = 14
"""Bytes of an Ethernet header, ETH_HLEN."""
_NO_HEADER = 0xFFFF
"""`mac_header` of a packet that has none."""
_OUTGOING = 4
"""PACKET_OUTGOING of linux/if_packet.h."""
_DYNPTR = 16
"""sizeof(struct bpf_dynptr)."""
_READ_WHOLE = "bpf_dynptr_from_skb"
_SKB = (
    "data", "head", "len", "data_len", "mac_header", "network_header", "protocol", "pkt_type", "vlan_tci", "vlan_proto",
    "dev",
)  # fmt: skip
_PRESENT = ("vlan_all", "vlan_present")
"""What says that the packet has a tag: before Linux 6.2 a bit of its own."""
_DEVICE = ("ifindex", "type")


# ---------------------------------------------------------------- types


def _members(site: CallSite, struct: str, names: tuple[str, ...]) -> dict[str, Field] | None:
    t = site.type_named(struct, "struct")
    found = {name: t.layout.find(name) for name in names} if isinstance(t, Struct) else {}
    there = {name: member for name, member in found.items() if member is not None}
    return there if len(there) == len(names) else None


def _open_rule(site: CallSite) -> Type:
    """`data`: the file."""
    site.data = str(site.literal(0))
    return NONE


def _write_rule(site: CallSite) -> Type:
    """`data`: the file, members of struct sk_buff and of struct net_device, and whether all of a packet can be read."""
    skb, packet = site.arg_type(3), None
    for present in _PRESENT:
        packet = packet or _members(site, "sk_buff", (*_SKB, present))
    device = _members(site, "net_device", _DEVICE)
    pointee = skb.pointee if isinstance(skb, Pointer) else None
    if site.final and (not isinstance(pointee, Struct) or pointee.name != "sk_buff"):
        site.error(f"pcap_write() needs a pointer to struct sk_buff ({skb} provided)")
    elif site.final and (packet is None or device is None):
        site.error("pcap_write() needs the members of the kernel's struct sk_buff and struct net_device")
    point = site.attach_point
    whole = point.attach_type == "trace_raw_tp" and site.target.kfunc_allowed(_READ_WHOLE, point.program_type)
    if site.final and not whole:
        site.warning(
            "Programs may not read all of a packet here: what lies outside its first piece is left out",
            hints=["Linux 6.12 or newer does, in raw tracepoints"],
        )
    site.data = (str(site.literal(0)), packet or {}, device or {}, whole)
    return NONE


# ---------------------------------------------------------------- the kernel's half


class _Packet:
    """The members of a packet, read once."""

    def __init__(self, em: Lowering, call: typed.Call, skb: Any) -> None:
        _, packet, device, self.whole = call.data
        self.em, self.call, self.skb = em, call, skb
        self.link, self.sent = em.int64(call.args[1]), em.int64(call.args[4])
        b = em.builder
        self.of = {name: self._member(skb, member) for name, member in packet.items()}
        self.of |= {name: self._member(self.of["dev"], member) for name, member in device.items()}
        self.leaves = b.icmp_unsigned("!=", self.sent, em.const(0))
        self.is_ethernet = b.icmp_unsigned("==", self.link, em.const(ETHERNET))
        self.skipped = self._skipped()
        self.rest = b.sub(self.of["len"], self.skipped)

    def _member(self, start: Any, member: Field) -> Any:
        """An integer or pointer member, as 64 bits."""
        em, b = self.em, self.em.builder
        memory = em.local(8)
        bits, offset, size = member.bitfield, member.offset, member.type.size
        em.read(memory, em.const(size), b.add(start, em.const(offset)), Space.KERNEL, self.call.span)
        value = em.extend(em.load(memory, {1: UINT8, 2: UINT16, 4: UINT32, 8: UINT64}[size]), UINT64)
        if bits is None:
            return value
        return b.and_(b.lshr(value, em.const(bits.shift)), em.const((1 << bits.bits) - 1))

    def _skipped(self) -> Any:
        """How many bytes from `data` on belong to the link-layer header."""
        em, b, of = self.em, self.em.builder, self.of
        network = b.sub(b.add(of["head"], of["network_header"]), of["data"])
        header = b.select(self.is_ethernet, em.const(_FRONT), network)
        header = b.select(b.icmp_unsigned("<=", header, of["len"]), header, em.const(0))
        return b.select(self.leaves, header, em.const(0))

    def front(self) -> Any:
        """Where the link-layer header begins."""
        em, b, of = self.em, self.em.builder, self.of
        has = b.icmp_unsigned("!=", of["mac_header"], em.const(_NO_HEADER))
        before = b.select(has, b.add(of["head"], of["mac_header"]), of["data"])
        return b.select(self.leaves, of["data"], before)

    def wanted(self) -> Any:
        """How many bytes behind the link-layer header are to be kept, as far as they can be read."""
        em, b, of = self.em, self.em.builder, self.of
        most = em.int64(self.call.args[2])
        most = b.select(b.icmp_unsigned("<", most, em.const(LONGEST)), most, em.const(LONGEST))
        there = self.rest
        if not self.whole:
            there = b.sub(there, of["data_len"])
            there = b.select(b.icmp_signed(">", there, em.const(0)), there, em.const(0))
        return b.select(b.icmp_unsigned("<", there, most), there, most)

    def copy(self, dest: Any, size: Any) -> None:
        """`size` bytes from behind the link-layer header."""
        em, b = self.em, self.em.builder
        if not self.whole:
            em.read(dest, size, b.add(self.of["data"], self.skipped), Space.KERNEL, self.call.span)
            return
        dynptr = em.local(_DYNPTR)
        em.kfunc(_READ_WHOLE, "i32", self.skb, em.const(0), dynptr)
        em.helper("dynptr_read", dest, em.extend(size, UINT64, 32), dynptr, em.extend(self.skipped, UINT64, 32), 0)


_FIELDS: list[tuple[str, Type]] = [
    ("time", UINT64), ("length", UINT32), ("link", UINT32), ("ifindex", INT32), ("protocol", UINT16), ("type", UINT16),
    ("vlan_proto", UINT16), ("vlan_tci", UINT16), ("kind", UINT8), ("tagged", UINT8), ("front", Array(UINT8, _FRONT)),
]  # fmt: skip
_HEAD = Form("<QIIiHHHHBB14s")
"""The same, as user space unpacks them; behind the record's number of 8 bytes."""


def _lower(em: Lowering, call: typed.Call) -> None:
    packet = _Packet(em, call, em.int64(call.args[3]))
    wanted = packet.wanted()
    _emit(em, call, packet, wanted, _ROOM)


def _emit(em: Lowering, call: typed.Call, packet: _Packet, wanted: Any, rooms: tuple[int, ...]) -> None:
    """A record with the least room."""
    room, *larger = rooms
    if not larger:
        _record(em, call, packet, wanted, room)
        return
    with em.when_else(em.builder.icmp_unsigned("<=", wanted, em.const(room))) as (then, otherwise):
        with then:
            _record(em, call, packet, wanted, room)
        with otherwise:
            _emit(em, call, packet, wanted, tuple(larger))


def _record(em: Lowering, call: typed.Call, packet: _Packet, wanted: Any, room: int) -> None:
    b, of = em.builder, packet.of
    # behind `opaque`, or LLVM drops the comparison and the verifier says "R2 unbounded memory access"
    size = em.opaque(wanted)
    size = b.select(b.icmp_unsigned(">", size, em.const(room)), em.const(room), size)
    tagged = b.icmp_unsigned("!=", of.get("vlan_all", of.get("vlan_present")), em.const(0))
    values = {
        "length": packet.rest, "link": packet.link, "ifindex": of["ifindex"], "protocol": of["protocol"],
        "type": of["type"], "vlan_proto": of["vlan_proto"], "vlan_tci": of["vlan_tci"],
        "kind": b.select(packet.leaves, em.const(_OUTGOING), of["pkt_type"]), "tagged": b.zext(tagged, size.type),
    }  # fmt: skip

    def fill(record: Any, layout: Layout) -> None:
        *fields, bytes_ = layout.fields
        em.put(record, em.helper("ktime_get_boot_ns"), fields[0].offset)
        for field in fields:
            if field.name in values:
                em.put(record, em.extend(values[field.name], UINT64, 8 * field.type.size), field.offset)
        em.read(em.at(record, fields[-1].offset), em.const(_FRONT), packet.front(), Space.KERNEL, call.span)
        em.put(record, em.extend(size, UINT64, 32), bytes_.offset)
        packet.copy(em.at(record, bytes_.offset + 4), size)

    em.emit(_WRITE, [*_FIELDS, ("packet", Buffer(room))], (call.data[0],), call.span, fill)


def _lower_open(em: Lowering, call: typed.Call) -> None:
    def fill(record: Any, layout: Layout) -> None:
        for argument, field in zip(call.args[1:], layout.fields, strict=True):
            em.put(record, em.extend(em.int64(argument), UINT64, 32), field.offset)

    em.emit(_OPEN, [("link", UINT32), ("longest", UINT32)], (call.data,), call.span, fill)


# ---------------------------------------------------------------- user space's half


def _header(head: Mapping[str, Any]) -> bytes:
    """What stands before the packet in the file."""
    front, link = bytes(head["front"]), head["link"]
    if link == COOKED:
        address = front[6:12] if head["type"] in (1, 772) else b""  # ARPHRD_ETHER, ARPHRD_LOOPBACK
        fields = (0, head["ifindex"], head["type"], head["kind"], len(address), address)
        return pack("<H", head["protocol"]) + pack(">HiHBB8s", *fields)  # the protocol is in network order as it is
    if link != ETHERNET:
        return b""
    if not head["tagged"]:
        return front
    return front[:12] + pack("<H", head["vlan_proto"]) + pack(">H", head["vlan_tci"]) + front[12:]


def _bind_write(rt: Handling, event: EventSpec) -> Handler:
    (path,) = event.data
    names = [f.name for f in event.layout.fields[:-1]]
    packet_at = event.layout.fields[-1].offset

    def handle(data: bytes | memoryview) -> None:
        head = dict(zip(names, _HEAD.unpack_from(data, 8), strict=True))
        file = packet_file(rt, path, head["link"], LONGEST, nanoseconds=True)
        if file is None:
            return
        size = int.from_bytes(data[packet_at : packet_at + 4], "little")
        packet = memoryview(data)[packet_at + 4 : packet_at + 4 + size]
        front = _header(head)
        file.add(head["time"], front, packet, head["length"] + len(front))

    return handle


def _bind_open(rt: Handling, event: EventSpec) -> Handler:
    link_at, longest_at = (f.offset for f in event.layout.fields)

    def handle(data: bytes | memoryview) -> None:
        link, longest = (int.from_bytes(data[at : at + 4], "little") for at in (link_at, longest_at))
        if packet_file(rt, event.data[0], link, longest or LONGEST, nanoseconds=True) is None:
            rt.request_exit(1)

    return handle


_PATH = (Param("path", Kind.STRING_LITERAL), Param("link", Kind.INT), Param("longest", Kind.INT))

ROWS = (
    FunctionDef(
        name="pcap_open",
        doc="Begin a capture file for `pcap_write()`, in pcap's format with nanoseconds.\n\n`path` is made or emptied, "
        "and a run ends when that fails; `-` is standard output.  `link`: what its packets begin with, 1 for Ethernet, "
        "101 for IP without a header in front, 276 for the header that `tcpdump -i any` writes.  `longest`: bytes that "
        "are kept of a packet at most.",
        signatures=("void pcap_open(const string path, uint64 link, uint64 longest)",),
        params=_PATH,
        type_rule=_open_rule,
        lower=_lower_open,
        bind=_bind_open,
        asynchronous=True,
    ),
    FunctionDef(
        name="pcap_write",
        doc="Append a packet to a capture file, as a packet socket shows it: with its link-layer header and the tag of "
        "its VLAN.\n\nThe first three arguments are those of `pcap_open()`.  `sent`: whether the packet is leaving, as "
        "in `net_dev_start_xmit`, or coming in, as in `netif_receive_skb`.  All of a packet is kept, also where it is "
        "in pieces (Linux 6.12; before, of the first piece only).",
        signatures=(
            "void pcap_write(const string path, uint64 link, uint64 longest, struct sk_buff * skb, bool sent)",
        ),
        params=(*_PATH, Param("skb"), Param("sent")),
        type_rule=_write_rule,
        lower=_lower,
        bind=_bind_write,
        providers=("rawtracepoint", "fentry", "fexit"),
        asynchronous=True,
    ),
)
