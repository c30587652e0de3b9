"""Options set outside the command line: fetch.toml, and FETCH_* in the environment."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from fetcher.cli.options import BY_NAME, TABLE, Option
from fetcher.errors import UsageError
from fetcher.options import RANGES, Options, check

# A fetch.toml that happens to lie in the working directory may come from somebody else (a cloned repository):
# it may set how fast and how much, but nothing that reads, writes or sends anything else, or trusts anybody.
HARMLESS: Final = frozenset(
    (
        *("engine", "concurrency", "per_host", "rate", "host_rate", "timeout", "connect_timeout", "deadline"),
        *("retries", "max_size", "max_redirects", "robots", "hash", "headers", "unique", "column", "field"),
        *("json", "errors", "quiet", "no_progress", "user_agent", "ipv4", "ipv6", "http", "deny_private"),
    )
)
SWITCH: Final = {
    **dict.fromkeys(("1", "true", "yes", "on"), True),
    **dict.fromkeys(("0", "false", "no", "off"), False),
}
SECRET: Final = frozenset(("header", "header_for", "auth", "data", "proxy"))  # never shown
RANGED: Final = frozenset(("http", *(name for name, *_ in RANGES))) - {"max_size"}  # that one is text here
CLOSE: Final = 0.75  # how much a variable must look like an option's to be taken for a slip


def settings(explicit: str = "") -> dict[str, Any]:
    """The options set outside the command line, later ones winning.

    In this order: the user's own fetch.toml, the working directory's, the file of `--config` or FETCH_CONFIG,
    then FETCH_* variables (a list has one value a line).

    Raises UsageError for a file that cannot be read, an unknown key, a value of the wrong kind, or a key that
    is not for that file.
    """
    explicit = explicit or os.environ.get("FETCH_CONFIG", "")
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "fetch" / "fetch.toml"
    files = [(path, path is home) for path in (home, Path("fetch.toml")) if os.path.isfile(path)]  # noqa: PTH113 - False also where we may not look
    if explicit:
        named = Path(explicit)
        files = [(path, own) for path, own in files if not (named.is_file() and path.samefile(named))]
        files.append((named, True))
    found: dict[str, Any] = {}
    for path, trusted in files:
        for key, value in _read(path).items():
            name = key.replace("-", "_")
            _check(path, key, name, trusted=trusted, value=value)
            found[name] = _value(BY_NAME[name], value, f"{path}: {key!r}")
    for option in TABLE:
        variable = f"FETCH_{option.name.upper()}"
        if text := os.environ.get(variable):
            found[option.name] = _value(option, _meant(option, text), variable)
    return found


def slips() -> list[str]:
    """A warning for each FETCH_* variable that is none, but looks like one."""
    known = [option.name.upper() for option in TABLE]
    given = sorted(name.removeprefix("FETCH_") for name in os.environ if name.startswith("FETCH_"))
    pairs = ((name, get_close_matches(name, known, 1, CLOSE)) for name in given if name not in known)
    return [
        f"FETCH_{name} is no variable of fetch: did you mean FETCH_{close[0]}?"
        for name, close in pairs
        if close
    ]


def _read(path: Path) -> dict[str, Any]:
    import tomllib  # most runs have no such file

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not TOML: {error}") from error


def _check(path: Path, key: str, name: str, *, trusted: bool, value: Any) -> None:
    if name not in BY_NAME:
        close = get_close_matches(name, BY_NAME, 1)
        hint = f": did you mean {close[0].replace('_', '-')}?" if close else ""
        raise UsageError(f"{path}: there is no option {key!r}{hint}")
    lifts = name == "deny_private" and value is not True  # what the user's own file may have set
    if not trusted and (lifts or name not in HARMLESS):
        raise UsageError(
            f"{path}: {key!r} may not be set by a file that happens to lie in the working directory: "
            f"give --{key.replace('_', '-')}, or name the file with --config {path}"
        )


def _meant(option: Option, text: str) -> Any:
    """The value that a variable's text spells; the text itself where it spells none."""
    try:
        if option.kind is bool:
            return SWITCH.get(text.strip().lower(), text)
        if option.kind in {int, float}:
            return option.kind(text)
    except ValueError:
        return text
    return text.splitlines() if option.kind == list[str] else text


def _value(option: Option, value: Any, where: str) -> Any:
    """The value as the option wants it. Raises UsageError, naming where it stands."""
    kind = option.kind
    if kind is float and type(value) is int:
        value = float(value)
    if kind is str and type(value) in {int, float} and option.name in {"max_size", "http"}:
        value = str(value)
    if kind == list[str] and isinstance(value, str):
        value = [value]
    fits = (
        isinstance(value, list) and all(isinstance(item, str) for item in value)
        if kind == list[str]
        else type(value) is kind
    )
    if not fits:
        given = type(value).__name__ if option.name in SECRET else repr(value)
        raise UsageError(f"{where} is {given}, but {_wanted(option)} wanted")
    if option.name in RANGED:
        try:
            check(Options(**{option.name: value}))
        except UsageError as error:  # it names the option, which nobody typed
            raise UsageError(f"{where} is {value!r}: {str(error).partition(': ')[2]}") from error
    return value


def _wanted(option: Option) -> str:
    if option.kind is bool:
        return "true or false is"
    if option.kind is int:
        return "a whole number is"
    if option.kind is float:
        return "seconds are" if option.metavar == "SECONDS" else "a number is"
    return "text is" if option.kind is str else "a list of texts is"
