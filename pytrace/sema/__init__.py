"""The passes over the AST, one file each; `pipeline.py` has their order."""
