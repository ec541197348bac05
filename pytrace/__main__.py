"""`python -m pytrace`: the command line."""

from __future__ import annotations

from pytrace.cli import command

if __name__ == "__main__":
    command()
