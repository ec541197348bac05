"""Named parameters: what a script asks for with getopt(), and what the command line gives (spec 02 §11).

Place in the pipeline: on the folded units, before inference.  In: calls of functions that declare an option, the words
after `--`.  Out: a value for each name.  What a newcomer would get wrong: the type of a parameter is that of its
default, so a value can only be read when the whole script has been looked at.
"""

from __future__ import annotations

from pytrace.diagnostics import UsageError
from pytrace.grammar import ast
from pytrace.record import record
from pytrace.sema import literals
from pytrace.sema.config import truth_of
from pytrace.sema.walk import descendants

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pytrace.diagnostics import Diagnostics
    from pytrace.registry import Registry
    from pytrace.sema.unit import Options, Unit

Value = int | str | bool

GIVE_IT = "give it behind the script: pytrace --aot FILE SCRIPT VALUE"


def not_given(number: int) -> str:
    """Why a script that is compiled ahead may not leave a positional parameter open."""
    return f"Positional parameter ${number} has no value: parameters are fixed when a script is compiled ahead"


@record(frozen=False)
class Declared:
    """One option of the script."""

    name: str
    default: Value
    description: str = ""


def named_parameters(
    units: list[Unit], registry: Registry, options: Options, diagnostics: Diagnostics
) -> dict[str, Value]:
    """The value of each declared option.  Raises ScriptError, and UsageError for what the command line says wrong."""
    declared: dict[str, Declared] = {}
    for unit in units:
        for root in (unit.predicate, unit.body):
            for node in descendants(root) if root is not None else ():
                if isinstance(node, ast.Call):
                    row = registry.function(node.name)
                    if row is not None and row.declares_option:
                        _declare(declared, node, diagnostics)
    diagnostics.raise_errors()
    _check_names(declared, options)
    return {name: _given(option, options.named) for name, option in declared.items()}


def _declare(declared: dict[str, Declared], node: ast.Call, diagnostics: Diagnostics) -> None:
    name = literals.value_of(node.args[0]) if node.args else None
    if not isinstance(name, str):
        span = node.args[0].span if node.args else node.span
        diagnostics.error(f"First argument to '{node.name}' must be a string literal.", span)
        return
    if len(node.args) > 3:
        limits = "a maximum of three arguments and a minimum of one argument"
        diagnostics.error(f"The '{node.name}' function can take {limits}.", node.span)
        return
    default = literals.value_of(node.args[1]) if len(node.args) > 1 else False
    if default is None:
        diagnostics.error(
            f"Second argument to '{node.name}' must be a string literal, integer literal, or a boolean literal.",
            node.args[1].span,
        )
        return
    text = literals.value_of(node.args[2]) if len(node.args) > 2 else ""
    description = text if isinstance(text, str) else ""
    known = declared.setdefault(name, Declared(name, default, description))
    if type(known.default) is not type(default) or known.default != default:
        shown = str(known.default).lower() if isinstance(known.default, bool) else known.default
        diagnostics.error(
            f"Command line option '{name}' needs to have the same default value in all places it is used. Previous "
            f"default value: {shown}",
            node.span,
        )
    elif description and known.description not in ("", description):
        diagnostics.error(
            f"Command line option '{name}' must have the same description in all places it's used. Hint: You can wrap "
            "it in a macro",
            node.span,
        )
    elif description:
        known.description = description


def _check_names(declared: dict[str, Declared], options: Options) -> None:
    """`--help` lists the options; a name that the script does not ask for is an error."""
    names = list(declared.values())
    if "help" in options.named and "help" not in declared:
        lines = [f"--{o.name}: {o.description}" if o.description else f"--{o.name}" for o in names]
        raise UsageError("", hint="\n".join(["expected program options:", *lines]))
    unexpected = [name for name in options.named if name not in declared]
    if unexpected:
        given = ", ".join(f"--{name}" for name in unexpected)
        hint = "expected program options: " + ": ".join(f"--{o.name}" for o in names) if names else ""
        raise UsageError(f"unexpected program command line options: {given}", hint=hint)


def _given(option: Declared, named: dict[str, str | bool]) -> Value:
    """The option's value from the command line, or its default.  Raises UsageError."""
    if option.name not in named:
        return option.default
    word = named[option.name]
    text = word if isinstance(word, str) else "true"
    where = f"program command line option --{option.name}"
    if isinstance(option.default, bool):
        meant = truth_of(text)
        if meant is None:
            raise UsageError(f"{where} expects a boolean (e.g. 'true') (value: {text})")
        return meant
    if isinstance(option.default, str):
        if word is True:
            raise UsageError(f"{where} expects a string (value: true)")
        return text
    if word is True:
        raise UsageError(f"{where} expects an integer (value: true)")
    return _integer(where, text, option.default < 0)


def _integer(where: str, text: str, signed: bool) -> int:
    from pytrace.grammar.literals import integer_value

    value = integer_value(text.removeprefix("-")) if text.removeprefix("-") else "nothing"
    if isinstance(value, str):
        problem = "value is out of range" if value.startswith("overflow") else "invalid integer"
        raise UsageError(f"{where} {problem} (value: {text})")
    value = -value if text.startswith("-") else value
    if not -(2**63) <= value < (2**63 if signed else 2**64):
        raise UsageError(f"{where} value is out of range (value: {text})")
    return value if signed else value % 2**64
