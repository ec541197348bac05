"""Comments and blank lines of a source, and the text that `format.py` composes.

Place in the pipeline: under `format.py`.  In: a source and where its tokens are.  Out: `Trivia`, from which each
statement claims what stood before it; `Text`, lines that are put together with indentation.  What a newcomer would
get wrong: a blank line only counts where the printer would not break the line anyway, which is behind `;`, `{`,
`}` and comments.
"""

from __future__ import annotations

from pytrace.record import record


@record
class Remark:
    """A comment's line, or, with `text` None, a line break that is kept."""

    at: int
    text: str | None


class Trivia:
    """The remarks of a source, claimed from the front."""

    def __init__(self, text: str, gaps: list[tuple[int, int]]) -> None:
        self.remarks: list[Remark] = []
        for start, end in gaps:
            self._read(text, start, end)

    def claim(self, to: int) -> list[Remark]:
        """Takes what stands before `to`, or at it."""
        count = next((n for n, remark in enumerate(self.remarks) if remark.at > to), len(self.remarks))
        claimed, self.remarks = self.remarks[:count], self.remarks[count:]
        return claimed

    def _read(self, text: str, at: int, end: int) -> None:
        after_comment = False
        while at < end:
            if text.startswith("//", at):
                stop = text.find("\n", at, end)
                stop = end if stop < 0 else stop
                begin = at + 3 if text[at + 2 : at + 3] == " " else at + 2
                self.remarks.append(Remark(begin, text[begin:stop]))
                at, after_comment = stop, True
            elif text.startswith("/*", at):
                stop = text.find("*/", at + 2, end)
                stop = end if stop < 0 else stop + 2
                self._read_block(text, at, stop)
                at, after_comment = stop, True
            else:
                if text[at] == "\n":
                    before = text[:at].rstrip(" \t\r")[-1:]
                    directive = text.startswith("#", text.rfind("\n", 0, at) + 1)
                    if not after_comment and not directive and before not in (";", "{", "}"):
                        self.remarks.append(Remark(at, None))
                    after_comment = False
                at += 1

    def _read_block(self, text: str, at: int, end: int) -> None:
        """A block comment becomes a line comment for each of its lines, without the stars at their beginning."""
        inner = text[at + 2 : end - 2 if text[:end].endswith("*/") else end]
        for n, line in enumerate(inner.split("\n")):
            last = n == inner.count("\n")
            if n:
                line = line.lstrip(" \t\r")
                stripped = line.lstrip("*")
                line = stripped.removeprefix(" ") if stripped != line else line
            else:
                line = line.removeprefix(" ")
            if line or (n and not last):
                self.remarks.append(Remark(at + n, line.rstrip() if last else line))


class Text:
    """Lines of segments; a segment is (text, is it a comment)."""

    def __init__(self, text: str = "") -> None:
        self.lines: list[list[tuple[str, bool]]] = [[(text, False)] if text else []]

    def add(self, text: str) -> Text:
        if text:
            self.lines[-1].append((text, False))
        return self

    def break_line(self) -> Text:
        self.lines.append([])
        return self

    def append(self, other: Text, *, align: bool = True) -> Text:
        """`other` from here on; `align`: its further lines begin in this column."""
        if not other.height:
            return self
        column = len(_line(self.lines[-1])) if align else 0
        for n, line in enumerate(other.lines):
            if n:
                self.break_line()
            if column and not self.lines[-1]:
                self.add(" " * column)
            self.lines[-1] += line
        return self

    def indent(self, other: Text, width: int = 2) -> Text:
        """`other` on lines of its own, indented; nothing if it is empty."""
        if other.height:
            for line in other.lines:
                self.break_line().add(" " * width)
                self.lines[-1] += line
            self.break_line()
        return self

    def remark(self, remarks: list[Remark], least: int = 0) -> Text:
        """Remarks on lines of their own, after at least `least` line breaks."""
        for _ in range(least):
            self.break_line()
        breaks = 0
        for remark in remarks:
            if remark.text is not None:
                self.lines[-1].append((remark.text, True))
                self.break_line()
            else:
                breaks += 1
                if breaks > least:
                    self.break_line()
        return self

    def remark_inline(self, remarks: list[Remark]) -> Text:
        """The comments among the remarks, behind what stands on this line."""
        self.lines[-1] += [(remark.text, True) for remark in remarks if remark.text is not None]
        return self

    @property
    def height(self) -> int:
        return len(self.lines) - (not self.lines[-1])

    @property
    def width(self) -> int:
        return max(len(_line(line)) for line in self.lines)

    def render(self) -> str:
        return "".join(_line(line).rstrip() + "\n" for line in self.lines[: self.height])


def _line(segments: list[tuple[str, bool]]) -> str:
    out = ""
    for n, (text, comment) in enumerate(segments):
        if not comment:
            out += text
            continue
        out += " " if out.strip() else ""
        out += ("// " + text if text else "//") if n == len(segments) - 1 else f"/* {text} */"
    return out
