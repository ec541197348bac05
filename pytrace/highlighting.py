"""Colours for editors: a TextMate grammar (VS Code and many others) and a syntax file for Vim.

Place in the pipeline: run by hand after a change of the grammar or of a row's name (`python -m pytrace.highlighting`
writes docs/editors); a unit test fails while a file there is not what this would write.  In: `pytrace.lark` and its
tables, the names of the rows, settings and types.  Out: JSON and Vim script.  What a newcomer would get wrong: what a
word is depends on where it stands (`t:` is a probe outside of braces, and a choice's other half within), so both files
follow the braces; and nothing of the language is written down here but which colour a keyword gets.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from pytrace.defs import load_registry
from pytrace.grammar import tables
from pytrace.record import record
from pytrace.sema.config import SETTINGS
from pytrace.sema.typenames import KEYWORDS as TYPES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    Rule = dict[str, Any]

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "editors"
_GRAMMAR = Path(tables.__file__).with_name("pytrace.lark")

_CONTROL = ("break", "continue", "else", "for", "if", "return", "unroll", "while")
_OPERATORS = ("comptime", "offsetof", "sizeof", "typeinfo", "typeof")
_CONSTANTS = ("false", "true")
_TAGS = ("enum", "struct", "union")
"""The keywords that are not declarations, which the rest are."""


@record
class Words:
    """The language's words by what they are.  `many`: beginnings of names of which there is one for each number."""

    control: tuple[str, ...]
    operators: tuple[str, ...]
    constants: tuple[str, ...]
    tags: tuple[str, ...]
    declarations: tuple[str, ...]
    types: tuple[str, ...]
    functions: tuple[str, ...]
    aggregates: tuple[str, ...]
    values: tuple[str, ...]
    many: tuple[str, ...]
    maps: tuple[str, ...]
    settings: tuple[str, ...]
    providers: tuple[str, ...]
    alone: tuple[str, ...]
    """Providers without a colon behind them."""


def words() -> Words:
    """All of them, each group in order."""
    registry = load_registry()
    keywords = set(tables.KEYWORDS)
    named = {*_CONTROL, *_OPERATORS, *_CONSTANTS, *_TAGS}
    values = _public(registry.variables)
    ends = [m[1] for name in values if (m := re.fullmatch(r"(.*?)\d+", name))]
    many = {prefix for prefix in ends if ends.count(prefix) > 9}
    rows = registry.probes.values()
    return Words(
        _CONTROL,
        _OPERATORS,
        _CONSTANTS,
        _TAGS,
        tuple(sorted(keywords - named)),
        tuple(sorted(TYPES)),
        _public(registry.functions),
        _public(registry.aggregates),
        tuple(v for v in values if v.rstrip("0123456789") not in many and v not in keywords),
        tuple(sorted(many)),
        _public(registry.maps),
        tuple(SETTINGS),
        tuple(sorted({s for row in rows if row.parts != (0,) for s in (row.name, *row.aliases)})),
        tuple(sorted(row.name for row in rows if row.parts == (0,))),
    )


def _public(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(name for name in names if name.isidentifier() and not name.startswith("_")))


def terminals() -> dict[str, str]:
    """The terminals of the grammar that are regular expressions, and those that are one string."""
    text = _GRAMMAR.read_text()
    found = dict(re.findall(r"(?m)^([A-Z_]+): /(.+)/(?= *(?://|$))", text))
    return {**{name: re.escape(s) for name, s in re.findall(r'(?m)^([A-Z_]+): "([^"\n]+)"$', text)}, **found}


# ---------------------------------------------------------------- TextMate


def textmate() -> str:
    """The grammar in JSON.  Its regular expressions mean the same to Oniguruma and to Python's `re`."""
    w, t = words(), terminals()
    grammar = {
        "information_for_contributors": "Made from the grammar and the tables by python -m pytrace.highlighting.",
        "name": "pytrace",
        "scopeName": "source.pytrace",
        "fileTypes": ["pt", "bt"],
        "firstLineMatch": r"^#!.*\b(pytrace|bpftrace)\b",
        "patterns": [{"include": f"#{name}"} for name in ("comment", "directive", "config", "head", "probe", "block")],
        "repository": {
            "comment": {"patterns": _comments()},
            "directive": _match(r"^\s*#.*$", "meta.preprocessor"),
            "config": _region(
                r"\b(config)\s*(=)\s*\{",
                r"\}",
                {"1": "keyword.other.declaration", "2": "keyword.operator"},
                [
                    {"include": "#comment"},
                    _match(rf"(?i)\b(?:bpftrace_)?{_any(w.settings)}(?=\s*=)", "support.variable.setting"),
                    {"include": "#expression"},
                ],
            ),
            "head": {"patterns": _heads(w, t)},
            "probe": {"patterns": _attach_points(w)},
            "block": _region(
                r"\{", r"\}", {"0": "punctuation.section.block"}, [{"include": "#block"}, {"include": "#expression"}]
            ),
            "expression": {"patterns": _expressions(w, t)},
        },
    }
    return json.dumps(grammar, indent=2) + "\n"


