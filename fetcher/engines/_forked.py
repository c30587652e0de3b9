"""Worker processes from a fork server of our own, which ends with the engine that started it.

multiprocessing's own fork server lives as long as the interpreter, and every worker it forks first imports
the caller's `__main__`: a script without `if __name__ == "__main__"` would run again in each. Ours needs
nothing of the caller's, so it works from a script, a notebook, the prompt or stdin alike. Windows has no fork
server: workers are spawned there as multiprocessing does it, main guard and all.
"""

from __future__ import annotations

import sys
from multiprocessing import context
from typing import Any, Final

PRELOAD: Final = ["fetcher.engines._worker"]

if sys.platform == "win32":

    class Context(context.SpawnContext):
        """What an executor of one worker starts it with; remembers the worker."""

        def __init__(self, _: Server) -> None:
            self.worker: context.SpawnProcess | None = None

        def Process(self, *args: Any, **named: Any) -> context.SpawnProcess:  # noqa: N802
            """Called by the executor."""
            self.worker = context.SpawnProcess(*args, **named)
            return self.worker

    class Server:
        """There is none."""

        def stop(self) -> None:
            """Nothing."""

else:
    from multiprocessing import forkserver, popen_forkserver, spawn
    from types import FunctionType, SimpleNamespace

    class Server(forkserver.ForkServer):
        """A fork server that has imported what workers need; started with the first of them."""

        def __init__(self) -> None:
            super().__init__()
            self.set_forkserver_preload(PRELOAD)

        def stop(self) -> None:
            """End it, once its workers have ended."""
            self._stop()  # type: ignore[attr-defined]

    class Process(context.ForkServerProcess):
        """A worker that knows its fork server, on this side only."""

        server: Server | None = None

        @staticmethod
        def _Popen(process: Any) -> Popen:  # noqa: N802
            return Popen(process)

        def __getstate__(self) -> dict[str, Any]:
            return {name: value for name, value in vars(self).items() if name != "server"}

    class Popen(popen_forkserver.Popen):
        """Starts a worker through its own fork server.

        The method of multiprocessing that does it takes the fork server, and what the worker is to import,
        from its module's globals. Here it is given others, because a patched module would change the
        processes of our caller too.
        """

        def _launch(self, process: Any) -> None:
            names = vars(popen_forkserver) | {
                "spawn": SimpleNamespace(get_preparation_data=_without_main),
                "forkserver": SimpleNamespace(
                    connect_to_new_process=process.server.connect_to_new_process,
                    read_signed=forkserver.read_signed,
                ),
            }
            launch = popen_forkserver.Popen._launch  # type: ignore[attr-defined]
            FunctionType(launch.__code__, names)(self, process)

    def _without_main(name: str) -> dict[str, Any]:
        data: dict[str, Any] = spawn.get_preparation_data(name)
        return {key: value for key, value in data.items() if not key.startswith("init_main_")}

    class Context(context.ForkServerContext):
        """What an executor of one worker starts it with; remembers the worker."""

        def __init__(self, server: Server) -> None:
            self.server = server
            self.worker: Process | None = None

        def Process(self, *args: Any, **named: Any) -> Process:  # type: ignore[override]  # noqa: N802
            """Called by the executor."""
            self.worker = Process(*args, **named)
            self.worker.server = self.server
            return self.worker
