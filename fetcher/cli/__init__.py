"""Words only: the command line, its options, and what it prints."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any, Final

COMMANDS: Final = ("get", "serve", "demo", "engines")  # in the order a person meets them


def main(argv: list[str] | None = None) -> None:
    """Run `fetch` with these arguments; exits with the code that README lists."""
    args = sys.argv[1:] if argv is None else argv
    if args == ["--version"]:  # before anything is imported: it is asked by scripts
        from fetcher import __version__

        print(f"fetch {__version__}")
        return
    name, rest = _command(args)
    sys.exit(_app(name, _config(rest))(args=rest, prog_name="fetch" if name == "get" else f"fetch {name}"))


def _command(args: list[str]) -> tuple[str, list[str]]:
    """The command and its own arguments; `get` where none is named."""
    words = _completing() or args
    if words and words[0] in COMMANDS:
        return words[0], args[1:]
    return "get", args


def _completing() -> list[str]:
    """The words on the line that a shell wants completed; empty when this is no completion."""
    import os

    return os.environ.get("COMP_WORDS", "").split()[1:] if "_FETCH_COMPLETE" in os.environ else []


def _config(args: list[str]) -> str:
    """The value of --config, which must be known before the options are read."""
    for arg, following in zip(args, [*args[1:], ""], strict=False):
        if arg == "--config":
            return following
        if arg.startswith("--config="):
            return arg.partition("=")[2]
    return ""


def _app(name: str, config: str) -> Any:
    import typer

    from fetcher.cli.options import settings
    from fetcher.errors import UsageError

    module = import_module(f"fetcher.cli.{name}")
    try:
        defaults = settings(config)
    except UsageError as error:
        print(f"fetch: {error}", file=sys.stderr)
        sys.exit(2)
    app = typer.Typer(add_completion=name == "get", pretty_exceptions_enable=False, rich_markup_mode="rich")
    app.command(
        context_settings={"default_map": defaults, "help_option_names": ["-h", "--help"]},
        epilog=_epilog() if name == "get" else None,
    )(module.command)
    return app


def _epilog() -> str:
    from fetcher import cli, menu

    rows = (f"[bold]fetch {name}[/]  {menu.sentence(cli, name)}" for name in COMMANDS[1:])
    return "[bold]Other commands[/]\n\n" + "\n\n".join(rows)
