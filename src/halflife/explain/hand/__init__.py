"""The by-hand side: plain Python floats, and nothing of the library's own."""
