"""The rules in a file of budgets, read so that none which cannot be meant is passed over."""

from __future__ import annotations

import operator
import re
import tomllib
from collections.abc import Callable, Collection
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NamedTuple

from fetcher.errors import UsageError
from fetcher.media import TYPES
from fetcher.refused import REASONS

SIZES: Final[dict[str, float]] = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "kib": 1 << 10,
    "mib": 1 << 20,
    "gib": 1 << 30,
}
FIGURES: Final[dict[str, dict[str, float]]] = {  # figure -> its units ("": none said)
    **dict.fromkeys(("wire", "decoded", "total"), SIZES),
    "requests": {"": 1},
    "elapsed": {"": 1, "s": 1, "ms": 0.001},
}
OF_PAGES: Final = ("total", "requests")
# What the record lists; and what is counted from it otherwise.
LISTED: Final = ("broken", "fragments", "redirects", "duplicates", "uncompressed", "uncached")
SUBJECTS: Final = ("page", "file", *TYPES)
COUNTED: Final = ("pages", "failed", *LISTED, "not_fetched")
COMPARE: Final[dict[str, Callable[[float, float], bool]]] = {
    "<=": operator.le,
    "<": operator.lt,
    "=": operator.eq,
    "==": operator.eq,
    ">=": operator.ge,
    ">": operator.gt,
}
EVERYTHING: Final = ("/**", "**")
FORM: Final = 'write SUBJECT FIGURE OP LIMIT, as "html wire <= 150kB", or WHAT OP LIMIT, as "broken = 0"'
_RULE: Final = re.compile(r"([A-Za-z_\s-]*?)\s*([<>=!~≤≥]+)\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)")
_SLIPS: Final = {  # what is said elsewhere -> what is meant
    **dict.fromkeys(("js", "javascript"), "script"),
    **dict.fromkeys(("video", "audio"), "media"),
    **dict.fromkeys(("time", "duration"), "elapsed"),
    **dict.fromkeys(("=<", "≤"), "<="),
    **dict.fromkeys(("=>", "≥"), ">="),
    "img": "image",
    "stylesheet": "css",
    "pdf": "document",
    "json": "data",
    "size": "decoded",
    "bytes": "wire",
    "weight": "total",
}


class Rule(NamedTuple):
    """One rule under one pattern."""

    pattern: str
    text: str
    subject: str  # "page", "file", a type of file, or what is counted
    figure: str  # what is measured; "" of what is counted, or the reason why it was not fetched
    op: str
    limit: float

    @property
    def unit(self) -> str:
        """Of its limit and values: "B", "s" or "" for a number."""
        return {"wire": "B", "decoded": "B", "total": "B", "elapsed": "s"}.get(self.figure, "")


class Budgets(NamedTuple):
    """All rules of a file, in its order."""

    rules: tuple[Rule, ...]


def read(*paths: str) -> Budgets:
    """The budgets of these files together. Raises UsageError for one that cannot be read or meant."""
    return Budgets(tuple(rule for path in paths for rule in _rules(path)))


def _rules(path: str) -> list[Rule]:
    try:
        table: dict[str, Any] = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}: name a file of budgets") from error
    except ValueError as error:  # no UTF-8, no TOML, a NUL in the path
        raise UsageError(f'{path} is not TOML: {error}: write "PATTERN" = ["RULE"] on a line') from error
    if isinstance(table.get("budgets"), dict):
        outside = [key for key in table if key != "budgets"]
        if outside:
            raise UsageError(f"{path}: {outside[0]!r} stands outside of [budgets]: put it below that line")
        table = table["budgets"]
    rules = [_rule(text, key, path) for key, texts in table.items() for text in _texts(texts, key, path)]
    if not rules:
        raise UsageError(f'{path} holds no budget: write "PATTERN" = ["RULE"], as "/**" = ["broken = 0"]')
    return rules


def _texts(texts: Any, pattern: str, path: str) -> list[str]:
    """The rules under one pattern."""
    if isinstance(texts, str):
        texts = [texts]
    if not pattern.strip():
        raise UsageError(f'{path}: an empty pattern: write "/**" for all URLs')
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        form = f'write "{pattern}" = ["html wire <= 150kB"]'
        raise UsageError(f"{path}: {pattern!r} needs a list of rules: {form}")
    return texts


def _rule(text: str, pattern: str, path: str) -> Rule:
    """The rule that this text spells. Raises UsageError."""
    where = f"{path}: {pattern!r}: {text!r}"
    match = _RULE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{where} is no rule: {FORM}")
    words, op, number, unit = match[1].lower().split(), *match.groups()[1:]
    subject = _known(words[0] if words else "", (*SUBJECTS, *COUNTED), "subject", where)
    figure, units = words[1] if len(words) > 1 else "", {"": 1.0}
    if subject == "not_fetched":
        if pattern not in EVERYTHING:
            raise UsageError(f'{where}: what was not fetched is counted as a whole: put it under "/**"')
        figure = figure and _known(figure, REASONS, "reason", where)
    elif subject not in COUNTED:
        names = [name for name in FIGURES if subject == "page" or name not in OF_PAGES]
        units = FIGURES[_known(figure, names, f"figure of {subject}", where)]
    elif figure:
        raise UsageError(f"{where}: {subject} is counted and takes no {figure!r}: {FORM}")
    if len(words) > 2:
        raise UsageError(f"{where}: {words[2]!r} is too much: {FORM}")
    _known(op, COMPARE, "comparison", where)
    limit = float(number) * units[_known(unit.lower(), units, "unit here", where)]
    whole = int(limit) if limit.is_integer() else limit
    return Rule(pattern, " ".join(text.split()), subject, figure, op, whole)


def _known(word: str, known: Collection[str], what: str, where: str) -> str:
    """The word, if it is one of them. Raises UsageError with the one that was meant."""
    names = [name for name in known if name]
    if word in known:
        return word
    slip = _SLIPS.get(word, "")
    close = [slip] if slip in names else get_close_matches(word, names, 1)
    others = f"use one of: {' '.join(names)}" if names else "give a number alone"
    hint = f"did you mean {close[0]}?" if close else others
    raise UsageError(f"{where}: {f'{word!r} is no {what}' if word else f'the {what} is missing'}: {hint}")
