"""The embedded test site: sizes, delays, codings and redirects, or every fault there is: `fetch serve`."""

from __future__ import annotations

from typing import Annotated

import typer

from fetcher.cli.get import guarded


def command(
    port: Annotated[int, typer.Option(metavar="PORT", help="0: any free one.", min=0, max=65535)] = 8000,
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Where to listen.")] = "127.0.0.1",
    faults: Annotated[
        bool, typer.Option("--faults", help="Instead of the site, a server that does everything wrong.")
    ] = False,
) -> None:
    """Serve the test site until Ctrl-C. The address is printed first; its page /help lists what it offers."""
    raise typer.Exit(guarded(lambda: _serve(host, port, faults), debug=False))


def _serve(host: str, port: int, faults: bool) -> int:
    from fetcher import server

    try:
        server.run(host, port, lambda base: print(base, flush=True), faults=faults)
    except KeyboardInterrupt:
        return 130
    return 0
