"""Text to AST; the only code that imports lark."""
