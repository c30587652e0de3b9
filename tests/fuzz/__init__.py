"""Fuzz targets: parsers of what strangers wrote, each a function of bytes that must not raise.

    python -m tests.fuzz TARGET --seconds 600 [--seed N] [--guided]
    python -m tests.fuzz TARGET --replay FILE

A target is a module here: `target(data)` runs a parser and asserts what must hold; what it gives back says
what the bytes turned out to be, and bytes that give something new are kept and mutated on. `SEEDS` are inputs
to begin with, `WORDS` tokens to put in, `more(folder)`, where there is one, further seeds from the shared
corpora. A module whose name begins with `_` is none. docs/fuzzing.md has the results.
"""
