"""Program to running probes to output; imports no lark, no llvmlite and no compiler module."""
