"""Test cases in data files: a name, directives, and (below `---`) the script.

    # a comment
    === name of the case
    needs: uprobe gcc
    run: {tool} {script} -c '{programs}/calls'
    ---
    uprobe:{programs}/calls:plus { printf("%d\\n", arg0); }

A directive may be repeated.  In `run` and the script, {tool} is the command, {script} `-e` with the script, {file} a
file holding it, {programs} the folder of built test programs and {pid} the process that `before` started.
"""

from __future__ import annotations

import shlex
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.harness import machine

RUNNING = ("run", "needs", "lacks", "env", "before", "after", "timeout", "stdin", "smoke")
COMPARING = ("compare", "normalise", "normalise-stderr")  # tests/conformance
EXPECTING = ("expect", "regex", "absent", "stderr", "status")  # tests/live
ALTERING = ("options", "change", "place")  # tests/compare
DIRECTIVES = frozenset((*RUNNING, *COMPARING, *EXPECTING, *ALTERING))


@dataclass(frozen=True)
class Case:
    """One case.  `directives` maps a name to its values in order."""

    path: Path
    line: int
    name: str
    script: str
    directives: dict[str, list[str]] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return f"{self.path.stem}.{self.name.replace(' ', '-')}"

    def words(self, directive: str) -> list[str]:
        """All words of all values of a directive."""
        return " ".join(self.directives.get(directive, [])).split()

    def one(self, directive: str, default: str) -> str:
        """The last value of a directive."""
        return self.directives.get(directive, [default])[-1]

    def environment(self) -> dict[str, str]:
        return dict(pair.split("=", 1) for pair in self.words("env"))

    def command(self, tool: str, programs: Path, file: Path, pid: int = 0) -> str:
        """The shell command, its file written."""
        names = {"{programs}": str(programs), "{pid}": str(pid)}
        script, run = self.script, self.one("run", "{tool} {script}")
        for name, value in names.items():
            script, run = script.replace(name, value), run.replace(name, value)
        file.write_text(script, encoding="latin-1")
        run = run.replace("{script}", "-e " + shlex.quote(script)).replace("{file}", str(file))
        return run.replace("{tool}", tool)


def parameters(folder: Path) -> list[Any]:
    """The cases of a folder as pytest parameters.  What needs something that CI's own kernel does not have is marked
    `elsewhere`.  Those for the virtual machine's smoke run are marked `smoke`: a case that says `smoke: yes`, and each
    that is marked `elsewhere`, unless it says `smoke: no`."""
    found = []
    for path in sorted(folder.glob("*.case")):
        for case in read(path):
            elsewhere = not machine.declared_skips().isdisjoint(case.words("needs"))
            smoke = case.one("smoke", "yes" if elsewhere else "no") == "yes"
            marks = [*([pytest.mark.smoke] if smoke else []), *([pytest.mark.elsewhere] if elsewhere else [])]
            found.append(pytest.param(case, id=case.id, marks=marks))
    return found


def read(path: Path) -> list[Case]:
    """The cases of one file; ValueError with its line for a malformed one."""
    cases: list[Case] = []
    name, start, script, head = "", 0, [], True
    directives: dict[str, list[str]] = defaultdict(list)

    def finish() -> None:
        if name:
            text = "".join(script).rstrip("\n") + ("\n" if script else "")
            cases.append(Case(path, start, name, text, dict(directives)))

    for number, line in enumerate(path.read_text().splitlines(keepends=True), 1):
        if line.startswith("=== "):
            finish()
            name, start, script, head = line[4:].strip(), number, [], True
            directives = defaultdict(list)
        elif head and line.strip() == "---":
            head = False
        elif not head:
            script.append(line)
        elif line.strip() and not line.startswith("#"):
            key, colon, value = line.partition(":")
            if not colon or key not in DIRECTIVES or not name:
                raise ValueError(f"{path}:{number}: not a directive: {line.strip()}")
            directives[key].append(value.strip())
    finish()
    ids = [case.id for case in cases]
    if len(ids) != len(set(ids)):
        raise ValueError(f"{path}: two cases of one name: {sorted({i for i in ids if ids.count(i) > 1})}")
    return cases
