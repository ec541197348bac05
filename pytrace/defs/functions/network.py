"""Network addresses, byte order, sockets (spec 04 §3).

Place in the pipeline: rows for sema, codegen and help.  In: call sites and lowerings.  Out: `ROWS`.  What a newcomer
would get wrong: an integer given to `ntop` is an address in network byte order, exactly as it lies in memory.

Layouts (pytrace.values): inet is a uint64 address family and 16 bytes of address; mac_address is 6 bytes.
"""

from __future__ import annotations

from pytrace.defs.lowerings import in_memory
from pytrace.registry import FunctionDef, Param
from pytrace.types import (
    INET,
    MAC_ADDRESS,
    UINT8,
    UINT64,
    Array,
    Enum,
    Int,
    Pointer,
    String,
    Struct,
)  # fmt: skip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pytrace.facets import CallSite, Lowering
    from pytrace.sema import typed
    from pytrace.types import (
        Type,
    )

_AF_INET, _AF_INET6 = 2, 10


def _kind(t: Type) -> str:
    """The kind alone, as messages name it."""
    from pytrace.sema.joins import kind_name

    return kind_name(t)


# ---------------------------------------------------------------- ntop and pton


def _ntop_type(site: CallSite) -> Type:
    index = len(site.args) - 1
    if site.final:
        if index == 1 and not isinstance(site.arg_type(0), (Int, Enum)):
            site.error(f"ntop() only supports int arguments ({_kind(site.arg_type(0))} provided)")
        t = site.arg_type(index)
        if not isinstance(t, (Int, String, Array)):
            site.error(f"ntop() expects an integer or array argument, got {_kind(t)}")
        elif isinstance(t, (String, Array)) and t.size not in (4, 16):
            site.error("ntop() argument must be 4 or 16 bytes in size")
    return INET


def _ntop_into(em: Lowering, call: typed.Call, dest: Any) -> None:
    address = call.args[-1]
    t = address.type
    is_number = isinstance(t, Int)
    if len(call.args) == 2:
        family = em.int64(call.args[0])
    else:
        family = em.const(_AF_INET if is_number or t.size == 4 else _AF_INET6)
    em.put(dest, family, 0)
    if t.size != 16:
        em.put(dest, em.const(0), 8)
        em.put(dest, em.const(0), 16)
    if is_number:
        em.put(dest, em.extend(em.value(address), t, 32), 8)
    else:
        where, space = em.address(address)
        em.read(em.at(dest, 8), em.const(t.size), where, space, call.span)


def _pton_type(site: CallSite) -> Type:
    from socket import AF_INET, AF_INET6, inet_pton

    text = site.literal(0)
    if not isinstance(text, str):
        site.error("pton() expects an string literal at the first argument")
        return Array(UINT8, 4)
    if "." not in text and ":" not in text:
        site.error(f"pton() expects an string argument of an IPv4/IPv6 address, got {text}")
        return Array(UINT8, 4)
    try:
        packed = inet_pton(AF_INET if "." in text else AF_INET6, text)
    except (OSError, UnicodeError):
        site.error(f"pton() expects a valid IPv4/IPv6 address, got {text}")
        return Array(UINT8, 4)
    site.data = packed
    return Array(UINT8, len(packed))


def _pton(em: Lowering, call: typed.Call) -> Any:
    return em.string_constant(call.data.decode("latin-1"))


# ---------------------------------------------------------------- link level


def _mac_type(site: CallSite) -> Type:
    t = site.arg_type(0)
    if isinstance(site.literal(0), str):
        site.error("macaddr() does not support literal string arguments")
    elif site.final:
        if not isinstance(t, (Int, Array, String, Pointer)):
            site.error(f"macaddr() only supports array or pointer arguments ({_kind(t)} provided)")
        elif isinstance(t, (Array, String)) and t.size < 6:
            site.error("macaddr() argument must be at least 6 bytes in size")
    return MAC_ADDRESS


def _mac_into(em: Lowering, call: typed.Call, dest: Any) -> None:
    address, space = em.address(call.args[0])
    em.read(dest, em.const(6), address, space, call.span)


# ---------------------------------------------------------------- byte order


def _bswap_type(site: CallSite) -> Type:
    t = site.arg_type(0)
    if isinstance(t, (Int, Enum)):
        return Int(t.bits, False)
    if site.final:
        site.error(f"bswap() only supports integer arguments ({_kind(t)} provided)")
    return UINT64


def _bswap(em: Lowering, call: typed.Call) -> Any:
    value = em.value(call.args[0])
    return value if call.type.size == 1 else em.builder.bswap(value)


# ---------------------------------------------------------------- sockets


def _cookie_type(site: CallSite) -> Type:
    t = site.arg_type(0)
    if site.final:
        if not isinstance(t, Pointer):
            site.error(f"socket_cookie() only supports 'struct sock *' as the argument ({_kind(t)} provided)")
        elif not isinstance(t.pointee, Struct) or t.pointee.name != "sock":
            shown = f"'{t}'" if isinstance(t.pointee, Struct) else "pointer"
            site.error(f"socket_cookie() only supports 'struct sock *' as the argument ({shown} provided)")
    return UINT64


ROWS = (
    FunctionDef(
        name="ntop",
        doc="An IPv4 or IPv6 address as text.\n\nAn integer or 4 bytes are IPv4, 16 bytes IPv6; or the family is "
        "given (2: "
        "AF_INET, 10: AF_INET6).",
        signatures=(
            "inet ntop([int family, ] int address)",
            "inet ntop([int family, ] char address[4])",
            "inet ntop([int family, ] char address[16])",
        ),
        params=(Param("family or address"), Param("address", optional=True)),
        type_rule=_ntop_type,
        lower=in_memory(_ntop_into),
        lower_into=_ntop_into,
    ),
    FunctionDef(
        name="pton",
        doc="The bytes of an IPv4 or IPv6 address, in network byte order.",
        signatures=("uint8[4] pton(const string address)", "uint8[16] pton(const string address)"),
        params=(Param("address"),),
        type_rule=_pton_type,
        lower=_pton,
    ),
    FunctionDef(
        name="macaddr",
        doc="A hardware address as text: `00:11:22:AA:BB:CC`.",
        signatures=("mac_address macaddr(char address[6])",),
        params=(Param("address"),),
        type_rule=_mac_type,
        lower=in_memory(_mac_into),
        lower_into=_mac_into,
    ),
    FunctionDef(
        name="bswap",
        doc="An integer with its bytes in reverse order, unsigned and of the same width.",
        signatures=(
            "uint8 bswap(uint8 n)",
            "uint16 bswap(uint16 n)",
            "uint32 bswap(uint32 n)",
            "uint64 bswap(uint64 n)",
        ),
        params=(Param("n"),),
        type_rule=_bswap_type,
        lower=_bswap,
    ),
    FunctionDef(
        name="socket_cookie",
        doc="The kernel's unique number of a socket, 0 for a null pointer.",
        signatures=("uint64 socket_cookie(struct sock * sk)",),
        params=(Param("sk"),),
        type_rule=_cookie_type,
        lower=lambda em, call: em.helper("get_socket_cookie", em.value(call.args[0])),
        providers=("fentry", "fexit", "rawtracepoint", "iter"),
    ),
)
