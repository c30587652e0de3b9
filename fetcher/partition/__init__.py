"""The same verbs past one process: a list in partitions by host, on processes of this machine or on Dask.

All URLs of a host are in one partition. So what is counted per host (--per-host, --host-rate, robots.txt,
Retry-After, connections) holds without any state shared between processes; but a redirect to another host
is followed where it came up, and where a host has several parts each learns its robots.txt and Retry-After
anew. Each partition is an ordinary run, in a process of its own (`__main__`), with the ordinary feeds and
any engine. There are two ways to make them:

- `split` (--workers): each row goes to one of N processes as it is read, by a hash of its host; what they
  have fetched comes back as ready-made lines of the outputs. Nothing is stored; an input may be endless.
- `parts` (-o DIR/): the list is first sorted by host into the parts of a directory (`spool`), each small
  enough to be fetched again whole; then a *place* fetches them: `places.processes` or `places.dask`.

The contract of a directory of parts, in the order in which its files come:

    _spool/00000.jsonl    the rows of part 0 (`carried`), while it is not finished
    _manifest             JSON: what it is of, and how many rows each part has; there once all is spooled
    _told/00000           JSON: what part 0 came to (totals of its records)
    part-00000.parquet    the records of part 0 (or .jsonl): there if and only if it is finished, wholly
    _progress             JSON: what the run that is under way has done, every second or so

Each appears at once and whole. A part that has its file is never fetched again; one that has not is fetched
again whole, whoever fetched it before: so nothing is lost or there twice. A process of a part that has
outlived its run puts nothing into a directory that was begun anew: the manifest says whose it is. A part is
about `spool.PART` rows, twice that at the most; a host with more has parts of its own, of which no two are
fetched at once (`turns`). Readers of tables (DuckDB, Spark, pyarrow) pass over names that begin with `_`.

The contract of a place: `places/NAME.py` offers

    def place(workers: int, address: str) -> ContextManager[Place]

`Place.fetch(jobs)` gives what becomes of them, as it does; see `places/__init__.py`.
"""

from __future__ import annotations

from typing import Any, Final, TypedDict

SCRATCH: Final = "_fetching"  # of a directory: what is not finished
MODULE: Final = "fetcher.partition"  # of the process of one partition
SILENT: Final = 10.0  # seconds without a word of any worker over parts: each says one every second


class Job(TypedDict):
    """What each process is told first, as JSON through its standard input: there may be secrets in it."""

    version: str  # of fetch: both sides must have the same
    engine: str
    options: dict[str, Any]  # `handover.options_record`
    columns: list[str]
    forms: list[Any]  # `split`: the sinks whose lines are wanted back
    directory: str  # of parts, a path or a URL of fsspec; "": rows come through standard input
    suffix: str  # of its parts
    run: str  # `parts.Manifest.run`
    part: int
    rows: int  # of this part
