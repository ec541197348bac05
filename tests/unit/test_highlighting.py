"""The files for editors: not older than the tables, and what they make of scripts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytrace import highlighting, toolbox
from pytrace.grammar import tables
from tests.harness import machine
from tests.harness.colours import Textmate, vim_groups

GRAMMAR = Textmate(json.loads(highlighting.textmate()))
SCRIPT = r"""#!/usr/bin/env pytrace
/* two
 lines: begin { } */
#include <linux/sched.h>
config = { max_strlen = 64; missing_probes = "warn" }
let @recent = lruhash(10);
macro twice($x) { $x * 2 }
fn half($x : uint64) : uint64 { return $x / 2; }
begin { printf("%-5d\t%s\n", $1, comm); }
tracepoint:sched:sched_switch, t:syscalls:sys_enter_* /pid == 0x1f && args.prev_pid > 0/ {
  $t = (struct task_struct *)curtask; // u:/bin/true:main
  @a[comm, $t->pid] = count();
  @ = hist(args.bytes / 1024);
  if (arg0 > 5 ? true : false) { delete(@recent, 1); } else { twice(pid); }
  for ($i : 0..nsecs) { $t->comm.count = sizeof(int8); }
}
uprobe:/bin/bash:"read line" /$# > 1/ { @b++; }
end { clear(@a); }
"""
EXPECTED = [  # line, text, TextMate scope, Vim group
    (1, "#!/usr", "meta.preprocessor", "Directive"),
    (2, "two", "comment.block", "Comment"),
    (3, "begin", "comment.block", "Comment"),
    (4, "#include", "meta.preprocessor", "Directive"),
    (5, "config", "keyword.other.declaration", "Declaration"),
    (5, "max_strlen", "support.variable.setting", "Setting"),
    (5, "64", "constant.numeric", "Number"),
    (5, '"warn"', "string.quoted.double", "String"),
    (6, "let", "keyword.other.declaration", "Declaration"),
    (6, "@recent", "variable.other.map", "Map"),
    (6, "lruhash", "support.type.map", "MapKind"),
    (7, "macro", "keyword.other.declaration", "Declaration"),
    (7, "twice", "entity.name.function", None),
    (7, "$x * 2", "variable.other.local", "Variable"),
    (8, "fn", "keyword.other.declaration", "Declaration"),
    (8, "uint64", "storage.type", "Type"),
    (8, "return", "keyword.control", "Control"),
    (9, "begin", "keyword.other.probe", "Provider"),
    (9, "printf", "support.function", "Function"),
    (9, "%-5d", "constant.other.placeholder", "Format"),
    (9, r"\t", "constant.character.escape", "Escape"),
    (9, "$1", "variable.parameter", "Parameter"),
    (9, "comm", "support.variable", "Value"),
    (10, "tracepoint", "keyword.other.probe", "Provider"),
    (10, ":sched:sched_switch", "entity.name.type.probe", "Probe"),
    (10, "t:sys", "keyword.other.probe", "Provider"),
    (10, ":syscalls:sys_enter_*", "entity.name.type.probe", "Probe"),
    (10, "pid", "support.variable", "Value"),
    (10, "0x1f", "constant.numeric", "Number"),
    (10, "&&", "keyword.operator", "Operator"),
    (10, "args", "support.variable", "Value"),
    (10, "prev_pid", "variable.other.member", "Field"),
    (11, "struct", "storage.type.tag", "Tag"),
    (11, "curtask", "support.variable", "Value"),
    (11, "u:/bin", "comment.line.double-slash", "Comment"),
    (12, "@a", "variable.other.map", "Map"),
    (12, "$t", "variable.other.local", "Variable"),
    (12, "pid]", "variable.other.member", "Field"),
    (12, "count", "support.function.aggregate", "Aggregate"),
    (13, "@", "variable.other.map", "Map"),
    (13, "/ 1024", "keyword.operator", "Operator"),
    (14, "if", "keyword.control", "Control"),
    (14, "arg0", "support.variable", "Value"),
    (14, "true", "constant.language", "Boolean"),
    (14, "delete", "support.function", "Function"),
    (14, "else", "keyword.control", "Control"),
    (14, "twice", "entity.name.function", None),
    (15, "..", "keyword.operator", "Operator"),
    (15, "nsecs", "support.variable", "Value"),
    (15, "comm", "variable.other.member", "Field"),
    (15, "count", "variable.other.member", "Field"),
    (15, "sizeof", "keyword.operator.word", "Operator"),
    (15, "int8", "storage.type", "Type"),
    (17, "uprobe", "keyword.other.probe", "Provider"),
    (17, '"read line"', "entity.name.type.probe", "Probe"),
    (17, "$#", "variable.parameter", "Parameter"),
    (17, "++", "keyword.operator", "Operator"),
    (18, "end", "keyword.other.probe", "Provider"),
    (18, "clear", "support.function", "Function"),
]


@pytest.mark.parametrize("name", highlighting.files())
def test_files_are_not_old(name: str) -> None:
    assert (highlighting.FOLDER / name).read_text() == highlighting.files()[name], "run: python -m pytrace.highlighting"


@pytest.fixture(scope="module", params=["textmate", "vim"])
def painted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[list[str]]]:
    """Which editor, and the name at each place of SCRIPT."""
    if request.param == "textmate":
        return request.param, GRAMMAR.scopes(SCRIPT)
    machine.need("vim")
    script = tmp_path_factory.mktemp("vim") / "script.pt"
    script.write_text(SCRIPT)
    return request.param, vim_groups(highlighting.FOLDER / "vim", script)


@pytest.mark.parametrize(("line", "text", "scope", "group"), EXPECTED, ids=lambda v: str(v))
def test_colours(painted: tuple[str, list[list[str]]], line: int, text: str, scope: str, group: str | None) -> None:
    editor, names = painted
    at = SCRIPT.splitlines()[line - 1].index(text)
    width = len(text.split(" ")[0]) if " " in text and text[0] != '"' else len(text)
    width = next((len(word) for word in ("t", "u", "pid") if text in (f"{word}:sys", f"{word}]")), width)
    found = set(names[line - 1][at : at + width])
    if editor == "textmate":
        assert found == {scope}
    else:
        assert found == ({f"pytrace{group}"} if group else {""})


def test_every_keyword_and_operator_has_a_colour() -> None:
    for word in tables.KEYWORDS:
        (line,) = GRAMMAR.scopes(f"{{ {word} x }}".replace("{ ", "{", 1).replace(" }", "}"))
        assert line[1].startswith(("keyword", "constant.language", "storage")), word
        assert f" {word}" in highlighting.vim().replace("\n", " ")
    for operator in tables.OPERATORS:
        if operator not in "(){}[],;$#.->" or operator == "-":
            (line,) = GRAMMAR.scopes(f"{{1 {operator} 2}}")
            assert set(line[3 : 3 + len(operator)]) == {"keyword.operator"}, operator


@pytest.mark.parametrize("name", toolbox.names())
def test_tools(name: str) -> None:
    """Every brace of a bundled tool is closed again, and no probe is seen within one."""
    path = toolbox.path_of(name)
    assert path is not None
    text = Path(path).read_text()
    lines = GRAMMAR.scopes(text + "begin { }")
    assert lines[-1][:5] == ["keyword.other.probe"] * 5
    for line, names in zip(text.splitlines(), lines, strict=False):
        if line.startswith("  ") and not names[0].startswith("comment"):
            assert not {"keyword.other.probe", "entity.name.type.probe"} & set(names), line
