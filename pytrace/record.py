"""Records: classes that are described by their annotated fields.  `dataclasses` without its price at every start.

Place in the pipeline: the very bottom; imports nothing of ours.  In: a class body of annotations and defaults.  Out:
the class with `__slots__`, `__init__` and, unless `eq=False`, comparison and hash by its fields.  What a newcomer would
get wrong: "frozen" is what mypy enforces (`dataclass_transform`); at run time nothing stops an assignment.

The standard library's decorator writes Python text for each class and compiles it, at each start: for the records of a
warm start that was 20 of 50 ms, and `inspect`, `re` and `typing` behind it another 15.  Here an `__init__` is a
copy of a compiled function with other names in it (`code.replace`).
"""

from __future__ import annotations

from _operator import attrgetter  # what `operator` re-exports; that module costs half a millisecond

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar, dataclass_transform

    _Class = TypeVar("_Class", bound=type)
    _Record = TypeVar("_Record")
else:

    def dataclass_transform(**_):
        return lambda decorator: decorator


class _Missing:
    def __repr__(self) -> str:
        return "<no default>"


_MISSING: Any = _Missing()


class Field:
    """What is said of a field beyond its type; `compare`: part of equality and hash, `repr`: shown."""

    __slots__ = ("compare", "default", "default_factory", "kw_only", "repr")

    def __init__(self, default: Any, default_factory: Any, compare: bool, repr: bool, kw_only: bool) -> None:
        self.default, self.default_factory = default, default_factory
        self.compare, self.repr, self.kw_only = compare, repr, kw_only

    @property
    def required(self) -> bool:
        return self.default is _MISSING and self.default_factory is _MISSING


def field(
    *,
    default: Any = _MISSING,
    default_factory: Callable[[], Any] = _MISSING,
    compare: bool = True,
    repr: bool = True,
    kw_only: bool = False,
) -> Any:
    """A field's further properties, written where its default stands; as `dataclasses.field`."""
    return Field(default, default_factory, compare, repr, kw_only)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def record(cls: Any = None, /, *, frozen: bool = True, eq: bool = True, kw_only: bool = False) -> Any:
    """Make `cls` a record; as `dataclasses.dataclass(slots=True)`.  `frozen`: hashable, and constant to mypy.

    Fields of record base classes come first.  A class that writes its own `__eq__`, `__hash__` or `__repr__` keeps it.
    """
    return _record(cls, frozen, eq, kw_only) if cls else lambda cls: _record(cls, frozen, eq, kw_only)


def _record(cls: Any, frozen: bool, eq: bool, kw_only: bool) -> Any:
    namespace = dict(cls.__dict__)
    own = {}
    for name in cls.__annotations__:
        given = namespace.pop(name, _MISSING)
        own[name] = given if isinstance(given, Field) else Field(given, _MISSING, True, True, kw_only)
    known: dict[str, Field] = {}
    for base in reversed(cls.__mro__[1:-1]):
        known.update(base.__dict__.get("__fields__", {}))
    inherited = set(known)
    known.update(own)
    known = {n: f for n, f in known.items() if not f.kw_only} | {n: f for n, f in known.items() if f.kw_only}
    namespace["__fields__"] = known
    namespace["__slots__"] = tuple(n for n in own if n not in inherited)
    namespace["__match_args__"] = tuple(n for n, f in known.items() if not f.kw_only)
    for unwanted in ("__dict__", "__weakref__"):
        namespace.pop(unwanted, None)
    namespace["__init__"] = _init(cls.__name__, known)
    namespace.setdefault("__repr__", _repr)
    if eq:
        key = _key(tuple(n for n, f in known.items() if f.compare))
        if "__eq__" not in namespace:
            namespace["__eq__"] = _equals(key)
            namespace["__hash__"] = _hash_of(key) if frozen else None
    return type(cls)(cls.__name__, cls.__bases__, namespace)


def replace(record: _Record, /, **changes: Any) -> _Record:
    """A copy of `record` with some fields changed.  Raises TypeError for a name that is no field."""
    cls: Any = type(record)
    new = object.__new__(cls)
    for name in cls.__fields__:
        setattr(new, name, changes.pop(name) if name in changes else getattr(record, name))
    if changes:
        raise TypeError(f"{cls.__name__} has no field {', '.join(changes)}")
    return new  # type: ignore[no-any-return]


