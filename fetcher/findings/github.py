"""The findings as annotations of a GitHub Actions run, in its workflow commands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fetcher.findings import RULES, Finding, counted, findings
from fetcher.report.page import visible

SUFFIXES: Final = ()
MOST: Final = 10  # annotations of each level that GitHub shows for a step
ANNOTATED: Final = ("error", "warning")  # SARIF's words and GitHub's; notes are only counted


def wanted(environ: Mapping[str, str]) -> bool:
    """Whether this is a step of GitHub Actions."""
    return environ.get("GITHUB_ACTIONS") == "true"


def text(record: dict[str, Any]) -> str:
    """A line for each error and warning, ten of each; where there are more, the tenth says how many."""
    found = findings(record)
    lines = []
    for level in ANNOTATED:
        of_level = [one for one in found if one.level == level]
        shown = of_level if len(of_level) <= MOST else of_level[: MOST - 1]
        lines += [_command(level, RULES[one.rule].title, _message(one)) for one in shown]
        if len(shown) < len(of_level):
            told = f"{len(of_level) - len(shown):,} more {level}s: {len(of_level):,} in all"
            lines.append(_command(level, "fetch audit", told))
    if notes := sum(one.level == "note" for one in found):
        told = f"{counted(notes, 'note')} (-o FILE.sarif has them)"
        lines.append(_command("notice", "fetch audit", told))
    return "".join(f"{line}\n" for line in lines)


def _message(one: Finding) -> str:
    return f"{one.message}, such as {visible(one.where[0])}" if one.where else one.message


def _command(command: str, title: str, message: str) -> str:
    """One command: data and properties are escaped as actions/toolkit does."""
    return f"::{command} title={_data(title).replace(':', '%3A').replace(',', '%2C')}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
