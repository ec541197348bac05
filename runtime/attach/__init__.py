"""Attaching: one function for each way in which the kernel lets a program watch something.

Place in the pipeline: called by the `attach` hooks of the probe rows.  In: the session (`Attacher`), plain values, a
program's fd.  Out: a `Link`.  Failures are KernelError with what to do about them.
What a newcomer would get wrong: attaching and letting go are asymmetric: closing the link stops the program, while the
perf event behind it takes the kernel tens of milliseconds to destroy, which is why a Link keeps the two apart.
"""