def _match(regex: str, name: str) -> Rule:
    re.compile(regex)
    return {"match": regex, "name": name}


def _region(begin: str, end: str, captures: dict[str, str], patterns: list[Rule]) -> Rule:
    named = {number: {"name": name} for number, name in captures.items()}
    return {"begin": begin, "end": end, "beginCaptures": named, "patterns": patterns}


def _any(names: Iterable[str]) -> str:
    return f"(?:{'|'.join(sorted(map(re.escape, names), key=lambda n: (-len(n), n)))})"


def _comments() -> list[Rule]:
    return [
        _match(r"//.*$", "comment.line.double-slash"),
        {"begin": r"/\*", "end": r"\*/", "name": "comment.block"},
    ]


def _heads(w: Words, t: dict[str, str]) -> list[Rule]:
    """What stands between the blocks: `let @m = hash(9);`, `macro f($x)`, `fn f($x : int8) : int8`, `import "x";`."""
    declaration = r"\b" + _any(w.declarations) + r"\b"
    return [
        _region(
            rf"\b(fn|macro)\s+({t['IDENT']})",
            r"(?=\{)",
            {"1": "keyword.other.declaration", "2": "entity.name.function"},
            [{"include": "#expression"}],
        ),
        _region(
            rf"({declaration}|\b{_any(w.tags)}\b)",
            r"(?=[;{])",
            {"1": "keyword.other.declaration"},
            [_match(rf"\b{_any(w.maps)}\b(?=\s*\()", "support.type.map"), {"include": "#expression"}],
        ),
    ]


def _attach_points(w: Words) -> list[Rule]:
    """`kprobe:vfs_read`, `begin`, and the condition behind them."""
    provider = rf"(?i:(?<![\w:/.]){_any(w.providers)})"
    return [
        {
            "match": rf'({provider})(:(?:"[^"]*"|[^\s{{,"])*)',
            "captures": {"1": {"name": "keyword.other.probe"}, "2": {"name": "entity.name.type.probe"}},
        },
        _match(rf"(?i:\b{_any(w.alone)}\b)", "keyword.other.probe"),
        {
            "begin": r"/(?![/*])",
            "end": r"/(?=\s*(?:\{|$))|(?=\{)",
            "name": "meta.predicate",
            "patterns": [{"include": "#expression"}],
        },
        _match(r"\$(?:[0-9]+|#)", "variable.parameter"),
    ]


def _expressions(w: Words, t: dict[str, str]) -> list[Rule]:
    ident = t["IDENT"]
    many = [rf"{re.escape(prefix)}[0-9]+" for prefix in w.many]
    called = r"(?=\s*\()"
    return [
        {"include": "#comment"},
        {
            "begin": '"',
            "end": r'"|$',
            "name": "string.quoted.double",
            "patterns": [
                _match(r"\\(?:x[0-9a-fA-F]{1,2}|[0-7]{1,3}|.)", "constant.character.escape"),
                _match(r"%(?:%|[-+ 0#]*[0-9]*(?:\.[0-9]+)?(?:hh|h|ll|l|j|z|t)?[A-Za-z])", "constant.other.placeholder"),
            ],
        },
        {
            "match": rf"(?<!\.)(?:\.|->)\s*({ident})",
            "captures": {"1": {"name": "variable.other.member"}},
        },
        _match(t["MAP"], "variable.other.map"),
        _match(rf"{t['PARAM']}|{t['PARAM_COUNT']}", "variable.parameter"),
        _match(t["VARIABLE"], "variable.other.local"),
        _match(rf"\b{t['INTEGER']}", "constant.numeric"),
        _match(rf"\b{_any(w.control)}\b", "keyword.control"),
        _match(rf"\b{_any(w.operators)}\b", "keyword.operator.word"),
        _match(rf"\b{_any(w.constants)}\b", "constant.language"),
        _match(rf"\b{_any(w.tags)}\b", "storage.type.tag"),
        _match(rf"\b{_any(w.declarations)}\b", "keyword.other.declaration"),
        _match(rf"\b{_any(w.aggregates)}\b{called}", "support.function.aggregate"),
        _match(rf"\b{_any(w.functions)}\b{called}", "support.function"),
        _match(rf"\b(?:{_any(w.values)}|{'|'.join(many)})\b", "support.variable"),
        _match(rf"\b{_any(w.types)}\b", "storage.type"),
        _match(rf"\b{ident}{called}", "entity.name.function"),
        _match(ident, "variable.other.name"),
        _match(_any(o for o in tables.OPERATORS if o not in "(){}[],;"), "keyword.operator"),
    ]


