"""What a TextMate grammar and Vim make of a text: the scope, or the syntax group, of every character.

In: a grammar or the folder of Vim's files, and a text.  Out: lines of names.  What a newcomer would get wrong: this is
not all of TextMate, only what our grammar uses (match, begin and end, captures, includes), with Python's regular
expressions for Oniguruma's; names that enclose others are not kept.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

Rule = dict[str, Any]


class Textmate:
    """A grammar as its JSON has it."""

    def __init__(self, grammar: Rule) -> None:
        self._grammar = grammar

    def scopes(self, text: str) -> list[list[str]]:
        """The innermost scope of each character of each line, "" for none."""
        stack: list[Rule] = [{"patterns": self._grammar["patterns"]}]
        return [self._line(line, stack) for line in text.splitlines()]

    def _line(self, line: str, stack: list[Rule]) -> list[str]:
        found = [""] * len(line)
        at = 0
        while at <= len(line):
            inside = stack[-1]
            name = inside.get("name", "")
            match, rule, ends = self._next(line, at, inside)
            end = match.start() if match else len(line)
            found[at:end] = [name] * (end - at)
            if match is None or rule is None:
                break
            if ends:
                found[match.start() : match.end()] = [name] * len(match[0])
                stack.pop()
            else:
                self._paint(found, match, rule, name)
                if "begin" in rule:
                    stack.append(rule)
            at = match.end() + (not match[0] and not ends and "begin" not in rule)
        return found

    def _next(self, line: str, at: int, inside: Rule) -> tuple[re.Match[str] | None, Rule | None, bool]:
        """The rule that applies first, the end before the patterns in their order, and whether it is the end."""
        best: tuple[re.Match[str] | None, Rule | None, bool] = (None, None, False)
        regexes = [(inside["end"], inside, True)] if "end" in inside else []
        regexes += [(r.get("match") or r["begin"], r, False) for r in self._flat(inside.get("patterns", []))]
        for regex, rule, ends in regexes:
            match = re.compile(regex).search(line, at)
            if match and (best[0] is None or match.start() < best[0].start()):
                best = match, rule, ends
        return best

    def _flat(self, patterns: list[Rule]) -> list[Rule]:
        rules: list[Rule] = []
        for pattern in patterns:
            if "include" in pattern:
                entry = self._grammar["repository"][pattern["include"][1:]]
                rules += [entry] if "match" in entry or "begin" in entry else self._flat(entry["patterns"])
            else:
                rules.append(pattern)
        return rules

    def _paint(self, found: list[str], match: re.Match[str], rule: Rule, around: str) -> None:
        found[match.start() : match.end()] = [rule.get("name", around)] * len(match[0])
        for number, capture in (rule.get("captures") or rule.get("beginCaptures") or {}).items():
            begin, end = match.span(int(number))
            found[begin:end] = [capture["name"]] * (end - begin)


def vim_groups(files: Path, script: Path) -> list[list[str]]:
    """The syntax group of each character of each line of `script`, as Vim with these files has it."""
    out = script.with_suffix(".groups")
    dump = (
        "for l in range(1, line('$')) | for c in range(1, col([l, '$']) - 1) | "
        "call add(g:found, synIDattr(synID(l, c, 1), 'name')) | endfor | call add(g:found, '--') | endfor"
    )
    commands = [f"set rtp^={files}", "filetype plugin on", "syntax on", f"edit {script}", "let g:found = []", dump,
                f"call writefile([&filetype] + g:found, '{out}')", "qa!"]  # fmt: skip
    words = ["vim", "-es", "-N", "-u", "NONE", "-i", "NONE", "-n"]
    for command in commands:
        words += ["-c", command]
    env = {**os.environ, "HOME": str(script.parent), "TERM": "dumb", "LC_ALL": "C.UTF-8"}
    subprocess.run(words, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=True)
    kind, *groups = out.read_text().splitlines()
    assert kind == "pytrace", f"Vim takes it for {kind!r}"
    lines: list[list[str]] = [[]]
    for group in groups:
        if group == "--":
            lines.append([])
        else:
            lines[-1].append(group)
    return lines[:-1]
