"""One table of options: every command's signature, the FETCH_* variables and the keys of fetch.toml."""

from __future__ import annotations

import inspect
import os
import tomllib
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import typer

from fetcher.errors import UsageError


class Option(NamedTuple):
    """One option: its flags, type, default, unit, help, and the panel it is shown in."""

    flags: str  # separated by spaces; the long one names the variable and the key
    kind: Any
    default: Any
    metavar: str | None
    help: str
    panel: str

    @property
    def name(self) -> str:
        """The parameter's name: the longest flag, as Python spells it."""
        longest = max((flag.split("/")[0] for flag in self.flags.split()), key=len)
        return longest.lstrip("-").replace("-", "_")


_INPUT, _ENGINE, _LIMITS, _REQUEST = "Input", "Engine and speed", "Limits and retries", "Request"
_NETWORK, _RECORD, _OUTPUT = "Network and TLS", "Record", "Output"

_ROWS: Final[tuple[tuple[Any, ...], ...]] = (
    ("--unique", bool, False, None, "Ask each distinct URL once.", _INPUT),
    ("--column", str, "url", "NAME", "The column of .csv, .tsv and .parquet inputs.", _INPUT),
    ("--field", str, "url", "NAME", "The field of .jsonl inputs.", _INPUT),
    ("-e --engine", str, "asyncio", "NAME", "How many at once; see `fetch engines`.", _ENGINE),
    ("-c --concurrency", int, 0, "N", "Requests in flight; 0: what suits the engine.", _ENGINE),
    ("--per-host", int, None, "N", "In flight per host; 0: no limit. [8; loopback: 0]", _ENGINE),
    ("--rate", float, 0.0, "PER-S", "Requests started per second, in all.", _ENGINE),
    ("--host-rate", float, 0.0, "PER-S", "Requests started per second, per host.", _ENGINE),
    ("--timeout", float, 30.0, "SECONDS", "One attempt, from lookup to last byte.", _LIMITS),
    ("--connect-timeout", float, 10.0, "SECONDS", "Lookup, TCP and TLS together.", _LIMITS),
    ("--deadline", float, 0.0, "SECONDS", "One URL, all attempts and waits; 0: none.", _LIMITS),
    ("--retries", int, 2, "N", "Further attempts after a passing failure.", _LIMITS),
    ("--max-size", str, "", "BYTES", "Largest body, decoded, e.g. 10MB. [default: 1GiB]", _LIMITS),
    ("--max-redirects", int, 10, "N", "Hops followed; 0: a redirect is the answer.", _LIMITS),
    ("-X --method", str, "GET", "METHOD", "The request method.", _REQUEST),
    ("-H --header", list[str], [], "FIELD", "A field for each URL's own origin.", _REQUEST),
    ("--header-for", list[str], [], "FIELD", "'ORIGIN NAME: VALUE': for that origin.", _REQUEST),
    ("--data", str, "", "TEXT", "The request body; @FILE reads it from a file.", _REQUEST),
    ("--auth", str, "", "USER:PW", "Basic, for each URL's own origin.", _REQUEST),
    ("--user-agent", str, "", "TEXT", "Instead of fetch/VERSION.", _REQUEST),
    ("--robots/--no-robots", bool, False, None, "Obey robots.txt.", _REQUEST),
    ("--proxy", str, "", "URL", "An HTTP proxy; the environment's are not read.", _NETWORK),
    ("--cacert", str, "", "FILE", "Trust these CAs instead of the system's.", _NETWORK),
    ("--cert", str, "", "FILE", "A client certificate with its key, PEM.", _NETWORK),
    ("--insecure", bool, False, None, "Do not check certificates.", _NETWORK),
    ("--deny-private", bool, False, None, "Refuse loopback and private addresses.", _NETWORK),
    ("--resolve", list[str], [], "HOST:PORT:ADDR", "Use this address for that host and port.", _NETWORK),
    ("-4 --ipv4", bool, False, None, "IPv4 only.", _NETWORK),
    ("-6 --ipv6", bool, False, None, "IPv6 only.", _NETWORK),
    ("--http", str, "1.1", "1.1|2|3", "HTTP version; 2 and 3 need -e curl.", _NETWORK),
    ("--hash", bool, False, None, "Add the SHA-256 of the decoded body.", _RECORD),
    ("--headers", str, "", "A,B", "Add these response fields.", _RECORD),
    ("--save", str, "", "DIR", "Save each body there; the names are made by fetch.", _RECORD),
    ("-o --output", list[str], [], "FILE", "Also write records here, by suffix; repeatable.", _OUTPUT),
    ("--overwrite", bool, False, None, "Let -o replace an existing file.", _OUTPUT),
    ("--json", bool, False, None, "JSON Lines on standard output.", _OUTPUT),
    ("--errors", bool, False, None, "Print failures only.", _OUTPUT),
    ("-q --quiet", bool, False, None, "No progress, no summary.", _OUTPUT),
    ("--no-progress", bool, False, None, "No progress line.", _OUTPUT),
    ("--summary", str, "", "FILE", "Write the run's totals there as JSON.", _OUTPUT),
    ("--config", str, "", "FILE", "Read options from this file as well.", _OUTPUT),
    ("--debug", bool, False, None, "Show tracebacks of fetch itself.", _OUTPUT),
)
TABLE: Final = tuple(Option(*row) for row in _ROWS)
BY_NAME: Final = {option.name: option for option in TABLE}
# A fetch.toml that happens to lie in the working directory may come from somebody else (a cloned repository).
UNTRUSTED: Final = frozenset(
    {"proxy", "insecure", "cluster", "header", "header_for", "auth", "config", "cert"}
)


