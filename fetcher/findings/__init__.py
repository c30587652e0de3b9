"""What an audit found, for people and for CI: each format is made of the audit's record alone.

The contract. `findings/NAME.py` offers

    SUFFIXES: tuple[str, ...]                            for `-o FILE`; () for what only the CLI uses
    def text(record: dict[str, Any]) -> str              what it found, in its format

and nothing else is edited: the folder is the menu. The record is what `fetch audit --json` prints. `findings`
judges it for all: the same rules, levels and words everywhere, errors first. What a server or a URL said is
text, whatever it looks like: a format escapes it, and cuts no list without saying how much is missing.
"""

from __future__ import annotations

from typing import Any, Protocol, cast

from fetcher import menu
from fetcher.findings._judge import Failure as Failure
from fetcher.findings._judge import amount as amount
from fetcher.findings._judge import budget_name as budget_name
from fetcher.findings._judge import budget_said as budget_said
from fetcher.findings._judge import counted as counted
from fetcher.findings._judge import failures as failures
from fetcher.findings._judge import findings as findings
from fetcher.findings._rules import RULES as RULES
from fetcher.findings._rules import Finding as Finding
from fetcher.findings._rules import Rule as Rule


class Module(Protocol):
    """What a file of this folder offers."""

    SUFFIXES: tuple[str, ...]

    def text(self, record: dict[str, Any]) -> str:
        """The findings of the record in this format."""


def pick(name: str) -> Module:
    """The format of that name. Raises UsageError if there is none."""
    import fetcher.findings as folder

    return cast(Module, menu.pick(folder, name))
