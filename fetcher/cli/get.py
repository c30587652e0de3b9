"""One record per URL, as completed: `fetch [get] INPUT...`."""

from __future__ import annotations

import inspect
import re
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from fetcher import __version__
from fetcher.cli import COMMANDS, completing
from fetcher.cli import options as table
from fetcher.cli._descriptors import unwritten
from fetcher.errors import LocalFault, UsageError
from fetcher.model import columns
from fetcher.options import LARGEST, Options, check

ALIKE: Final = (  # options that are what Options takes
    *("concurrency", "per_host", "rate", "host_rate", "timeout", "connect_timeout", "deadline", "retries"),
    *("max_redirects", "method", "auth", "user_agent", "proxy", "cacert", "cert", "insecure", "robots"),
    *("deny_private", "http", "hash", "save", "unique"),
)
UNITS: Final = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 1 << 10, "mi": 1 << 20, "gi": 1 << 30}


def get(inputs: list[str] | None, **values: Any) -> None:
    """Fetch every URL of INPUT and print one line for each, as it completes: its size, or what went wrong.

    INPUT is a URL with ://, a file (.txt .csv .tsv .jsonl .parquet, a sitemap .xml, each also .gz) or - for
    standard input.
    """
    values["engine"] = values["engine"].lower()
    if values["debug"]:
        versions()
    raise typer.Exit(guarded(lambda: _get(inputs or [], values), debug=values["debug"]))


def _get(inputs: list[str], values: dict[str, Any]) -> int:
    from fetcher.cli._parted import is_parted, parted
    from fetcher.cli._resumed import CATCH_UP, resumed
    from fetcher.cli._watch import Job, watch
    from fetcher.feeds.rows import Rows
    from fetcher.pump import AHEAD, Pump
    from fetcher.sources import Reading, read_all, resolve

    made = options(values)
    reading = Reading(values["column"], values["field"])
    given = resolve(_given(inputs), sys.stdin.buffer if sys.stdin else None, reading, COMMANDS)
    shown = columns(made)
    if is_parted(values):
        return parted(values, made, shown, Rows(Pump(read_all(given), CATCH_UP), made))
    with resumed(values, shown, inputs) as ledger:
        rows = Rows(Pump(read_all(given), CATCH_UP if ledger else AHEAD), made, ledger)
        return watch(Job(rows, made, values, shown, values["output"], inputs, ledger=ledger)).code


def _given(inputs: list[str]) -> list[str]:
    if inputs:
        return inputs
    if sys.stdin is None or sys.stdin.closed or sys.stdin.isatty():
        raise UsageError("nothing to fetch: give a URL or a file of URLs, or see fetch --help")
    return ["-"]


def _version(asked: bool) -> None:
    if asked:
        print(f"fetch {__version__}")
        raise typer.Exit


def _first_words(incomplete: str) -> list[str]:
    """What may stand first: a command or a file; nothing where the shell's own completion will do."""
    commands = [name for name in COMMANDS if name.startswith(incomplete)] if completing() == [] else []
    files = (path for path in Path().iterdir() if path.name.startswith(incomplete))
    names = sorted(f"{path.name}/" if path.is_dir() else path.name for path in files)
    return [*commands, *(name for name in names if name[0] != ".")] if commands else []


command = table.command(
    get,
    table.GET,
    [
        inspect.Parameter(
            "inputs",
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            default=None,
            annotation=Annotated[
                list[str] | None,
                typer.Argument(metavar="INPUT...", show_default=False, autocompletion=_first_words),
            ],
        ),
        inspect.Parameter(
            "version",
            inspect.Parameter.KEYWORD_ONLY,
            default=False,
            annotation=Annotated[
                bool, typer.Option("--version", help="Show the version.", is_eager=True, callback=_version)
            ],
        ),
    ],
)


def guarded(work: Any, *, debug: bool) -> int:
    """Run `work`, which gives an exit code, and turn what ends a run into one line and its code."""
    try:
        return int(work())
    except UsageError as error:
        return _say(error, 2)
    except LocalFault as error:
        return _say(error, 4)
    except BrokenPipeError:  # nobody reads what is printed here
        return 141
    except MemoryError:
        return _say("no memory left here: allow more (ulimit -v), or ask fewer at once (--concurrency)", 4)
    except Exception as error:
        if debug or unwritten(error):  # of the latter `main` tells
            raise
        return _say(f"a bug in fetch ({type(error).__name__}: {error}): report it with what --debug shows", 4)


