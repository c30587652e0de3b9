"""The same list through several engines, in turns: which is fastest here? `fetch compare [INPUT...]`."""

from __future__ import annotations

import inspect
import json
import sys
from contextlib import suppress
from pathlib import Path
from random import randrange
from typing import Annotated, Any, Final

import typer

from fetcher.cli import options as table
from fetcher.cli._descriptors import width
from fetcher.cli._foretold import Teller, announced, say
from fetcher.cli._heard import Heard
from fetcher.cli.get import guarded, options
from fetcher.errors import UsageError

TAKEN: Final = (  # of the table of options; parity is promised for HTTP/1.1, so --http is not
    *("unique", "column", "field", "concurrency", "per_host", "rate", "host_rate", "timeout"),
    *(
        "connect_timeout",
        "deadline",
        "retries",
        "max_size",
        "max_redirects",
        "method",
        "header",
        "header_for",
    ),
    *(
        "data",
        "auth",
        "user_agent",
        "robots",
        "proxy",
        "cacert",
        "cert",
        "insecure",
        "deny_private",
        "resolve",
    ),
    *("ipv4", "ipv6", "hash", "engines", "blocks", "repeat", "seed", "yes", "output", "overwrite", "json"),
    *("quiet", "no_progress", "config", "debug"),
)
FORMS: Final = (".html", ".json", ".md")


class Stopped(BaseException):
    """A signal has come."""


def compare(inputs: list[str] | None, **values: Any) -> None:
    """Send the same list through several engines, in turns, and say which to use for it.

    Without INPUT the embedded test site is fetched in three ways (fast, slow, CPU-bound), to see whether
    "processes for CPU, threads for few fast, asyncio for many slow connections" holds on this machine.
    """
    others = {option.name: option.default for option in table.TABLE if option.name not in TAKEN}
    given = {**others, **values}
    raise typer.Exit(guarded(lambda: _compare(inputs or [], given), debug=given["debug"]))


command = table.command(
    compare,
    TAKEN,
    [
        inspect.Parameter(
            "inputs",
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=None,
            annotation=Annotated[list[str] | None, typer.Argument(metavar="[INPUT...]", show_default=False)],
        )
    ],
)


def _compare(inputs: list[str], values: dict[str, Any]) -> int:
    """Run it, write it, print it: the exit code."""
    from fetcher.outputs import open_files

    _check(values)
    before = {path for path in values["output"] if Path(path).exists()}
    heard = Heard(_stop)
    files: list[Any] = []
    done = False
    try:
        with heard:
            files = open_files(values["output"], overwrite=values["overwrite"], inputs=inputs)
            record = _measure(inputs, values)
            for file, path in zip(files, values["output"], strict=True):
                file.write(_formed(record, path).encode("utf-8", "backslashreplace"))
            done = True
    except Stopped:
        say("stopped before the last block: there is no verdict")
        return 128 + heard.numbers[0]
    finally:
        for file in files:
            file.close()
        for path in () if done else values["output"]:
            if path not in before:  # an empty file would only be in the way of the next try
                with suppress(OSError):
                    Path(path).unlink()
    _print(record, values)
    return _code(record)


def _measure(inputs: list[str], values: dict[str, Any]) -> dict[str, Any]:
    """Plan, say what will be sent, and run."""
    from fetcher import comparison
    from fetcher.comparison.plan import planned

    names = _engines(values)
    made = options(values)
    settings = {"blocks": values["blocks"], "seed": values["seed"]}
    teller = Teller(values)
    try:
        if not inputs:
            if values["repeat"] != 1:
                raise UsageError("--repeat goes with a list: name one, or leave it out")
            settings["seed"] = seed = values["seed"] or randrange(1 << 31)  # noqa: S311
            teller.announce(
                f"no list: three workloads on the embedded test site x {len(names)} engines and a control x "
                f"{values['blocks']} blocks, which takes some minutes; seed {seed}"
            )
            return comparison.experiment(names, made, named=bool(values["engines"]), tell=teller, **settings)
        plan = planned(_pieces(inputs, values), names, made, repeat=values["repeat"], **settings)
        teller.announce(announced(plan, made, yes=values["yes"]))
        return comparison.run(plan, made, teller).record()
    finally:
        teller.clear()


def _engines(values: dict[str, Any]) -> list[str]:
    """Those that were asked for, or all that are installed; what is missing is told."""
    from fetcher.comparison.arms import by_use, missing

    if values["engines"]:
        return [name.strip().lower() for name in values["engines"].split(",") if name.strip()]
    reasons = {name: missing(name) for name in by_use()}
    for why in filter(None, reasons.values()):
        say(why)
    return [name for name, why in reasons.items() if not why]


def _pieces(inputs: list[str], values: dict[str, Any]) -> list[Any]:
    """The whole list: it is frozen before the first request."""
    from fetcher.cli import COMMANDS
    from fetcher.sources import Reading, read_all, resolve

    stdin = sys.stdin.buffer if sys.stdin else None
    return list(read_all(resolve(inputs, stdin, Reading(values["column"], values["field"]), COMMANDS)))


def _check(values: dict[str, Any]) -> None:
    for name in ("blocks", "repeat"):
        if values[name] < 1:
            raise UsageError(f"--{name} {values[name]}: give a whole number from 1 on")
    for path in values["output"]:
        if Path(path).suffix.lower() not in FORMS:
            raise UsageError(
                f"{path}: a comparison is written as one of {', '.join(FORMS)}: name such a file"
            )


def _formed(record: dict[str, Any], path: str) -> str:
    from fetcher import report

    suffix = Path(path).suffix.lower()
    if suffix == ".json":
        return json.dumps(record, indent=1, ensure_ascii=False) + "\n"
    return report.html(record) if suffix == ".html" else report.markdown(record)


def _print(record: dict[str, Any], values: dict[str, Any]) -> None:
    from fetcher.cli._comparison import experiment, text
    from fetcher.cli._summary import wrapped

    if values["json"]:
        print(json.dumps(record, indent=1))
        return
    lines = experiment(record) if "workloads" in record else text(record)
    if sys.stdout.isatty():
        lines = [part for line in lines for part in wrapped(line, max(width(1), 20))]
    print("\n".join(lines))


def _code(record: dict[str, Any]) -> int:
    """3: there is no ranking to be believed; 1: some URL failed; 0."""
    if record["verdict"] in ("disagree", "invalid"):
        return 3
    parts = record.get("workloads", {"": record}).values()
    return int(any(one["failed"] for part in parts for one in part["engines"].values()))


def _stop() -> None:
    raise Stopped
