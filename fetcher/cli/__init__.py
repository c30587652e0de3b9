"""Words only: the command line, its options, and what it prints."""

from __future__ import annotations

import os
import re
import sys
from importlib import import_module
from typing import Any, Final, NoReturn

from fetcher.cli._descriptors import complete, dropped, width

COMMANDS: Final = (  # in the order a person meets them
    *("get", "retry", "verify", "compare", "crawl", "audit", "load", "report", "diff"),
    *("status", "serve", "demo", "engines"),
)
COMPLETE: Final = "_FETCH_COMPLETE"  # set by a shell's completion
NARROW: Final = 60  # columns of a terminal below which tables of options lose their names


def main(argv: list[str] | None = None) -> None:
    """Run `fetch` with these arguments; exits with the code that README lists."""
    complete()
    code: Any = 0
    try:
        code = _main(sys.argv[1:] if argv is None else argv)
        if sys.stdout is not None:
            sys.stdout.flush()
    except KeyboardInterrupt:  # while we are still being loaded: later a run hears it
        code = 130
    except SystemExit as left:
        if not isinstance(left.__context__, BrokenPipeError):  # Typer's word for it is 1
            raise
        code = 141
    except OSError as error:
        code = dropped(error)
        if not code:
            raise
    if code != 0:
        sys.exit(code)


def _main(args: list[str]) -> Any:
    if COMPLETE in os.environ:  # a shell asks what may follow: answer, and never run anything
        _completions()
    if args == ["--version"]:  # before anything is imported: it is asked by scripts
        from fetcher import __version__

        print(f"fetch {__version__}")
        return 0
    if sys.stdout is None:
        print("fetch: standard output is closed: open it, or send it to /dev/null", file=sys.stderr)
        return 2
    name = args[0] if args and args[0] in COMMANDS else "get"
    rest = args[1:] if args[:1] == [name] else args
    defaults = _defaults(_config(rest), name)
    return _run(name, rest, defaults)


def _run(name: str, args: list[str], defaults: dict[str, Any]) -> Any:
    """The command's exit code; of a wrong option, which Typer tells in a box, one line is said."""
    import typer

    wrong: Any = typer.BadParameter.__base__  # click's UsageError, wherever this Typer keeps its click
    shown = "fetch" if name == "get" else f"fetch {name}"
    try:
        return _app(name, defaults)(args=args, prog_name=shown, standalone_mode=False)
    except wrong as error:
        print(f"fetch: {_mistake(error)} see fetch {name} --help", file=sys.stderr)
        return 2


def _mistake(error: Any) -> str:
    """What is wrong with an option, in one line and without the words of a programmer."""
    if option := getattr(error, "possibilities", None) and error.option_name:
        from difflib import get_close_matches

        if owners := _owners(option):
            return f"there is no option {option} here: it belongs to {owners}:"
        close = get_close_matches(option, error.possibilities, 1, 0.0)
        return f"there is no option {option}: did you mean {close[0]}?"
    text = " ".join(error.format_message().rstrip(".").split())
    text = re.sub(r"^Invalid value for '(.*?)':", r"\1:", text)
    text = re.sub(r"^(Option|No|Got) ", lambda first: first[0].lower(), text)
    return re.sub("a valid int( range)?$", "a whole number", text).replace("a valid float", "a number") + ":"


def _owners(option: str) -> str:
    """The commands that have this option."""
    from fetcher.cli import options as table

    row = next((row for row in table.TABLE if option in re.split("[ /]", row.flags)), None)
    return "" if row is None else table.OWNERS.get(row.panel, "")


def _completions() -> NoReturn:
    """Print what may follow, as the shell wants it, and exit; a command's own word is taken off the line."""
    from typer.completion import completion_init  # type: ignore[attr-defined]

    completion_init()  # what `add_completion` does, without the options that it adds
    words = completing()
    name = words[0] if words and words[0] in COMMANDS else "get"
    if name != "get":
        os.environ["COMP_CWORD"] = str(int(os.environ.get("COMP_CWORD") or 1) - 1)
        for variable in ("COMP_WORDS", "_TYPER_COMPLETE_ARGS"):
            os.environ[variable] = re.sub(rf"\s{name}\b", "", os.environ.get(variable, ""), count=1)
    sys.exit(_app(name, {})(args=[], prog_name="fetch", complete_var=COMPLETE))


def completing() -> list[str]:
    """The words before the one that a shell wants completed, without `fetch` itself."""
    if "COMP_CWORD" in os.environ:  # bash
        words = os.environ.get("COMP_WORDS", "").split()
        return words[1 : int(os.environ["COMP_CWORD"])]
    line = os.environ.get("_TYPER_COMPLETE_ARGS", "")  # the others: the line as far as the cursor
    words = line.split()[1:]
    return words if line.endswith(" ") else words[:-1]


def _config(args: list[str]) -> str:
    """The value of --config, which must be known before the options are read."""
    for arg, following in zip(args, [*args[1:], ""], strict=False):
        if arg == "--config":
            return following
        if arg.startswith("--config="):
            return arg.partition("=")[2]
    return ""


def _defaults(config: str, name: str) -> dict[str, Any]:
    from fetcher.cli._settings import settings, slips
    from fetcher.errors import UsageError

    try:
        found = settings(config)
    except UsageError as error:
        print(f"fetch: {error}", file=sys.stderr)
        sys.exit(2)
    for slip in slips() if name == "get" else ():
        print(f"fetch: {slip}", file=sys.stderr)
    return found


def _app(name: str, defaults: dict[str, Any]) -> Any:
    import typer

    module = import_module(f"fetcher.cli.{name}")
    given = os.environ.get("COLUMNS", "")
    columns = int(given) if given.isdecimal() else width(0, 1, 2)  # where rich looks as well
    rich = columns >= NARROW
    app = typer.Typer(
        add_completion=name == "get",
        pretty_exceptions_enable=False,
        rich_markup_mode="rich" if rich else None,
    )
    app.command(
        context_settings={
            "default_map": defaults,
            "help_option_names": ["-h", "--help"],
            "terminal_width": None if rich else columns,
        },
        epilog=_epilog(rich) if name == "get" else None,
    )(module.command)
    return app


def _epilog(rich: bool) -> str:
    from fetcher import cli, menu

    on, off = ("[bold]", "[/]") if rich else ("", "")
    rows = (f"{on}fetch {name}{off}  {menu.sentence(cli, name)}" for name in COMMANDS[1:])
    return f"{on}Other commands{off}\n\n" + "\n\n".join(rows)