def command(
    body: Callable[..., None], names: Iterable[str], arguments: list[inspect.Parameter]
) -> Callable[..., None]:
    """`body` as a Typer command whose options come from the table; it gets them by their names."""

    def run(**values: Any) -> None:
        body(**values)

    parameters = [*arguments, *(_parameter(BY_NAME[name]) for name in names)]
    run.__name__ = body.__name__
    run.__doc__ = body.__doc__
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _parameter(option: Option) -> inspect.Parameter:
    flags = option.flags.split()
    made = typer.Option(
        *flags,
        metavar=option.metavar,
        help=option.help,
        rich_help_panel=option.panel,
        show_default=bool(option.default),
    )
    return inspect.Parameter(
        option.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=option.default,
        annotation=Annotated[option.kind if option.default is not None else option.kind | None, made],
    )


def settings(explicit: str = "") -> dict[str, Any]:
    """The options set outside the command line, later ones winning.

    In this order: the user's own fetch.toml, the working directory's, the file of `--config` or FETCH_CONFIG,
    then FETCH_* variables (a list has one value a line).

    Raises UsageError for a file that cannot be read, an unknown key, or one that is not for that file.
    """
    explicit = explicit or os.environ.get("FETCH_CONFIG", "")
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "fetch" / "fetch.toml"
    files = [(path, path is home) for path in (home, Path("fetch.toml")) if path.is_file()]
    found: dict[str, Any] = {}
    for path, trusted in (*files, *(((Path(explicit), True),) if explicit else ())):
        for key, value in _read(path).items():
            name = key.replace("-", "_")
            _check(path, key, name, trusted=trusted)
            found[name] = value
    for option in TABLE:
        text = os.environ.get(f"FETCH_{option.name.upper()}")
        if text:
            found[option.name] = text.splitlines() if option.kind == list[str] else text
    return found


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not TOML: {error}") from error


def _check(path: Path, key: str, name: str, *, trusted: bool) -> None:
    if name not in BY_NAME:
        close = get_close_matches(name, BY_NAME, 1)
        hint = f": did you mean {close[0].replace('_', '-')}?" if close else ""
        raise UsageError(f"{path}: there is no option {key!r}{hint}")
    if not trusted and name in UNTRUSTED:
        raise UsageError(
            f"{path}: {key!r} may not be set by a file that happens to lie in the working directory: "
            f"give --{key.replace('_', '-')}, or name the file with --config {path}"
        )