def versions() -> None:
    """What a report of a bug should say, on standard error; then nobody silences the libraries."""
    import logging

    from fetcher.cli.engines import command as listing

    logging.getLogger("fetcher").setLevel(logging.DEBUG)
    with redirect_stdout(sys.stderr):
        print(f"fetch {__version__}")
        listing()


def _say(what: object, code: int) -> int:
    from fetcher.logins import masked
    from fetcher.report.page import visible

    print(f"fetch: {visible(masked(str(what)))}", file=sys.stderr)  # a list may have put anything into it
    return code


def options(values: dict[str, Any]) -> Options:
    """The run's Options from the words of the command line; UsageError for what cannot be meant."""
    from fetcher import headers

    made = Options(
        **{name: values[name] for name in ALIKE},
        max_size=size(values["max_size"]),
        header=tuple(_field(text, "--header 'NAME: VALUE'") for text in values["header"] or ()),
        header_for=tuple(_field_for(text) for text in values["header_for"] or ()),
        data=_data(values["data"]),
        resolve=tuple(_resolve(text) for text in values["resolve"] or ()),
        family=4 if values["ipv4"] else 6 if values["ipv6"] else 0,
        headers=tuple(name.strip().lower() for name in values["headers"].split(",") if name.strip()),
    )
    _check(made, values)
    headers.check(made)
    return made


def _check(options: Options, values: dict[str, Any]) -> None:
    check(options)
    if values["ipv4"] and values["ipv6"]:
        raise UsageError("-4 and -6 exclude each other: give one, or none for both")
    for name in ("cacert", "cert"):
        path = getattr(options, name)
        if path and not Path(path).is_file():
            raise UsageError(f"--{name} {path}: there is no such file")
    if options.proxy and not re.match(r"http://[^/]+/?$", options.proxy):
        raise UsageError("--proxy: give http://[USER:PASSWORD@]HOST:PORT")


def size(text: str) -> int:
    """Bytes from `10MB`, `1GiB`, `4096`; 0 for nothing. Raises UsageError."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmg]i?|)b?\s*", text.lower() or "0")
    if match is None:
        raise UsageError(f"--max-size {text}: give bytes, such as 500000, 10MB or 1GiB")
    given = float(match[1]) * UNITS[match[2]]
    if given >= LARGEST:
        raise UsageError(f"--max-size {text}: give less than {LARGEST:,} bytes")
    return int(given)


def _field(text: str, form: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise UsageError(f"a header field (not shown: it may be a secret) has no name or colon: write {form}")
    return name.strip(), value.strip()


def _field_for(text: str) -> tuple[str, str, str]:
    """`https://api.example.org X-Key: 1` (the origin, white space or a colon, then the field)."""
    form = "--header-for 'https://HOST[:PORT] NAME: VALUE'"
    match = re.fullmatch(r"(https?://(?:\[[^\]]*\]|[^\s/:]+)(?::\d+)?)/?[\s:]\s*(.+)", text.strip())
    if match is None or "@" in text.split(maxsplit=1)[0]:
        raise UsageError(
            f"a --header-for (not shown: it may be a secret) names no origin or no field: write {form}"
        )
    return (match[1], *_field(match[2], form))


def _data(text: str) -> bytes | None:
    if not text.startswith("@"):
        return text.encode() if text else None
    try:
        return Path(text[1:]).read_bytes()
    except OSError as error:
        raise UsageError(f"--data {text}: {error.strerror}") from error


def _resolve(text: str) -> tuple[str, int, str]:
    match = re.fullmatch(r"(\[[^\]]+\]|[^:]+):(\d+):(\[[^\]]+\]|[^\[\]]+)", text)
    if match is None:
        raise UsageError(f"--resolve {text}: write HOST:PORT:ADDRESS")
    return match[1].strip("[]").lower(), int(match[2]), match[3].strip("[]")
