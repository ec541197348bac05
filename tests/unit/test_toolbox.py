"""The bundled tools' headers and pages, and their options on the command line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytrace import toolbox
from pytrace.arguments import parse
from pytrace.diagnostics import UsageError

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = {name: (ROOT / "pytrace" / "tools" / f"{name}.pt").read_text() for name in toolbox.names()}


@pytest.mark.parametrize("name", SCRIPTS)
def test_header_declares_the_options_of_the_script(name: str) -> None:
    text, tool = SCRIPTS[name], toolbox.Tool(name, SCRIPTS[name])
    if tool.generator:
        asked_by_generator(tool)
        return
    asked = set(re.findall(r'getopt\("([^"]+)"', text))
    positional = {parameter.removeprefix("--") for parameter, _, _ in tool.parameters}
    assert asked == set(tool.takes_value) - positional
    for option in asked:
        takes_value = bool(re.search(rf'getopt\("{option}", ', text))
        assert tool.takes_value[option] == takes_value, option
    used = {
        int(number)
        for number in re.findall(r"\$(\d+)\b|\$(\d+)(?=probe|retprobe)", text)
        for number in number
        if number
    }
    assert used == set(range(1, len(positional) + 1))


def asked_by_generator(tool: toolbox.Tool) -> None:
    """The same for a tool whose script is made: its generator asks for exactly the options of the header."""
    path = ROOT / f"{tool.generator.replace('.', '/')}.py"
    asked: dict[str, bool] = {}
    for how, option in re.findall(r"words\.(flag|text|all|number)\([\"']([^\"']+)", path.read_text()):
        asked[option] = asked.get(option, False) or how != "flag"
    assert asked == {name: value for name, value in tool.takes_value.items() if name != "sym_file_list"}


@pytest.mark.parametrize("name", SCRIPTS)
def test_header_says_what_is_needed(name: str) -> None:
    text = toolbox.manual(name)
    assert text is not None
    assert text.startswith(f"NAME\n    {name} - ") and text.isascii()
    for section in ("SYNOPSIS\n", "DESCRIPTION\n", "NEEDS\n", "SEE ALSO\n"):
        assert section in text
    for letter in toolbox.Tool(name, SCRIPTS[name]).letters:
        assert re.search(rf"-{letter}\b", text.partition("SYNOPSIS")[2].partition("DESCRIPTION")[0]) or letter in "cC"
    assert max(map(len, SCRIPTS[name].splitlines())) <= 120 or name == "execsnoop"


@pytest.mark.parametrize("name", SCRIPTS)
def test_page_has_the_manual(name: str) -> None:
    page = (ROOT / "docs" / "tools" / f"{name}.md").read_text()
    manual = toolbox.manual(name)
    assert manual is not None and manual[manual.index("SYNOPSIS") :].rstrip() in page
    for heading in (f"# {name}\n", "## Example\n", "## What it costs\n"):
        assert heading in page
    assert f"[{name}]({name}.md)" in (ROOT / "docs" / "tools" / "README.md").read_text()


def test_table_has_a_line_for_each() -> None:
    lines = toolbox.table().splitlines()
    assert [line.split()[0] for line in lines] == list(SCRIPTS)
    assert all(len(line.split()) > 2 and len(line) <= 100 for line in lines)


NONE = ["0::0"] * 3
"""No address was given to tcpdump."""


@pytest.mark.parametrize(
    ("words", "named", "positional"),
    [
        ("opensnoop -x", ["failed"], ["99999999"]),
        ("opensnoop -xTp 5", ["failed", "timestamp", "pid=5"], ["99999999"]),
        ("opensnoop -p5 -d 3", ["pid=5"], ["3"]),
        ("opensnoop --pid 5 --name=-x", ["pid=5", "name=-x"], ["99999999"]),
        ("opensnoop -- -x --pid=5", ["failed", "pid=5"], ["99999999"]),
        ("opensnoop -- --nosuch", ["nosuch"], ["99999999"]),
        ("biolatency", [], ["99999999", "99999999"]),
        ("biolatency -m 1", ["milliseconds"], ["1", "99999999"]),
        ("biolatency 1 -m 10", ["milliseconds"], ["1", "10"]),
        ("profile -F 99", [], ["99999999", "99"]),
        ("funccount -i 2 kprobe:vfs_*", [], ["kprobe:vfs_*", "2", "99999999"]),
        ("strace -tt -fp 5", ["microseconds", "follow"], ["all", "5"]),
        ("strace -ft -p 5 --pid=6,7 -e %file", ["follow", "absolute-timestamps"], ["%file", "5,6,7"]),
        ("tcpdump", [], ["any", "", "inout", *NONE]),
        ("tcpdump -nni eth0 port 80", ["port=80"], ["eth0", "", "inout", *NONE]),
        ("tcpdump tcp port ssh src host ::0001 -w f", ["tcp", "port=22"], ["any", "f", "inout", "0::0", "::1", "0::0"]),
        ("tcpdump host ::", [], ["any", "", "inout", "::", "0::0", "0::0"]),
        ("tcpdump udp and dst ::4 && src port 5", ["udp", "src-port=5"], ["any", "", "inout", "0::0", "0::0", "::4"]),
        ("trace -KTp 5 c:f -I a c:g -I b", ["kernel-stack", "time", "pid=5", "include=a", "include=b"], ["c:f", "c:g"]),
        ("argdist -n 1 -C p:c:f() -H r:c:g()", ["number=1", "count=p:c:f()", "histogram=r:c:g()"], []),
    ],
)
def test_tools_own_options(words: str, named: list[str], positional: list[str]) -> None:
    inv = parse(words.split())
    assert inv.file == words.split()[0]
    assert list(inv.options.named) == named
    assert list(inv.options.positional) == positional


def test_options_of_pytrace_before_and_behind_a_tool() -> None:
    inv = parse("-c true -p 7 tcpretrans -c -q -o out".split()[2:])  # before the name they are pytrace's, as ever
    assert (inv.pid_text, inv.options.named, inv.options.quiet, inv.options.output) == ("7", ("count",), True, "out")
    assert parse(["execsnoop", "--help"]).topic == "execsnoop"
    assert parse(["-e", "begin {}", "opensnoop", "-q"]).options.positional == ("opensnoop",)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("opensnoop -p", "opensnoop: option '-p' requires an argument"),
        ("opensnoop --pid", "opensnoop: option '--pid' requires an argument"),
        ("opensnoop -xZ", "opensnoop: invalid option -- 'Z'"),
        ("opensnoop 5 6", "opensnoop: unexpected argument '6'"),
        ("strace ls", "strace: unexpected argument 'ls'"),
        ("funccount", "funccount: pattern is missing"),
        ("tcpdump tcp or udp", "tcpdump: 'or' is not understood in an expression"),
        ("tcpdump not arp", "tcpdump: 'not' is not understood in an expression"),
        ("tcpdump tcp and", "tcpdump: the end behind 'and' is not understood in an expression"),
        ("tcpdump host", "tcpdump: 'host' must be followed by ADDRESS"),
        ("tcpdump host example.org", "tcpdump: 'example.org' behind 'host' is no address"),
        ("tcpdump port 70000", "tcpdump: '70000' behind 'port' is no port"),
        ("tcpdump tcp and udp", "tcpdump: 'tcp' and 'udp' exclude each other in the expression"),
        ("tcpdump host ::1 host ::2", "tcpdump: 'host' stands twice in the expression"),
        ("tcpdump src ::1 and src host ::2", "tcpdump: 'src' and 'src host' exclude each other in the expression"),
    ],
)
def test_what_is_refused(words: str, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        parse(words.split())


def test_a_file_of_a_tools_name_is_run_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "opensnoop").write_text("begin { }")
    assert parse(["opensnoop", "5"]).options.positional == ("5",)
