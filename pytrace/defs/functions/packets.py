"""`skboutput()`: packets into a capture file (spec 04 §2).

Place in the pipeline: a row; type rule for sema, lowering for codegen, handler for the runtime.  In: calls, later
records that hold the packet's bytes.  Out: a pcap file with raw IP packets.  What a newcomer would get wrong: only the
linear part of a packet is copied, at most 4096 bytes; the capture's record says how long the packet really was.
"""

from __future__ import annotations

from struct import unpack_from

from pytrace.registry import FunctionDef, Kind, Param
from pytrace.runtime.packet_file import RAW_IP, packet_file
from pytrace.types import UINT32, UINT64, Buffer, Pointer, Space, Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.facets import CallSite, Handling, Lowering
    from pytrace.program import EventSpec, Layout
    from pytrace.registry import Handler
    from pytrace.sema import typed
    from pytrace.types import Int, Type

_KEY = "functions.packets:skboutput"
_MOST = 4096
_SNAPSHOT = 65535
"""What the file says of the most that it keeps of a packet."""
_MEMBERS = ("data", "len", "data_len")


def _rule(site: CallSite) -> Type:
    """uint32; `data`: the file, the bytes to leave out, and where struct sk_buff has what is needed."""
    skb, offset = site.arg_type(1), site.literal(3)
    pointee = skb.pointee if isinstance(skb, Pointer) else None
    if not isinstance(pointee, Struct) or pointee.name != "sk_buff":
        pointee = site.type_named("sk_buff", "struct")
    found = [pointee.layout.find(name) if isinstance(pointee, Struct) else None for name in _MEMBERS]
    if site.final and not isinstance(skb, Pointer):
        from pytrace.sema.joins import kind_name

        site.error(f"skboutput() only supports pointer arguments ({kind_name(skb)} provided)")
    elif site.final and (None in found or not isinstance(offset, int)):
        site.error("skboutput() needs the kernel's struct sk_buff, and a literal offset")
    places = tuple(member.offset for member in found if member is not None)
    site.data = (str(site.literal(0)), offset if isinstance(offset, int) else 0, places)
    return UINT32


def _lower(em: Lowering, call: typed.Call) -> Any:
    path, skip, (data_at, len_at, paged_at) = call.data
    b = em.builder
    skb = em.int64(call.args[1])

    def member(offset: int, t: Int) -> Any:
        memory = em.local(8)
        em.read(memory, em.const(t.size), b.add(skb, em.const(offset)), Space.KERNEL, call.span)
        return em.extend(em.load(memory, t), t)

    start, length, paged = member(data_at, UINT64), member(len_at, UINT32), member(paged_at, UINT32)
    linear = b.and_(b.sub(length, paged), em.const(0xFFFF_FFFF))
    wanted = b.and_(em.int64(call.args[2]), em.const(0xFFFF_FFFF))
    size = b.select(b.icmp_unsigned("<", wanted, linear), wanted, linear)
    size = em.opaque(b.select(b.icmp_unsigned("<", size, em.const(_MOST)), size, em.const(_MOST)))
    size = b.select(b.icmp_unsigned(">", size, em.const(_MOST)), em.const(_MOST), size)

    def fill(record: Any, layout: Layout) -> None:
        time, real, packet = (f.offset for f in layout.fields)
        em.put(record, em.helper("ktime_get_boot_ns"), time)
        em.put(record, length, real)
        em.put(record, em.extend(size, UINT64, 32), packet)
        em.read(em.at(record, packet + 4), size, start, Space.KERNEL, call.span)

    fields = [("time", UINT64), ("length", UINT64), ("packet", Buffer(_MOST))]
    em.emit(_KEY, fields, (path, skip), call.span, fill)
    return em.const(0, 32)


def _bind(rt: Handling, event: EventSpec) -> Handler:
    path, skip = event.data
    time_at, length_at, packet_at = (f.offset for f in event.layout.fields)

    def handle(data: bytes | memoryview) -> None:
        file = packet_file(rt, path, RAW_IP, _SNAPSHOT, nanoseconds=False)
        if file is None:
            return
        (boot,), (length,), (size,) = (
            unpack_from(form, data, at) for form, at in (("<Q", time_at), ("<Q", length_at), ("<I", packet_at))
        )
        file.add(boot, b"", memoryview(data)[packet_at + 4 + skip : packet_at + 4 + size], max(0, length - skip))

    return handle


ROWS = (
    FunctionDef(
        name="skboutput",
        doc="Append a packet to a capture file (pcap, raw IP).\n\nThe packet's data from byte `offset` on, `length` "
        "bytes, at "
        "most 4096, of what lies in one piece.  Where the data begin with an Ethernet header, an offset of 14 leaves "
        "it "
        "out.  The result is 0.",
        signatures=(
            "uint32 skboutput(const string path, struct sk_buff * skb, uint64 length, const uint64 offset)",
        ),
        params=(
            Param("path", Kind.STRING_LITERAL),
            Param("skb"),
            Param("length", Kind.INT),
            Param("offset", Kind.INT),
        ),
        type_rule=_rule,
        lower=_lower,
        bind=_bind,
        providers=("fentry", "fexit", "rawtracepoint", "iter"),
        asynchronous=True,
    ),
)
