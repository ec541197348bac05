"""C declarations → types with the C compiler's layout.

Place in the pipeline: second half of the C front end.  In: preprocessed tokens.  Out: struct, union and enum
definitions, typedefs, enumerators.  What a newcomer would get wrong: a by-value member may be a type that only the
kernel's BTF has; `outer` is asked for what the text does not define.
"""

from __future__ import annotations

from pytrace import types
from pytrace.record import field, record
from pytrace.sema.cexpression import evaluate
from pytrace.sema.clayout import Member, enum_type, layout
from pytrace.sema.cpreprocess import CError
from pytrace.types import Array, Bool, Enum, Int, Pointer, String, Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from pytrace.sema.cpreprocess import Token
    from pytrace.types import StructLayout, Type

    Outer = Callable[[str, str], Type | None]

_QUALIFIERS = frozenset(
    "const volatile restrict __restrict __restrict__ __const __volatile__ __const__ register auto static extern inline "
    "__inline __inline__ _Noreturn __extension__ _Thread_local __thread __signed__ _Atomic noinline".split()
)
_BASIC = frozenset("void char short int long float double signed unsigned _Bool __int128 __signed".split())
_TAGS = frozenset({"struct", "union", "enum"})
CHAR = Int(8, True)
"""Plain `char`: an array of it is a string, one of any other 8-bit type is not.  Known by identity."""
_FLOATING = types.NONE
"""float and double exist for their size only."""



@record(frozen=False)
class Attributes:
    packed: bool = False
    align: int = 0


@record(frozen=False)
class Specified:
    """A type with its C size and alignment (those of `t`, but for floating types)."""

    t: Type
    size: int
    align: int


def specified(t: Type) -> Specified:
    return Specified(t, t.size, t.align)


