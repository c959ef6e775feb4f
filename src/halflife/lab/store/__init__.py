"""Where results are kept: one SQLite file, one writer, one reader."""
