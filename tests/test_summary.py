"""What the summary of a run says of rows that have no record."""

from __future__ import annotations

import pytest

from fetcher.cli._summary import Facts, text, totals
from fetcher.tally import Tally


@pytest.mark.parametrize(
    ("dropped", "words"),
    [
        (1, "1 answer was dropped with parts that were cut off: their rows are asked again"),
        (1_234, "1,234 answers were dropped with parts that were cut off: their rows are asked again"),
    ],
)
def test_answers_that_are_dropped_are_told(dropped: int, words: str) -> None:
    facts = Facts(seconds=2.0, left=5_000, dropped=dropped, interrupted=True, again="again")
    lines = text(Tally(), facts).splitlines()
    assert lines[0] == "interrupted after 2.00 s; 0 URLs: 0 ok, 0 failed"
    assert lines[1] == "  5,000 lines seen, 5,000 not asked or given up; again"
    assert lines[2] == f"  {words}"
    assert lines[-1] == "  5,000 lines read = 0 ok + 0 failed + 0 skipped + 5,000 left"
    found = totals(Tally(), facts)
    assert (found["left"], found["dropped"]) == (5_000, dropped)


def test_nothing_dropped_is_not_told() -> None:
    assert "dropped" not in text(Tally(), Facts(seconds=2.0, left=5_000, interrupted=True))