# ---------------------------------------------------------------- Vim

_LINKS = {
    "Comment": "Comment", "Directive": "PreProc", "String": "String", "Escape": "SpecialChar", "Format": "Special",
    "Number": "Number", "Boolean": "Boolean", "Control": "Conditional", "Operator": "Operator", "Tag": "StorageClass",
    "Declaration": "Statement", "Type": "Type", "Function": "Function", "Aggregate": "Function", "Value": "Constant",
    "Setting": "Constant", "MapKind": "Type", "Provider": "Keyword", "Probe": "Identifier", "Map": "Identifier",
    "Variable": "Identifier", "Parameter": "Special",
}  # fmt: skip
"""Our group -> the group of Vim whose colour it has."""
_NOT_WITHIN = ("Provider", "Probe", "Predicate", "Directive", "Format", "Escape", "Todo")
"""Groups that are not looked for in blocks and conditions."""


def vim() -> str:
    """syntax/pytrace.vim.  Keywords win over matches that begin at the same place; of matches the last one does."""
    w, t = words(), terminals()
    lines = [
        '" Vim syntax file: pytrace (and bpftrace) scripts',
        '" Made from the grammar and the tables by python -m pytrace.highlighting.',
        'if exists("b:current_syntax")',
        "  finish",
        "endif",
        "syn case match",
        "syn iskeyword @,48-57,_",
        *_keywords(w),
        *(_vim_match("Value", rf"\<{prefix}\d\+\>") for prefix in w.many),
        # not the slash that ends a condition
        _vim_match("Operator", rf"\%(/\_s*{{\)\@!\%({_vim_any(o for o in tables.OPERATORS if o not in '(){}[],;')}\)"),
        _vim_match("Number", r"\<" + _vim_regex(t["INTEGER"])),
        _vim_match("Map", _vim_regex(t["MAP"])),
        _vim_match("Variable", _vim_regex(t["VARIABLE"])),
        _vim_match("Parameter", rf"{_vim_regex(t['PARAM'])}\|{_vim_regex(t['PARAM_COUNT'])}"),
        _vim_match("Field", rf"\.\@1<!\%(\.\|->\)\s*{_vim_regex(t['IDENT'])}"),
        r"syn match pytraceEscape contained /\\\%(x\x\{1,2}\|\o\{1,3}\|.\)/",
        r"syn match pytraceFormat contained /%\%(%\|[-+ 0#]*\d*\%(\.\d\+\)\=\%(hh\|h\|ll\|l\|j\|z\|t\)\=\a\)/",
        r'syn region pytraceString start=/"/ skip=/\\./ end=/"/ end=/$/ contains=pytraceEscape,pytraceFormat',
        '" outside of braces: attach points and the conditions behind them',
        _vim_match("Provider", rf"\c\<\%({_vim_any(w.alone)}\)\>"),
        r"syn region pytracePredicate transparent start=,/, end=,/\ze\_s*{, contains=ALLBUT,@pytraceOutside",
        _vim_match("Probe", rf'\c\%([[:alnum:]_:/.]\)\@1<!\%({_vim_any(w.providers)}\):\%("[^"]*"\|[^[:space:]{{,"]\)*',
                   " contains=pytraceProvider"),
        _vim_match("Provider", rf"\c\%([[:alnum:]_:/.]\)\@1<!\%({_vim_any(w.providers)}\)\ze:", " contained"),
        f"syn cluster pytraceOutside contains={','.join(f'pytrace{group}' for group in _NOT_WITHIN)}",
        "syn region pytraceBlock transparent start=/{/ end=/}/ contains=ALLBUT,@pytraceOutside",
        r"syn match pytraceDirective /^\s*#.*/",
        "syn keyword pytraceTodo contained TODO FIXME XXX",
        "syn region pytraceComment start=,//, end=/$/ contains=pytraceTodo",
        "syn region pytraceComment start=,/\\*, end=,\\*/, contains=pytraceTodo",
        "syn sync fromstart",
        *(f"hi def link pytrace{ours} {theirs}" for ours, theirs in _LINKS.items()),
        "hi def link pytraceTodo Todo",
        'let b:current_syntax = "pytrace"',
        "",
    ]  # fmt: skip
    return "\n".join(lines)


