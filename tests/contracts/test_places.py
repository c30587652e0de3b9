"""What every place of parts owes: the same parts, the same words, and nothing left running."""

from __future__ import annotations

import itertools
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import fetcher.partition.places as folder
from fetcher import menu
from fetcher.errors import UsageError
from fetcher.feeds.rows import Rows
from fetcher.model import Options, columns
from fetcher.partition import Job, parted, parts, store
from fetcher.partition.begun import begin
from fetcher.partition.parted import Parted
from fetcher.partition.places import Heard, Place
from fetcher.partition.turns import Turns
from fetcher.pump import Ready
from tests.ledgers import rows_of
from tests.towns import Town, town

pytestmark = [pytest.mark.xdist_group("dask"), pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with town() as made:
        yield made


@pytest.fixture(scope="module", params=menu.names(folder))
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """Each of them on this machine, with two parts at once."""
    try:
        module = folder.pick(request.param)
    except UsageError as missing:
        pytest.skip(str(missing))
    with module.place(2, "local" if request.param == "dask" else "") as made:
        assert made.workers == 2
        yield made


def begun(out: Path, there: Town, path: str, rows: int = 90, hosts: int = 12) -> tuple[Parted, list[Job]]:
    """A directory of some parts, none of them fetched, and their jobs."""
    items = [("list", there.url(n % hosts, path.format(n=n))) for n in range(rows)]
    options = Options(retries=0, concurrency=4)
    manifest = parts.Manifest(".jsonl", list(columns(options)), "", {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fetcher.partition.spool.LEAST", 20)
        patch.setattr("fetcher.partition.spool.PART", 25_000 if hosts > 1 else 4)
        listed = Rows(Ready(items), options)
        made = begin(store.at(str(out)), listed, manifest, None, 2, lambda _: None)
    return made, list(parted._jobs(made, made.left, "asyncio", options))


def heard(place: Place, jobs: list[Job]) -> list[Heard]:
    return [one for one in place.fetch(Turns(jobs)) if one is not None]


def test_each_part_is_fetched_and_told(place: Place, there: Town, tmp_path: Path) -> None:
    made, jobs = begun(tmp_path, there, "bytes/{n}")
    assert len(jobs) >= 3
    said = heard(place, jobs)
    over = [one for one in said if one.over]
    assert sorted(one.part for one in over) == list(range(len(jobs)))  # each once
    assert {(one.over, one.why) for one in over} == {("finished", "")}
    for number, rows in enumerate(made.manifest.rows):
        tallies = [one.tally for one in said if one.part == number and one.tally is not None]
        assert tallies[-1]["ok"] == rows
        assert all(isinstance(one.worker, str) and one.worker for one in said if one.part == number)
    assert rows_of(tmp_path) == list(range(1, 91))


def test_a_part_that_fails_is_told_and_others_go_on(place: Place, there: Town, tmp_path: Path) -> None:
    _, jobs = begun(tmp_path, there, "bytes/{n}")
    jobs[1]["rows"] += 1
    wrong = jobs[1]["part"]
    over = {one.part: one for one in heard(place, jobs) if one.over}
    assert {number for number, one in over.items() if one.over == "failed"} == {wrong}
    assert re.match(r"\d+ records for \d+ rows: ", over[wrong].why)
    assert len(over) == len(jobs)
    assert len(list(tmp_path.glob("part-*"))) == len(jobs) - 1


def test_a_part_that_is_there_is_not_fetched_again(place: Place, there: Town, tmp_path: Path) -> None:
    _, jobs = begun(tmp_path, there, "bytes/{n}")
    heard(place, jobs[:2])
    there.asked.clear()
    assert {one.over for one in heard(place, jobs[:2]) if one.over} == {"finished"}
    assert not there.asked


@pytest.mark.parametrize("name", menu.names(folder))
def test_a_stop_leaves_nothing_running(name: str, there: Town, tmp_path: Path, leaves_nothing: None) -> None:
    try:
        module = folder.pick(name)
    except UsageError as missing:
        pytest.skip(str(missing))
    _, jobs = begun(tmp_path, there, "slow/1/{n}")
    with module.place(2, "local" if name == "dask" else "") as made:
        looks = made.fetch(Turns(jobs))
        ended = time.monotonic() + 20
        while not there.asked and time.monotonic() < ended:
            next(looks)
        made.stop()
        rest = list(itertools.islice(looks, 1000))
        assert not [one for one in rest if one is not None and one.over == "finished"]
    asked = sum(there.asked.values())
    time.sleep(0.5)
    assert sum(there.asked.values()) == asked
    assert not list(tmp_path.glob("part-*"))


def test_parts_of_one_host_are_fetched_one_after_the_other(place: Place, there: Town, tmp_path: Path) -> None:
    made, jobs = begun(tmp_path, there, "slow/0.3/{n}", rows=12, hosts=1)
    assert len(jobs) > 2
    assert len(set(made.manifest.hosts)) == 1
    there.most.clear()
    turns, now, most = Turns(jobs, made.manifest.hosts), set[int](), 0
    for one in place.fetch(turns):
        if one is not None and one.over:
            now.discard(one.part)
            turns.over(one.part)
        elif one is not None:
            now.add(one.part)
            most = max(most, len(now))
    assert most == 1
    assert rows_of(tmp_path) == list(range(1, 13))
