"""Load-test a server: `fetch load TARGET...`."""

from __future__ import annotations

import inspect
import json
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from fetcher.cli import options as table
from fetcher.cli._against import against
from fetcher.cli._descriptors import width
from fetcher.cli._foretold import say
from fetcher.cli._heard import Heard
from fetcher.cli._load_told import intended, probe_words
from fetcher.cli.get import guarded, options
from fetcher.errors import UsageError

if TYPE_CHECKING:
    from fetcher.loadtest.findmax import Probe
    from fetcher.loadtest.plan import Plan
    from fetcher.loadtest.slo import Rule

TAKEN: Final = (
    *("engine", "concurrency", "rate", "count", "duration", "poisson", "stages", "warmup", "workers"),
    *("order", "seed", "follow", "keep_alive", "slo", "find_max", "serve", "allow", "dry_run"),
    *("save_baseline", "baseline", "fail_on", "timeout", "connect_timeout", "max_size", "method"),
    *("header", "header_for", "data", "auth", "user_agent", "cacert", "cert", "insecure", "resolve"),
    *("ipv4", "ipv6", "http", "column", "field", "output", "overwrite", "json", "quiet", "no_progress"),
    *("config", "debug"),
)
FORMS: Final = (".html", ".json", ".md")
CODES: Final = {"PASS": 0, "FAIL": 1, "INVALID": 3}


def load(inputs: list[str] | None, **values: Any) -> None:
    """Send requests as fast as asked, and say whether the server keeps up: PASS, FAIL or INVALID.

    TARGET is a URL with :// or a file of URLs. -c N sends the next request when one has ended (closed model);
    --rate R sends them on time, whatever becomes of those before (open model). Only loopback and private
    addresses are sent to, unless --allow names the host. Exit 1: the SLO is missed; 3: nobody can tell.
    """
    given = {**table.DEFAULTS, **values}
    raise typer.Exit(guarded(lambda: _load(inputs or [], given), debug=given["debug"]))


command = table.command(
    load,
    TAKEN,
    [
        inspect.Parameter(
            "inputs",
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=None,
            annotation=Annotated[list[str] | None, typer.Argument(metavar="TARGET...", show_default=False)],
        )
    ],
    engine="",
)


def _load(inputs: list[str], values: dict[str, Any]) -> int:
    from fetcher.cli._reports import open_reports
    from fetcher.loadtest import baseline
    from fetcher.loadtest.slo import parse

    plan = _plan(inputs, values)
    rules = parse(values["slo"]) if values["slo"] else ()
    _check(values, rules)
    before = baseline.load(values["baseline"]) if values["baseline"] else None
    if values["dry_run"]:
        print("\n".join(intended(plan, rules, values)))
        return 0
    with ExitStack() as stack:
        kept = [values["save_baseline"]] if values["save_baseline"] else []
        files = stack.enter_context(
            open_reports([*values["output"], *kept], overwrite=values["overwrite"], inputs=inputs)
        )
        heard = stack.enter_context(Heard())
        record = _measured(plan, rules, values, heard)
        for file, path in zip(files, values["output"], strict=False):
            file.write(_formed(record, path).encode("utf-8", "backslashreplace"))
        _print(record, values)
        code = against(record, before, values)
        if kept and record["verdict"] == "INVALID":
            say(f"{kept[0]} was not written: a run that is INVALID is no baseline")
            if not Path(kept[0]).stat().st_size:
                Path(kept[0]).unlink()
        elif kept:
            files[-1].write(baseline.content(record))
    return 128 + heard.numbers[0] if heard.numbers else max(code, CODES[record["verdict"]])


def _plan(inputs: list[str], values: dict[str, Any]) -> Plan:
    from random import randrange

    from fetcher import __version__
    from fetcher.cli import COMMANDS
    from fetcher.loadtest.plan import Load, planned
    from fetcher.loadtest.schedule import parse_seconds, parse_stages
    from fetcher.sources import Reading, read_all, resolve

    if not inputs:
        raise UsageError("nothing to load: give a URL, as http://127.0.0.1:8000/, or see fetch load --help")
    listed = read_all(resolve(inputs, None, Reading(values["column"], values["field"]), COMMANDS))
    asked = Load(
        count=values["count"],
        duration=parse_seconds(values["duration"]) if values["duration"] else 0.0,
        rate=values["rate"],
        poisson=values["poisson"],
        stages=parse_stages(values["stages"]) if values["stages"] else (),
        warmup=parse_seconds(values["warmup"]),
        workers=values["workers"],
        order=values["order"],
        seed=randrange(1 << 31) if values["seed"] is None else values["seed"],  # noqa: S311
        follow=values["follow"],
        keep_alive=values["keep_alive"],
    )
    values = {**values, "rate": 0.0}  # of the schedule, not of a feed
    made = options(values)
    made.allow = tuple(values["allow"])
    made.user_agent = made.user_agent or f"fetch-load/{__version__}"
    return planned(listed, made, asked, values["engine"])


def _measured(plan: Plan, rules: Sequence[Rule], values: dict[str, Any], heard: Heard) -> dict[str, Any]:
    """The record, of one test or of a search."""
    from fetcher import loadtest
    from fetcher.cli._load_view import view

    with ExitStack() as stack:
        served = None
        if values["serve"]:
            from fetcher.loadtest.serving import serving

            host, _, port = _first_host(plan).rpartition(":")
            served = stack.enter_context(serving(values["serve"], host.strip("[]"), int(port), stopped=heard))
        wanted = not (values["quiet"] or values["no_progress"])
        told, clear = stack.enter_context(view(plan, wanted=wanted))
        server = served.usage if served else None
        if not values["find_max"]:
            record = loadtest.run(plan, rules, told=told, stopped=heard, server=server)
        else:

            def probed(probe: Probe, record: dict[str, Any]) -> None:
                clear()
                say(probe_words(probe, record))

            record = loadtest.search(
                plan,
                rules,
                told=told,
                stopped=heard,
                server=server,
                rest=heard.wait,
                probed=probed if wanted else None,
            )
        if served and (ended := served.ended()):
            record["why"] = f"--serve: {served.name} {ended}; {record['why']}"
        return record


def _first_host(plan: Plan) -> str:
    return plan.targets[0].host


def _check(values: dict[str, Any], rules: Sequence[Rule]) -> None:
    from fetcher import loadtest
    from fetcher.loadtest.fail_on import parse_fail_on

    for path in values["output"]:
        if Path(path).suffix.lower() not in FORMS:
            raise UsageError(f"{path}: a load test is written as one of {', '.join(FORMS)}: name such a file")
    if values["fail_on"]:
        parse_fail_on(values["fail_on"])
        if not values["baseline"]:
            raise UsageError("--fail-on compares with --baseline FILE: name one")
    if values["find_max"]:
        loadtest.searchable(rules)
    if values["find_max"] and (values["rate"] or values["stages"] or values["count"]):
        raise UsageError("--find-max chooses the rates itself: leave --rate, --stages and -n out")


def _formed(record: dict[str, Any], path: str) -> str:
    from fetcher import report

    suffix = Path(path).suffix.lower()
    if suffix == ".json":
        return json.dumps(record, indent=1) + "\n"
    return report.html(record) if suffix == ".html" else report.markdown(record)


def _print(record: dict[str, Any], values: dict[str, Any]) -> None:
    from fetcher.cli._load_words import words

    if values["json"]:
        print(json.dumps(record, indent=1))
    else:
        tty = sys.stdout.isatty()
        color = tty and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        blocks = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
        print(words(record, max(width(1), 20) if tty else None, blocks=blocks, color=color))
