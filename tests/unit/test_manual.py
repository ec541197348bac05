"""The manual pages: not older than what they are made from, complete, and as man(1) wants them."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from pytrace import manual, toolbox
from pytrace.compare.arguments import OPTIONS as COMPARING
from pytrace.defs import load_registry
from pytrace.environment import VARIABLES
from pytrace.option_table import OPTIONS
from pytrace.reference import sections, title
from pytrace.sema.config import SETTINGS

ROOT = Path(__file__).resolve().parents[2]
PAGES = manual.files()


@pytest.mark.parametrize("name", PAGES)
def test_pages_are_not_old(name: str) -> None:
    assert (manual.FOLDER / name).read_text() == PAGES[name], "run: python -m pytrace.manual"


def plain(page: str) -> str:
    """A page without its macros and escapes."""
    text = re.sub(r"(?m)^\.(?:TP|PP|IP|EX|EE|br|nh)$\n|^\.(?:B|SH|SS|BR) ", "", page)
    for escape, meant in (("\\-", "-"), ("\\(aq", "'"), ("\\(dq", '"'), ("\\&", ""), ("\\e", "\\"), ("\\fB", ""),
                          ("\\fR", ""), ("\\(ti", "~"), ("\\|.\\|.\\|.", "…")):  # fmt: skip
        text = text.replace(escape, meant)
    return joined(text)


def joined(text: str) -> str:
    return " ".join(text.split())


def test_the_command_has_all() -> None:
    text = plain(manual.command_page())
    for option in (*OPTIONS, *COMPARING):
        assert not option.doc or (
            option.spelling in text and joined(option.doc)[1:] in text and joined(option.more) in text
        )
        assert all(value in text for value in option.values)
    for name in toolbox.names():
        assert f" {name} {toolbox.purpose(name)[0].upper()}{toolbox.purpose(name)[1:]}" in text
    for setting in SETTINGS.values():
        assert f" {setting.key} = " in text and setting.doc.replace("`", "") in text
    for variable in VARIABLES:
        assert f" {variable.name}={variable.value} {variable.doc}" in text


def test_the_language_has_all() -> None:
    page = manual.language_page()
    heads = [plain(line) for line in re.findall(r"(?m)^\.SS (.*)", page)]
    assert heads == [title(row) for rows in sections(load_registry()).values() for row in rows]


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.feature("man", "mandoc")
def test_no_warnings(name: str) -> None:
    env = {**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80"}
    commands = (
        ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", str(manual.FOLDER / name)],
        ["mandoc", "-T", "lint", str(manual.FOLDER / name)],
    )
    for command in commands:
        done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        said = done.stderr if command[0] == "man" else done.stdout + done.stderr
        assert done.returncode == 0 and not said, f"{command[0]}: {said}"


@pytest.mark.feature("man")
def test_man_finds_them() -> None:
    for words in (["pytrace"], ["pytrace-language"]):
        done = subprocess.run(
            ["man", "-M", str(manual.FOLDER), *words], env={**os.environ, "LC_ALL": "C.UTF-8", "MANPAGER": "cat"},
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0 and words[0] in done.stdout, done.stderr


def test_every_variable_that_is_read_has_a_row() -> None:
    known = {v.name for v in VARIABLES} | {f"BPFTRACE_{key.upper()}" for key in SETTINGS}
    known |= {"BPFTRACE_DUMMY_TS_MAP", "ARCH"}  # for tests, and for cross compilation, which there is none of
    read = set()
    for folder in ("pytrace", "runtime", "codegen", "grammar"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text()
            read |= set(re.findall(r'environ(?:\.get\(|\[|\()"([A-Z_]+)"', text))
            read |= {
                name for name in re.findall(r'"([A-Z][A-Z_]+)"', text) if name.startswith(("PYTRACE_", "BPFTRACE_"))
            }
            read |= {name for names in re.findall(r'for name in \(((?:"[A-Z_]+",? ?)+)\):\n.*environ', text)
                     for name in re.findall(r"[A-Z_]+", names)}  # fmt: skip
    assert {"BPFTRACE_COLOR", "PYTRACE_CACHE_DIR", "CPATH", "PATH"} <= read
    assert read <= known | {"BPFTRACE_", "BPFTRACE_HAVE_BTF"}
