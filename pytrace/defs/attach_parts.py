"""What the probe rows share in reading attach points: part counts, numbers, offsets.

Place in the pipeline: under `defs.probes`, called by their `parse` hooks.  In: parts as `sema.attach.split` gives
them. Out: numbers, or None after an error was reported.  What a newcomer would get wrong: numbers are read as
literals of the language (`1_000`, `5ms`, `1e6`, `0x10`), and a minus sign wraps around as strtoull(3) does, so a row
that takes positive numbers must look at `as_signed`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from pytrace.attach_points import AttachSite, Pattern


def count_error(site: AttachSite, provider: str, wanted: str, parts: list[str]) -> None:
    """`interval probe type requires 1 or 2 arguments, found 0`; silent for providers with a wildcard."""
    if not site.skip_invalid:
        site.error(f"{provider} probe type requires {wanted} arguments, found {len(parts)}")


def unsigned(text: str) -> int | str:
    """The value of a number, or the message that says why it is none."""
    from pytrace.grammar.literals import integer_value

    plain = text.strip(" \t\n\v\f\r")
    if plain[:1] == "-" and plain[1:2].isdecimal():
        value = integer_value(plain[1:])
        return value if isinstance(value, str) else -value % 2**64
    return integer_value(plain) if plain else f"invalid integer: {text}"


def as_signed(value: int) -> int:
    """A 64-bit number as the signed one with the same bits."""
    return value - 2**64 if value >> 63 else value


def number(site: AttachSite, what: str, text: str) -> int | None:
    """The number, or None after the error `WHAT: reason`."""
    value = unsigned(text)
    if isinstance(value, str):
        site.error(f"{what}: {value}")
        return None
    return value


def closest(wanted: str, names: Iterable[str]) -> str:
    """The name that is most like `wanted`, "" if none is."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(wanted, list(names), 1, 0.8)), "")


def did_you_mean(name: str) -> str:
    return f"Did you mean {name}?" if name else ""


def function_or_address(site: AttachSite, pattern: Pattern, text: str, allow_offset: bool) -> bool:
    """Read `function`, `function+offset` or an address into `pattern`; False after an error."""
    if "+" in text:
        if not allow_offset:
            site.error("Offset not allowed")
            return False
        if text.count("+") != 1:
            site.error("Cannot take more than one offset")
            return False
        name, _, offset = text.partition("+")
        if not name or not offset:
            site.error("Invalid offset")
            return False
        value = number(site, "Invalid offset", offset)
        if value is None:
            return False
        pattern.function, pattern.offset = name, value
        return True
    address = unsigned(text)
    if isinstance(address, int):
        pattern.address = address
    else:
        pattern.function = text
    return True
