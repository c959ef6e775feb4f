"""Each step once more, as one works it out with a pencil: Python's floats, and nothing of the library's own."""