def field_names(record: Any) -> tuple[str, ...]:
    """The names of the fields of a record or of a record class, in order."""
    return tuple(record.__fields__)


def as_tuple(record: Any) -> tuple[Any, ...]:
    """The values of the fields, in order; a record of a class without `kw_only` fields is `cls(*as_tuple(record))`."""
    return tuple([getattr(record, name) for name in record.__fields__])


# ---------------------------------------------------------------- what the classes are given


def _key(names: tuple[str, ...]) -> Callable[[Any], Any]:
    return attrgetter(*names) if names else lambda _: ()


def _equals(key: Callable[[Any], Any]) -> Callable[[Any, object], bool]:
    def __eq__(self: Any, other: object) -> bool:
        return key(self) == key(other) if self.__class__ is other.__class__ else NotImplemented

    return __eq__


def _hash_of(key: Callable[[Any], Any]) -> Callable[[Any], int]:
    def __hash__(self: Any) -> int:
        return hash((self.__class__, key(self)))

    return __hash__


def _repr(self: Any) -> str:
    shown = [f"{name}={getattr(self, name)!r}" for name, f in self.__fields__.items() if f.repr]
    return f"{type(self).__name__}({', '.join(shown)})"


def _init(name: str, known: dict[str, Field]) -> Any:
    """`__init__` of the class `name`: a template renamed, or for wide records and default factories a general one."""
    factories = any(f.default_factory is not _MISSING for f in known.values())
    if factories or len(known) >= len(_TEMPLATES):
        return _general(name, known)
    names = tuple(known)
    positional = [f for f in known.values() if not f.kw_only]
    template = _TEMPLATES[len(names)]
    code = template.__code__.replace(
        co_name="__init__",
        co_qualname=f"{name}.__init__",
        co_names=names,
        co_varnames=("self", *names),
        co_argcount=1 + len(positional),
        co_kwonlyargcount=len(names) - len(positional),
    )
    defaults = tuple(f.default for f in positional if not f.required)
    made = type(template)(code, template.__globals__, "__init__", defaults)
    if len(positional) < len(names):
        made.__kwdefaults__ = {n: f.default for n, f in known.items() if f.kw_only and not f.required}
    return made


def _general(name: str, known: dict[str, Field]) -> Any:
    positional = tuple(n for n, f in known.items() if not f.kw_only)

    def __init__(self: Any, /, *values: Any, **named: Any) -> None:
        if len(values) > len(positional):
            raise TypeError(f"{name} takes {len(positional)} values, not {len(values)}")
        given = dict(zip(positional, values, strict=False))
        for n, f in known.items():
            if n in given:
                if n in named:
                    raise TypeError(f"{name}: two values for {n}")
                value = given[n]
            elif n in named:
                value = named.pop(n)
            elif f.default_factory is not _MISSING:
                value = f.default_factory()
            elif f.default is not _MISSING:
                value = f.default
            else:
                raise TypeError(f"{name}: no value for {n}")
            setattr(self, n, value)
        if named:
            raise TypeError(f"{name} has no field {', '.join(named)}")

    return __init__


# One for each number of fields.  The names stand for the real ones, in this order.


def _0(self: Any) -> None:
    pass


def _1(self: Any, a: Any) -> None:
    self.a = a


def _2(self: Any, a: Any, b: Any) -> None:
    self.a, self.b = a, b


def _3(self: Any, a: Any, b: Any, c: Any) -> None:
    self.a, self.b, self.c = a, b, c


def _4(self: Any, a: Any, b: Any, c: Any, d: Any) -> None:
    self.a, self.b, self.c, self.d = a, b, c, d


def _5(self: Any, a: Any, b: Any, c: Any, d: Any, e: Any) -> None:
    self.a, self.b, self.c, self.d, self.e = a, b, c, d, e


def _6(self: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any) -> None:
    self.a, self.b, self.c, self.d, self.e, self.f = a, b, c, d, e, f


def _7(self: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any) -> None:
    self.a, self.b, self.c, self.d, self.e, self.f, self.g = a, b, c, d, e, f, g


def _8(self: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any) -> None:
    self.a, self.b, self.c, self.d, self.e, self.f, self.g, self.h = a, b, c, d, e, f, g, h


_TEMPLATES: Any = (_0, _1, _2, _3, _4, _5, _6, _7, _8)
