"""Probe specifications of BCC's `trace` and `argdist`, translated into scripts of the bpftrace language.

Place in the pipeline: before it.  In: the words behind the tool's name (`toolbox` reads the header's options and calls
`generate`).  Out: a Source that is compiled like any other script.  What a newcomer would get wrong: nothing here knows
whether a function, field or type exists.  The compiler finds that out, and its messages are led back to the
specification by where each piece of the script was copied from (`script.GeneratedSource`).

    lexer → expression (tree) → translate (pieces of script) → trace, argdist (whole scripts)
"""
