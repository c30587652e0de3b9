"""One table of options: every command's signature, the FETCH_* variables and the keys of fetch.toml."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Final, NamedTuple

import typer


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
_OF_GET = (_INPUT, _ENGINE, _LIMITS, _REQUEST, _NETWORK, _RECORD, _OUTPUT)
_LOAD = "Load"
_COMPARE, _CRAWL, _AUDIT, _DIFF, _RETRY = "Comparison", "Crawl", "Audit", "Difference", "Retry"

_ROWS: Final[tuple[tuple[Any, ...], ...]] = (
    ("--unique", bool, False, None, "Ask each distinct URL once.", _INPUT),
    ("--column", str, "url", "NAME", "The column of .csv, .tsv and .parquet inputs.", _INPUT),
    ("--field", str, "url", "NAME", "The field of .jsonl inputs.", _INPUT),
    ("-e --engine", str, "asyncio", "NAME", "How many at once; see `fetch engines`.", _ENGINE),
    ("-c --concurrency", int, 0, "N", "Requests in flight; 0: what suits the engine.", _ENGINE),
    ("--per-host", int, None, "N", "In flight per host; 0: no limit. [8; loopback: 0]", _ENGINE),
    ("--rate", float, 0.0, "PER-S", "Requests started per second, in all.", _ENGINE),
    ("--host-rate", float, 0.0, "PER-S", "Requests started per second, per host.", _ENGINE),
    ("--workers", int, 1, "N", "Processes, which share the list, -c and --rate.", _ENGINE),
    ("--cluster", str, None, "ADDRESS", "Fetch the parts of -o DIR/ on Dask: tcp://... or local.", _ENGINE),
    ("--timeout", float, 30.0, "SECONDS", "One attempt, from lookup to last byte.", _LIMITS),
    ("--connect-timeout", float, 10.0, "SECONDS", "Lookup, TCP and TLS together.", _LIMITS),
    ("--deadline", float, 0.0, "SECONDS", "One URL, all attempts and waits; 0: none.", _LIMITS),
    ("--retries", int, 2, "N", "Further attempts after a passing failure.", _LIMITS),
    ("--max-size", str, "", "BYTES", "Largest body, decoded, as 10MB; 0: the default. [1GiB]", _LIMITS),
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
    ("--http", str, "1.1", "1.1|2|3", "The HTTP version; the curl engine has all.", _NETWORK),
    ("--hash", bool, False, None, "Add the SHA-256 of the decoded body.", _RECORD),
    ("--headers", str, "", "A,B", "Add these response fields.", _RECORD),
    ("--save", str, "", "DIR", "Save each body there; the names are made by fetch.", _RECORD),
    ("--depth", int, None, "N", "Links away from a start; any, if not given.", _CRAWL),
    ("--max-pages", int, 0, "N", "Pages asked at the most; 0: no limit.", _CRAWL),
    ("--scope", str, "host", "WORD", "host, path, subdomains or any.", _CRAWL),
    ("--include", list[str], [], "REGEX", "Only URLs in which one of these is found.", _CRAWL),
    ("--exclude", list[str], [], "REGEX", "No URL in which one of these is found.", _CRAWL),
    ("--sitemap", list[str], [], "URL", "Begin with what this sitemap lists, too.", _CRAWL),
    ("--sitemaps/--no-sitemaps", bool, True, None, "Read those that robots.txt names.", _CRAWL),
    ("--assets", str, "none", "WORD", "Images, scripts ...: none, same-site or all.", _CRAWL),
    ("--max-chain", int, 100, "N", "Pages of one form in a row; 0: no limit.", _CRAWL),
    ("--max-alike", int, 1000, "N", "URLs that differ in queries only; 0: no limit.", _CRAWL),
    ("--state", str, "", "FILE", "Keep the crawl there; go on with what it holds.", _CRAWL),
    ("--external/--no-external", bool, True, None, "Ask links that leave the scope, once.", _AUDIT),
    ("--budget", list[str], [], "FILE", "Limits that the site must keep (TOML).", _AUDIT),
    ("--exit-zero", bool, False, None, "Exit 0 whatever was found: a report only.", _AUDIT),
    ("--where", str, "", "EXPR", "Which records, as 'error=dns_temporary or status in (429,503)'.", _RETRY),
    ("--ignore", list[str], [], "FIELD", "Do not compare this field; repeatable.", _DIFF),
    ("--size-tolerance", float, 0.0, "PERCENT", "Sizes that differ by less are equal.", _DIFF),
    ("--engines", str, "", "A,B", "Which to compare; all that are installed.", _COMPARE),
    ("--blocks", int, 10, "N", "Laps of each engine, in random balanced order.", _COMPARE),
    ("--repeat", int, 1, "N", "The list so many times in each lap.", _COMPARE),
    ("--seed", int, None, "N", "Of the order; a random one is printed.", _COMPARE),
    ("--yes", bool, False, None, "Allow over 100 requests to a public host.", _COMPARE),
    ("-n --count", int, 0, "N", "Requests in all; 0: as long as -d.", _LOAD),
    ("-d --duration", str, "", "TIME", "How long, as 30s or 2m, warm-up included. [10s]", _LOAD),
    ("--poisson", bool, False, None, "Random gaps round --rate, as independent users make.", _LOAD),
    ("--stages", str, "", "LIST", "Rates to go to, as 30s:100,1m:500.", _LOAD),
    ("--warmup", str, "0s", "TIME", "Not measured.", _LOAD),
    ("--order", str, "in-order", "WORD", "Of several targets: in-order, shuffle or weighted.", _LOAD),
    ("--follow", bool, False, None, "Follow redirects.", _LOAD),
    ("--keep-alive/--no-keep-alive", bool, True, None, "Use connections again.", _LOAD),
    ("--slo", str, "", "RULES", "What must hold, as p99<50ms,errors<0.1%.", _LOAD),
    ("--find-max", bool, False, None, "Search the highest rate that meets --slo.", _LOAD),
    ("--serve", str, "", "COMMAND", "Start this server, watch it, and stop it.", _LOAD),
    ("--allow", list[str], [], "HOST", "A public host that is yours to load.", _LOAD),
    ("--dry-run", bool, False, None, "Say what would be sent, and send nothing.", _LOAD),
    ("--save-baseline", str, "", "FILE", "Keep the figures there, to compare with.", _LOAD),
    ("--baseline", str, "", "FILE", "Compare with these.", _LOAD),
    ("--fail-on", str, "", "RULES", "Changes that fail, as p99>+10%,goodput<-5%.", _LOAD),
    ("-o --output", list[str], [], "FILE", "Also write records here, by suffix; DIR/: in parts.", _OUTPUT),
    ("--overwrite", bool, False, None, "Let -o and --summary replace existing files.", _OUTPUT),
    ("--resume", bool, False, None, "Go on with the one -o: .jsonl, .csv or DIR/.", _OUTPUT),
    ("--json", bool, False, None, "JSON on standard output; of URLs a line each.", _OUTPUT),
    ("--errors", bool, False, None, "Failures only on standard output; -o gets all.", _OUTPUT),
    ("-q --quiet", bool, False, None, "No progress, no summary.", _OUTPUT),
    ("--no-progress", bool, False, None, "No progress line.", _OUTPUT),
    ("--summary", str, "", "FILE", "Write the run's totals there as JSON.", _OUTPUT),
    ("--config", str, "", "FILE", "Read options from this file as well.", _OUTPUT),
    ("--debug", bool, False, None, "Show tracebacks of fetch itself.", _OUTPUT),
)
TABLE: Final = tuple(Option(*row) for row in _ROWS)
BY_NAME: Final = {option.name: option for option in TABLE}
GET: Final = tuple(option.name for option in TABLE if option.panel in _OF_GET)
_LISTED: Final = ("unique", "column", "field", "output", "overwrite", "resume", "cluster")
RETRY: Final = (
    "where",
    *(name for name in GET if name not in _LISTED),
)
CRAWL: Final = tuple(
    option.name
    for option in TABLE
    if option.panel in (*_OF_GET, _CRAWL)
    and option.name not in ("unique", "column", "field", "method", "data", "resume", "workers", "cluster")
)
OWNERS: Final = {
    _COMPARE: "fetch compare",
    _CRAWL: "fetch crawl and fetch audit",
    _AUDIT: "fetch audit",
    _LOAD: "fetch load",
    _DIFF: "fetch diff",
    _RETRY: "fetch retry",
    **dict.fromkeys(_OF_GET, "fetch get"),
}
OF_AUDIT: Final = tuple(option.name for option in TABLE if option.panel == _AUDIT)
NAMED: Final = ("FILE", "DIR", "RULES", "EXPR")  # nothing is no value of these
DEFAULTS: Final = {option.name: option.default for option in TABLE}


def command(
    body: Callable[..., None],
    names: Iterable[str],
    arguments: list[inspect.Parameter],
    **changed: Any,
) -> Callable[..., None]:
    """`body` as a Typer command whose options come from the table; it gets them by their names.

    `changed`: defaults that are others here.
    """

    def run(**values: Any) -> None:
        body(**values)

    parameters = [*arguments, *(_parameter(_changed(BY_NAME[name], changed)) for name in names)]
    run.__name__ = body.__name__
    run.__doc__ = body.__doc__
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _changed(option: Option, changed: dict[str, Any]) -> Option:
    return option._replace(default=changed.get(option.name, option.default))


def _parameter(option: Option) -> inspect.Parameter:
    flags = option.flags.split()
    made = typer.Option(
        *flags,
        metavar=option.metavar,
        help=option.help,
        rich_help_panel=option.panel,
        show_default=bool(option.default),
        autocompletion=_engines if option.name == "engine" else None,
        callback=_named
        if option.kind is str and option.metavar in {"FILE", "DIR", "RULES", "EXPR"}
        else None,
    )
    return inspect.Parameter(
        option.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=option.default,
        annotation=Annotated[option.kind if option.default is not None else option.kind | None, made],
    )


def _named(context: typer.Context, param: typer.CallbackParam, path: str) -> str:
    """The path; an empty one on the command line is a mistake (a shell's unset variable), not a default."""
    source = context.get_parameter_source(param.name or "")
    if not path and source is not None and source.name == "COMMANDLINE":
        if param.metavar in {"RULES", "EXPR"}:
            raise typer.BadParameter("it is empty: say something, or leave the option out")
        what = "directory" if param.metavar == "DIR" else "file"
        raise typer.BadParameter(f"the name is empty: name a {what} or leave the option out")
    return path


def _engines(incomplete: str) -> list[str]:
    """The engines whose names begin so, without importing them."""
    from fetcher import engines, menu

    return [name for name in menu.names(engines) if name.startswith(incomplete)]
