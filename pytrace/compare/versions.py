"""Which bpftrace to compare with, and what its version prints in another form than 0.27.

Place in the pipeline: before and after `tracer`.  In: a path, or nothing; later what that bpftrace printed.  Out: the
`Reference`; its output in the form of 0.27 as far as that can be said without knowing the script.  What a newcomer
would get wrong: `bpftrace` on PATH may be pytrace under another name (that is what it is made for): such a file is
passed over.

The forms of 0.17.0, 0.23.2 and 0.27.1 were taken from their output (Debian bookworm, trixie and sid); what changed
between two of them is taken to hold for every version before the later one.
"""

from __future__ import annotations

import os
import re
import subprocess

from pytrace.diagnostics import MachineError
from pytrace.record import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

CURRENT = (0, 27)
OLDEST = (0, 17)
NOTIFICATION = "__BPFTRACE_NOTIFY_PROBES_ATTACHED"
"""Environment variable, and what is printed on one of the outputs as soon as all probes are attached."""
_BESIDE_PATH = ("/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin")


@record
class Reference:
    """A bpftrace.  `version`: (0, 17); `title`: as it calls itself, `bpftrace v0.17.0`."""

    path: str
    title: str
    version: tuple[int, ...]

    @property
    def is_current(self) -> bool:
        """Whether it prints in the form of 0.27, so that even empty lines count."""
        return self.version[:2] >= CURRENT

    @property
    def remark(self) -> str:
        """What to know about its version, "" if nothing."""
        if OLDEST <= self.version[:2] <= CURRENT:
            return ""
        return f"{self.title} is none of the versions that pytrace compare knows (0.17 to 0.27)"


def find(path: str = "") -> Reference:
    """The bpftrace at `path`, or the first one on PATH that is not pytrace.  Raises MachineError with what was looked
    for."""
    if path:
        found = path if "/" in path else next((p for p in _candidates(path) if os.access(p, os.X_OK)), path)
        return _asked(found)
    passed: list[str] = []
    for candidate in _candidates("bpftrace"):
        if not os.access(candidate, os.X_OK) or os.path.isdir(candidate):
            continue
        if is_pytrace(candidate):
            passed.append(candidate)
            continue
        return _asked(candidate)
    looked = ", ".join(os.path.dirname(c) for c in _candidates("bpftrace"))
    raise MachineError(
        f"there is no bpftrace to compare with: looked for 'bpftrace' in {looked}"
        + "".join(f"; {p} is pytrace itself" for p in passed),
        advice="install it (Debian: apt-get install bpftrace), or name one: --against PATH",
        exit_status=2,
    )


def _candidates(name: str) -> list[str]:
    folders = [folder or "." for folder in os.environ.get("PATH", "").split(os.pathsep)]
    return list(dict.fromkeys(os.path.join(folder, name) for folder in [*folders, *_BESIDE_PATH]))


def is_pytrace(path: str) -> bool:
    """Whether an executable is this program under whatever name: `bin/pytrace` of a checkout, or pip's script."""
    if os.path.basename(os.path.realpath(path)) == "pytrace":
        return True
    try:
        with open(path, "rb") as f:
            head = f.read(4096)
    except OSError:
        return False
    return head.startswith(b"#!") and (b"pytrace.cli" in head or b"/bin/start.py" in head)


def _asked(path: str) -> Reference:
    """The bpftrace at `path`, asked for its version.  Raises MachineError."""
    try:
        done = subprocess.run([path, "--version"], capture_output=True, timeout=30, check=False)
        said = done.stdout.decode("latin-1")
    except (OSError, subprocess.TimeoutExpired) as error:
        why = getattr(error, "strerror", None) or "it does not answer --version"
        raise MachineError(f"cannot run {path}: {why}", exit_status=2) from None
    found = re.search(r"bpftrace v(\d+(?:\.\d+)*)\S*", said)
    if not found:
        advice = "--against takes the path of a bpftrace"
        raise MachineError(f"{path} is no bpftrace: --version says {said[:60]!r}", advice=advice, exit_status=2)
    return Reference(path, found[0], tuple(int(part) for part in found[1].split(".")))


# ---------------------------------------------------------------- what they print


def output(text: str) -> str:
    """Standard output without what the tracer says of itself."""
    text = text.replace(NOTIFICATION + "\n", "", 1)
    return re.sub(r"(?m)^(?:Attaching \d+ probes?\.\.\.|Lost \d+ events)\n", "", text)


def messages(text: str) -> str:
    """Standard error without what the tracer says of itself and of the machine."""
    from pytrace.compare.tokens import NOISE

    text = NOISE.sub("", text.replace(NOTIFICATION + "\n", ""))
    return re.sub(r"(?m)^(?:Attached \d+ probes?|Lost \d+ events|WARNING: Addrspace is not set)\n", "", text)


def lost(*texts: str) -> int:
    """How many events a tracer says that it has lost: in all, or each time."""
    texts = tuple(re.sub(r'.*"type": "lost_events".*"events": (\d+).*', r"Lost \1 events", text) for text in texts)
    totals = [int(n) for text in texts for n in re.findall(r"Total lost event count: (\d{1,20})", text)]
    return (
        max(totals)
        if totals
        else sum(int(n) for text in texts for n in re.findall(r"(?m)\bLost (\d{1,20}) events$", text))
    )


@record
class OldForm:
    """What versions before `before` print otherwise.  `rewrite` gives text in the form of 0.27; `means` says whether an
    old token means a new one; `one_to_one`: each old one then stands for one new one throughout."""

    before: tuple[int, int]
    title: str
    rewrite: Callable[[str], str] = lambda text: text
    means: Callable[[str, str], bool] = lambda old, new: False
    one_to_one: bool = False


_BOOLEANS = {("1", "true"), ("-1", "true"), ("0", "false")}
_STATS = re.compile(r"count (-?\d+), average (-?\d+), total (-?\d+)")

OLD_FORMS = (
    OldForm(
        (0, 27), "statistics as words", rewrite=lambda t: _STATS.sub(r"{ .count = \1, .average = \2, .total = \3 }", t)
    ),
    OldForm((0, 27), "booleans as numbers", means=lambda old, new: (old, new) in _BOOLEANS),
    OldForm((0, 23), "pointers as decimal numbers", means=lambda old, new: new.startswith("0x") and _is(old, new)),
    OldForm(
        (0, 22), "enumerations as numbers", means=lambda old, new: old.isdigit() and _is_name(new), one_to_one=True
    ),
)


def _is_name(new: str) -> bool:
    return new.isidentifier() and new not in ("true", "false")


def _is(old: str, new: str) -> bool:
    return old.isdigit() and int(old) == int(new, 16)


def old_forms(version: tuple[int, ...]) -> list[OldForm]:
    """The rows for one version."""
    return [form for form in OLD_FORMS if version[:2] < form.before]


def modern(text: str, version: tuple[int, ...]) -> tuple[str, list[str]]:
    """`text` in the form of 0.27, and the titles of what was rewritten."""
    used = []
    for form in old_forms(version):
        if (changed := form.rewrite(text)) != text:
            used.append(form.title)
            text = changed
    return text, used
