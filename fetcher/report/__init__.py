"""Pages for people, made of the JSON record of a run: HTML that needs nothing but itself, and Markdown.

The contract: `html(record) -> str` and `markdown(record) -> str`. Both are pure functions of the record, as
`--json` prints it, so a page can be made again of a file that was kept. The kinds of record, each a module
with these two functions and a template of its name in the frame `frame.html`:

- `comparison`: one comparison (it has `engines`), or an experiment of several (it has `workloads`);
- `load`: a load test (it has `goodput`);
- `site`: an audit (it has `by_type`), or what `recorded.site` makes of the records of any run.

What a server or a URL said is text, whatever it looks like: escaped, and what cannot be seen written out.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any, Final, cast

from fetcher.errors import UsageError

# A key that only this kind of record has -> the module that shows it.
KINDS: Final = {"engines": "comparison", "workloads": "comparison", "by_type": "site", "goodput": "load"}


def html(record: dict[str, Any]) -> str:
    """The page. Raises UsageError for a record of no known kind."""
    return cast(str, _kind(record).html(record))


def markdown(record: dict[str, Any]) -> str:
    """The same for an issue or a wiki, without the charts. Raises UsageError as `html` does."""
    return cast(str, _kind(record).markdown(record))


def _kind(record: dict[str, Any]) -> ModuleType:
    for key, name in KINDS.items():
        if key in record:
            return import_module(f"fetcher.report.{name}")
    raise UsageError(f"no page can be made of this: a record of a run has one of {', '.join(KINDS)}")