def _keywords(w: Words) -> list[str]:
    groups = {
        "Control": w.control, "Operator": w.operators, "Boolean": w.constants, "Tag": w.tags,
        "Declaration": w.declarations, "Type": w.types, "Value": w.values, "Setting": w.settings,
    }  # fmt: skip
    called = {"MapKind": w.maps, "Function": w.functions, "Aggregate": w.aggregates}
    return [
        *(_vim_match(group, rf"\<\%({_vim_any(names)}\)\ze\s*(") for group, names in called.items()),
        *(f"syn keyword pytrace{group} {' '.join(names)}" for group, names in groups.items()),
    ]


def _vim_match(group: str, regex: str, more: str = "") -> str:
    delimiter = next(c for c in "/+;!" if c not in regex)
    return f"syn match pytrace{group} {delimiter}{regex}{delimiter}{more}"


def _vim_any(names: Iterable[str]) -> str:
    special = r"\.*[]^$~"
    quoted = ("".join(f"\\{c}" if c in special else c for c in name) for name in names)
    return r"\|".join(sorted(quoted, key=lambda n: (-len(n), n)))


def _vim_regex(regex: str) -> str:
    """Of what the grammar's terminals use of regular expressions."""
    return regex.replace("(", r"\%(").replace(")?", r"\)\=").replace("+", r"\+").replace("\\#", "#")


FTDETECT = """\
" Vim: scripts of pytrace and bpftrace by their names, or by their first line.
" Made by python -m pytrace.highlighting.
autocmd BufRead,BufNewFile *.pt,*.bt set filetype=pytrace
autocmd BufRead,BufNewFile * if getline(1) =~# '^#!.*\\<\\%(pytrace\\|bpftrace\\)\\>' | set filetype=pytrace | endif
"""
FTPLUGIN = """\
" Vim: how scripts of pytrace and bpftrace are written.  Made by python -m pytrace.highlighting.
if exists("b:did_ftplugin")
  finish
endif
let b:did_ftplugin = 1
setlocal commentstring=//\\ %s comments=s1:/*,mb:*,ex:*/,:// shiftwidth=2 expandtab
let b:undo_ftplugin = "setlocal commentstring< comments< shiftwidth< expandtab<"
"""
_VSCODE = {
    "name": "pytrace",
    "displayName": "pytrace and bpftrace",
    "description": "Colours for scripts of pytrace and bpftrace",
    "version": "0.1.0",
    "publisher": "pytrace",
    "license": "Apache-2.0",
    "engines": {"vscode": "^1.60.0"},
    "categories": ["Programming Languages"],
    "contributes": {
        "languages": [
            {
                "id": "pytrace",
                "aliases": ["pytrace", "bpftrace"],
                "extensions": [".pt", ".bt"],
                "firstLine": r"^#!.*\b(pytrace|bpftrace)\b",
                "configuration": "./language-configuration.json",
            }
        ],
        "grammars": [
            {"language": "pytrace", "scopeName": "source.pytrace", "path": "./syntaxes/pytrace.tmLanguage.json"}
        ],
    },
}
_VSCODE_LANGUAGE = {
    "comments": {"lineComment": "//", "blockComment": ["/*", "*/"]},
    "brackets": [["{", "}"], ["[", "]"], ["(", ")"]],
    "autoClosingPairs": [["{", "}"], ["[", "]"], ["(", ")"], ['"', '"']],
}


def files() -> dict[str, str]:
    """Path below docs/editors -> text."""
    return {
        "vim/ftdetect/pytrace.vim": FTDETECT,
        "vim/ftplugin/pytrace.vim": FTPLUGIN,
        "vim/syntax/pytrace.vim": vim(),
        "vscode/language-configuration.json": json.dumps(_VSCODE_LANGUAGE, indent=2) + "\n",
        "vscode/package.json": json.dumps(_VSCODE, indent=2) + "\n",
        "vscode/syntaxes/pytrace.tmLanguage.json": textmate(),
    }


if __name__ == "__main__":
    for name, text in files().items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
