"""docs/differences.md against the reference: each section's script gives the two outputs that the section lists.

A section is `## N. title`, its reason, a fenced `bpftrace` script, perhaps before it a fenced `sh` command ({tool},
{script} and {programs} as in tests/harness/datafile.py, {file} a file of the script), and what either tool prints,
fenced as `text reference` and `text pytrace`: standard output, then the messages, without empty lines and what is about
the machine; `status N` at the end unless it is 0; `…` stands for anything.  What a newcomer would get wrong: a section
also fails when the reference has become right, that is when both print the same.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytrace.compare.tokens import NOISE
from tests.harness import machine
from tests.harness.process import run

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "differences.md"
FENCE = re.compile(r"(?ms)^```([^\n]*)\n(.*?)^```$")
ATTACHED = re.compile(r"(?m)^Attached \d+ probes?\n")


@dataclass(frozen=True)
class Section:
    """One difference: `reference` and `pytrace` are what the section says that they print."""

    number: int
    title: str
    script: str
    command: str
    reference: str
    pytrace: str


def sections() -> list[Section]:
    """The numbered sections of the document; ValueError for one that lacks a part."""
    found = []
    for part in re.split(r"(?m)^## (?=\d+\. )", DOCUMENT.read_text())[1:]:
        number, _, rest = part.partition(". ")
        title = rest.split("\n", 1)[0]
        fences = dict(FENCE.findall(part))
        if not {"bpftrace", "text reference", "text pytrace"} <= set(fences):
            raise ValueError(f"section {number} ({title}) has {sorted(fences)}")
        command = fences.get("sh", "{tool} {script}").strip()
        script, theirs, ours = (fences[name] for name in ("bpftrace", "text reference", "text pytrace"))
        found.append(Section(int(number), title, script, command, theirs, ours))
    return found


SECTIONS = sections()


def output(section: Section, tool: str, programs: Path, folder: Path) -> str:
    """What `tool` prints, in the form of the document."""
    folder.mkdir()
    script = section.script.replace("{programs}", str(programs))
    (folder / "script.bt").write_text(script, encoding="latin-1")
    command = section.command
    for name, value in {
        "{programs}": str(programs), "{script}": "-e " + shlex.quote(script), "{file}": "script.bt", "{tool}": tool,
    }.items():  # fmt: skip
        command = command.replace(name, value)
    done = run(command, timeout=20, cwd=folder)
    assert not done.timed_out, done.describe()
    text = done.stdout + ATTACHED.sub("", NOISE.sub("", done.stderr))
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    return "".join(f"{line}\n" for line in lines + [f"status {done.status}"] * (done.status != 0))


def fits(text: str, listed: str) -> bool:
    """Whether `text` is what is listed, with anything for each `…`."""
    pattern = "".join(".*" if part == "…" else re.escape(part) for part in re.split("(…)", listed.strip()))
    return re.fullmatch(pattern, text.strip(), re.S) is not None


def test_the_sections_are_numbered() -> None:
    assert [section.number for section in SECTIONS] == list(range(1, len(SECTIONS) + 1))
    assert len({section.title for section in SECTIONS}) == len(SECTIONS) > 10


def test_anything_is_anything_only_where_it_says_so() -> None:
    assert fits("a b c\n", "a … c") and fits("a\nb\n", "a\n…\n") and fits("x", "x\n")
    assert not fits("a b", "a") and not fits("ab", "a.")


@pytest.mark.feature("root", "btf", "reference", "uprobe")
@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: str(section.number))
@pytest.mark.usefixtures("nothing_left_behind")
def test_difference(section: Section, pytrace: str, test_programs: Path, tmp_path: Path) -> None:
    theirs = output(section, machine.reference(), test_programs, tmp_path / "reference")
    ours = output(section, pytrace, test_programs, tmp_path / "pytrace")
    assert theirs != ours, f"both print the same, the section is out of date:\n{ours}"
    assert fits(theirs, section.reference), f"the reference prints\n{theirs}not\n{section.reference}"
    assert fits(ours, section.pytrace), f"pytrace prints\n{ours}not\n{section.pytrace}"
