"""`--resume`: the one file of records that a run of `get` goes on with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from fetcher.errors import UsageError
from fetcher.ledger import SUFFIXES, Ledger, opened

CATCH_UP: Final = 20_000  # items read ahead: rows that are done pass faster than two threads can take turns


@contextmanager
def resumed(
    values: dict[str, Any], columns: tuple[str, ...], inputs: Sequence[str]
) -> Iterator[Ledger | None]:
    """The ledger of `-o FILE --resume`; None without --resume. Raises UsageError."""
    outputs = values["output"]
    if not values["resume"]:
        if len(outputs) == 1 and not values["overwrite"]:
            _check_new(outputs[0], inputs)
        yield None
        return
    if not outputs:
        raise UsageError("--resume goes on with the file of -o: name it, as -o out.jsonl")
    if len(outputs) > 1:
        raise UsageError(
            "--resume goes on with one -o FILE: other formats are made from it, as by "
            f"`fetch report {outputs[0]} -o FILE`"
        )
    if values["overwrite"]:
        raise UsageError("--resume keeps what the -o FILE holds, --overwrite replaces it: give one of them")
    with opened(outputs[0], columns, inputs) as ledger:
        yield ledger


def _check_new(path: str, inputs: Sequence[str]) -> None:
    """After a crash the first try is the same command: it must not be told to lose what there is."""
    file = Path(path)
    if file.suffix.lower() in SUFFIXES and path not in inputs and file.is_file() and file.stat().st_size:
        raise UsageError(
            f"{path} exists: use --resume to go on with it, --overwrite to replace it, or choose another file"
        )