@record(frozen=False)
class CParser:
    """Reads declarations one after the other.  `types`: (tag, name) → type; typedefs have the tag ""."""

    tokens: list[Token]
    outer: Outer
    types: dict[tuple[str, str], Type] = field(default_factory=dict)
    enumerators: dict[str, tuple[Enum, int]] = field(default_factory=dict)
    layouts: dict[tuple[str, str], StructLayout] = field(default_factory=dict)
    at: int = 0
    _unnamed: int = 0

    # tokens ---------------------------------------------------------------
    def text(self, ahead: int = 0) -> str:
        at = self.at + ahead
        return self.tokens[at].text if at < len(self.tokens) else ""

    def kind(self, ahead: int = 0) -> str:
        at = self.at + ahead
        return self.tokens[at].kind if at < len(self.tokens) else "end"

    def take(self, text: str) -> bool:
        if self.text() == text:
            self.at += 1
            return True
        return False

    def place(self) -> str:
        if not self.tokens:
            return "definitions.h:1:1"
        return self.tokens[min(self.at, len(self.tokens) - 1)].place

    def place_of(self, name: str) -> str:
        """The place of a name that was read a few tokens ago."""
        for at in range(min(self.at, len(self.tokens) - 1), -1, -1):
            if self.tokens[at].text == name:
                return self.tokens[at].place
        return self.place()

    def expect(self, text: str) -> None:
        if not self.take(text):
            raise CError(self.place(), f"expected '{text}'")

    def skip_group(self) -> None:
        """Over a balanced `( )`, `[ ]` or `{ }`."""
        pairs = {"(": ")", "[": "]", "{": "}"}
        start, depth = self.place(), 0
        while self.at < len(self.tokens):
            text = self.text()
            depth += (text in pairs) - (text in pairs.values())
            self.at += 1
            if not depth:
                return
        raise CError(start, "expected a closing bracket")

    # declarations ----------------------------------------------------------
    def run(self) -> None:
        while self.at < len(self.tokens):
            if self.take(";"):
                continue
            if self.text() in ("asm", "__asm__", "_Static_assert", "__asm"):
                self._skip_declaration()
            else:
                self._external()

    def _skip_declaration(self) -> None:
        while self.at < len(self.tokens) and not self.take(";"):
            if self.text() in ("(", "[", "{"):
                self.skip_group()
            else:
                self.at += 1

    def _external(self) -> None:
        is_typedef = self.take("typedef")
        attributes = Attributes()
        base = self.specifiers(attributes)
        is_typedef = is_typedef or self.take("typedef")
        while self.at < len(self.tokens) and not self.take(";"):
            if self.kind() == "word" and self.text() in _TAGS:
                return  # `struct a { … } struct b …`: a definition need not end with a semicolon here
            name, declared = self.declarator(base)
            self.attributes(attributes)
            if is_typedef and name:
                self.types["", name] = declared.t
            if self.text() == "{":  # a function's body
                self.skip_group()
                return
            if self.take("="):
                while self.text() not in (",", ";", ""):
                    if self.text() in ("(", "[", "{"):
                        self.skip_group()
                    else:
                        self.at += 1
            if not self.take(",") and self.text() != ";":
                raise CError(self.place(), "expected ';' after top level declarator")

    def attributes(self, into: Attributes) -> None:
        """`__attribute__((…))`, `asm("…")`, any number of them."""
        while True:
            if self.text() in ("__attribute__", "__attribute"):
                self.at += 1
                start = self.at
                self.skip_group()
                self._read_attributes(self.tokens[start : self.at], into)
            elif self.text() in ("__asm__", "asm", "__asm"):
                self.at += 1
                self.skip_group()
            else:
                return

    def _read_attributes(self, tokens: list[Token], into: Attributes) -> None:
        for n, token in enumerate(tokens):
            name = token.text.strip("_")
            if name == "packed":
                into.packed = True
            elif name == "aligned":
                value = 16
                if n + 1 < len(tokens) and tokens[n + 1].text == "(":
                    value, _ = evaluate(tokens, token.place, self.primary, n + 2)
                into.align = max(into.align, value)

    # specifiers -------------------------------------------------------------
    def specifiers(self, attributes: Attributes) -> Specified:
        words: list[str] = []
        found: Specified | None = None
        start = self.place()
        while True:
            self.attributes(attributes)
            text = self.text()
            if text in _QUALIFIERS:
                self.at += 1
            elif text in _BASIC:
                words.append(text)
                self.at += 1
            elif text in _TAGS and found is None and not words:
                found = self.tagged()
            elif text in ("typeof", "__typeof__", "__typeof") and found is None:
                self.at += 1
                self.skip_group()
                found = specified(types.INT32)
            elif self.kind() == "word" and found is None and not words:
                found = self._typedef(text)
                self.at += 1
            else:
                break
        if found is not None:
            return found
        if not words:
            raise CError(start, "expected a type")
        return _basic(words)

    def _typedef(self, name: str) -> Specified:
        known = self.types.get(("", name)) or self.outer(name, "")
        if known is None and name.startswith("__builtin_"):
            known = Pointer(types.VOID)
        if known is None:
            raise CError(self.place(), f"unknown type name '{name}'")
        return specified(known)

    def tagged(self) -> Specified:
        tag = self.text()
        self.at += 1
        attributes = Attributes()
        self.attributes(attributes)
        name = ""
        if self.kind() == "word" and self.text() not in _QUALIFIERS:
            name = self.text()
            self.at += 1
        self.attributes(attributes)
        if self.text() == "{":
            return self._enum(name) if tag == "enum" else self._record(tag, name, attributes)
        if not name:
            raise CError(self.place(), f"declaration of anonymous {tag} must be a definition")
        return self._mentioned(tag, name)

    def _mentioned(self, tag: str, name: str) -> Specified:
        known = self.types.get((tag, name))
        if known is None and tag == "enum":
            known = self.outer(name, tag) or Enum(name, 32)
        if known is None:
            known = self.types[tag, name] = Struct(tag, name, lambda: self._later(tag, name))
        return Specified(known, 0, 1) if isinstance(known, Struct) else specified(known)

    def _later(self, tag: str, name: str) -> StructLayout | None:
        """A struct's layout when somebody asks: from this text, else from the kernel's types."""
        own = self.layouts.get((tag, name))
        if own is not None:
            return own
        other = self.outer(name, tag)
        return other.layout if isinstance(other, Struct) and other.complete else None

    # struct and union --------------------------------------------------------
    def _record(self, tag: str, name: str, attributes: Attributes) -> Specified:
        if not name:
            self._unnamed += 1
        key = (tag, name or f"(anonymous {self._unnamed})")
        if key in self.layouts:
            raise CError(self.place_of(name), f"redefinition of '{name}'")
        known = self.types.setdefault(key, Struct(tag, key[1], lambda: self._later(*key)))
        self.expect("{")
        members: list[Member] = []
        while not self.take("}"):
            if self.at >= len(self.tokens):
                raise CError(self.place(), "expected '}'")
            if not self.take(";"):
                self._members(members)
        self.attributes(attributes)
        self.layouts[key] = layout(tag, members, attributes.packed, attributes.align)
        return Specified(known, self.layouts[key].size, self.layouts[key].align)

    def _members(self, members: list[Member]) -> None:
        shared = Attributes()
        base = self.specifiers(shared)
        if self.text() in (";", "}"):
            if isinstance(base.t, Struct):  # an anonymous struct or union
                members.append(Member("", *self._sized(base), None, shared.packed, shared.align))
            self.take(";")
            return
        while True:
            own, where = Attributes(shared.packed, shared.align), self.place()
            name, declared = ("", base) if self.text() == ":" else self.declarator(base)
            bits: int | None = None
            if self.take(":"):
                bits, self.at = evaluate(self.tokens, self.place(), self.primary, self.at)
                _check_width(where, name, bits, declared)
            self.attributes(own)
            if name and any(member.name == name for member in members):
                raise CError(self.place_of(name), f"duplicate member '{name}'")
            members.append(Member(name, *self._sized(declared, name), bits, own.packed, own.align))
            if self.take(","):
                continue
            if not self.take(";") and self.text() != "}":
                raise CError(self.place(), "expected ';' at end of declaration list")
            return

    def _sized(self, declared: Specified, name: str = "") -> tuple[Type, int, int]:
        t = declared.t
        if isinstance(t, Struct):
            if not t.complete:
                place = self.place_of(name) if name else self.place()
                raise CError(place, f"field has incomplete type '{t}'")
            return t, t.size, t.align
        return t, declared.size, declared.align

    # enum ---------------------------------------------------------------------
    def _enum(self, name: str) -> Specified:
        self.expect("{")
        variants: list[tuple[str, int]] = []
        value = 0
        while not self.take("}"):
            if self.kind() != "word":
                raise CError(self.place(), "expected identifier")
            word = self.text()
            self.at += 1
            if self.take("="):
                value, self.at = evaluate(self.tokens, self.place(), self.primary, self.at)
            variants.append((word, value))
            self.enumerators[word] = (Enum(name, 32), value)
            value += 1
            if not self.take(",") and self.text() != "}":
                raise CError(self.place(), "expected '}' or ','")
        self.attributes(Attributes())
        enum = enum_type(name, variants)
        for word, number in variants:
            self.enumerators[word] = (enum, number)
        if name:
            self.types["enum", name] = enum
        return specified(enum if name else Int(enum.bits, enum.signed))

    # declarators ----------------------------------------------------------------
    def declarator(self, base: Specified) -> tuple[str, Specified]:
        """(name, type) of one declarator; the name may be missing."""
        t = base
        while True:
            self.attributes(Attributes())
            if self.take("*"):
                t = specified(Pointer(t.t))
            elif self.text() in _QUALIFIERS:
                self.at += 1
            else:
                break
        if self.text() == "(" and (self.text(1) in ("*", "(", "^") or self.text(1) in _QUALIFIERS):
            return self._nested(t)
        name = ""
        if self.kind() == "word":
            name = self.text()
            self.at += 1
        return name, self._suffix(t)

    def _nested(self, base: Specified) -> tuple[str, Specified]:
        """`(*name)(…)`, `(*name)[n]`: what stands behind the parentheses applies first."""
        start = self.at
        self.skip_group()
        inner = self._suffix(base)
        end = self.at
        self.at = start + 1
        name, declared = self.declarator(inner)
        self.at = end
        return name, declared

    def _suffix(self, base: Specified) -> Specified:
        if self.text() == "(":  # a function: only its address can be had
            self.skip_group()
            return Specified(types.VOID, 0, 1)
        lengths: list[int] = []
        while self.take("["):
            length = 0
            while self.text() in _QUALIFIERS:
                self.at += 1
            if self.text() != "]":
                length, self.at = evaluate(self.tokens, self.place(), self.primary, self.at)
            self.expect("]")
            lengths.append(length)
        for length in reversed(lengths):
            t = base.t
            inner = String(length) if t is CHAR else Array(t, length)
            base = Specified(inner, base.size * length, base.align)
        return base

    # what only the parser knows inside constant expressions ------------------------
    def primary(self, tokens: list[Token], at: int) -> tuple[int, int] | None:
        token = tokens[at] if at < len(tokens) else None
        if token is None or token.kind != "word":
            return self._skip_cast(tokens, at)
        if token.text in self.enumerators:
            return self.enumerators[token.text][1], at + 1
        if token.text in ("sizeof", "_Alignof", "__alignof__"):
            inner, end = self._type_in(tokens, at + 1)
            if inner is None:
                raise CError(token.place, "only sizeof (type) is understood here")
            return (inner.size if token.text == "sizeof" else inner.align), end
        return None

    def _skip_cast(self, tokens: list[Token], at: int) -> tuple[int, int] | None:
        if at + 1 < len(tokens) and tokens[at].text == "(" and tokens[at + 1].text in _BASIC | _TAGS:
            _, end = self._type_in(tokens, at)
            return evaluate(tokens, tokens[at].place, self.primary, end)
        return None

    def _type_in(self, tokens: list[Token], at: int) -> tuple[Specified | None, int]:
        """The type in parentheses at `at`."""
        if at >= len(tokens) or tokens[at].text != "(":
            return None, at
        before = (self.tokens, self.at)
        self.tokens, self.at = tokens, at + 1
        try:
            base = self.specifiers(Attributes())
            _, declared = self.declarator(base)
            self.expect(")")
            size = Specified(*self._sized(declared))
            return size, self.at
        finally:
            self.tokens, self.at = before


