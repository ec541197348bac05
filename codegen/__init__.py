"""Typed script to LLVM IR to BPF object to Program; the only code that imports llvmlite."""
