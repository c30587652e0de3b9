"""The contract suite is worth something only if it kills what is wrong: see mutants.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants import CONTROL, ENGINES, RULES, run


@pytest.mark.long
@pytest.mark.timeout(400)
def test_an_engine_without_a_fault_lives(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert not run(CONTROL, log), log.read_text()[-2000:]


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", [*ENGINES, *RULES])
def test_the_suite_kills(name: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert run(name, log), log.read_text()[-2000:]


def test_there_are_enough_mutants() -> None:
    assert len(ENGINES) + len(RULES) >= 12