def _basic(words: list[str]) -> Specified:
    """`unsigned long long int` and the like."""
    unsigned = "unsigned" in words
    if "void" in words:
        return specified(types.VOID)
    if "_Bool" in words:
        return specified(types.UINT8)  # the reference sees a number, and so prints 1
    if "float" in words:
        return Specified(_FLOATING, 4, 4)
    if "double" in words:
        size = 16 if "long" in words else 8
        return Specified(_FLOATING, size, size)
    if "__int128" in words:
        return Specified(Array(types.UINT64, 2), 16, 16)
    if words == ["char"]:
        return specified(CHAR)
    bits = 8 if "char" in words else 16 if "short" in words else 64 if "long" in words else 32
    return specified(Int(bits, not unsigned))


def _check_width(where: str, name: str, bits: int, declared: Specified) -> None:
    """What C says of a bit-field's width.  Raises CError."""
    what = f"bit-field '{name}'" if name else "anonymous bit-field"
    if bits < 0:
        raise CError(where, f"{what} has negative width ({bits})")
    if not bits and name:
        raise CError(where, f"named {what} has zero width")
    if not isinstance(declared.t, (Int, Enum, Bool)):
        raise CError(where, f"{what} has non-integral type '{declared.t}'")
    if bits > 8 * declared.size:
        have = f"({bits} bits) exceeds the width of its type ({8 * declared.size} bits)"
        raise CError(where, f"width of {what} {have}")
