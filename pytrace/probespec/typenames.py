"""C's names of types, as the bpftrace language writes them.

Place in the pipeline: under `expression`.  In: the words of a type and its stars.  Out: `CType`.  What a newcomer
would get wrong: `char` is signed here as on x86_64 (the kernel's own typedefs say otherwise), and a typedef that is not
in the table goes through: the compiler knows those of the kernel and of headers given with -I.
"""

from __future__ import annotations

from pytrace.record import record
from pytrace.source import Span

QUALIFIERS = frozenset("const volatile restrict __restrict register __kernel __iomem".split())
TAGS = frozenset(("struct", "union", "enum"))
_BASIC = frozenset("void char short int long signed unsigned float double".split())

_SIZED = {
    f"{prefix}{letter}{bits}{suffix}": f"{'u' if letter in ('u', 'uint') else ''}int{bits}"
    for bits in (8, 16, 32, 64)
    for prefix, letter, suffix in (
        ("", "u", ""), ("", "s", ""), ("__", "u", ""), ("__", "s", ""), ("", "uint", "_t"), ("", "int", "_t"),
        ("", "uint", ""), ("", "int", ""),
    )
}  # fmt: skip
_TYPEDEFS = {
    **_SIZED,
    "bool": "bool", "_Bool": "bool", "size_t": "uint64", "ssize_t": "int64", "uintptr_t": "uint64",
    "intptr_t": "int64", "ptrdiff_t": "int64", "off_t": "int64", "off64_t": "int64", "loff_t": "int64",
    "time_t": "int64", "pid_t": "int32", "uid_t": "uint32", "gid_t": "uint32", "mode_t": "uint32",
    "socklen_t": "uint32", "uint": "uint32", "ulong": "uint64", "ushort": "uint16", "uchar": "uint8",
}  # fmt: skip


@record
class CType:
    """`name` without stars, in the bpftrace language's spelling; `user`: a pointer marked `__user`."""

    name: str
    stars: int
    user: bool
    span: Span

    @property
    def text(self) -> str:
        return f"{self.name} {'*' * self.stars}" if self.stars else self.name

    @property
    def is_string(self) -> bool:
        return self.stars == 1 and self.name == "int8"

    @property
    def is_register(self) -> bool:
        """What an argument is without a cast: 64 bits, unsigned."""
        return not self.stars and self.name == "uint64"


def is_type_word(word: str) -> bool:
    """Whether `word` can only be the name of a type, or a part of one."""
    return word in _BASIC or word in TAGS or word in QUALIFIERS or word in _TYPEDEFS or word == "__user"


def is_basic(word: str) -> bool:
    """Whether `word` is one of those that C puts together (`unsigned long int`)."""
    return word in _BASIC


def basic_name(words: list[str]) -> str:
    """The name of `unsigned long int` and such; "" for float and double, which lie in no integer register."""
    if "float" in words or "double" in words:
        return ""
    if "void" in words:
        return "void"
    sign = "u" if "unsigned" in words else ""
    bits = 8 if "char" in words else 16 if "short" in words else 64 if "long" in words else 32
    return f"{sign}int{bits}"


def typedef_name(word: str) -> str:
    return _TYPEDEFS.get(word, word)
