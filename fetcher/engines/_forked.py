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
    import io
    import os
    import signal
    from contextlib import suppress
    from multiprocessing import forkserver, popen_forkserver, reduction, resource_tracker, spawn, util

    class Server(forkserver.ForkServer):
        """A fork server that has imported what workers need; started with the first of them."""

        def __init__(self) -> None:
            super().__init__()
            self.set_forkserver_preload(PRELOAD)

        def ensure_running(self) -> None:
            """Start it, deaf to Ctrl-C from its first moment on."""
            resource_tracker.ensure_running()  # whose start would open the mask again
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                super().ensure_running()
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)

        def stop(self) -> None:
            """End it, once its workers have ended.

            It would end by itself when nobody holds its pipe any more, but whoever the caller has forked
            meanwhile holds it too.
            """
            pid: int | None = self._forkserver_pid  # type: ignore[attr-defined]
            if pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                self._stop()  # type: ignore[attr-defined]

    class Process(context.ForkServerProcess):
        """A worker that knows its fork server, on this side only."""

        server: Server

        @staticmethod
        def _Popen(process: Any) -> Popen:  # noqa: N802
            return Popen(process)

        def __getstate__(self) -> dict[str, Any]:
            return {name: value for name, value in vars(self).items() if name != "server"}

    class Popen(popen_forkserver.Popen):
        """Starts a worker through its own fork server, and without the caller's `__main__`."""

        def _launch(self, process: Process) -> None:
            data = spawn.get_preparation_data(process.name)
            given = {key: value for key, value in data.items() if not key.startswith("init_main_")}
            pickled = io.BytesIO()
            context.set_spawning_popen(self)
            try:
                reduction.dump(given, pickled)
                reduction.dump(process, pickled)
            finally:
                context.set_spawning_popen(None)
            self.sentinel, pipe = process.server.connect_to_new_process(self._fds)  # type: ignore[attr-defined]
            alive = os.dup(pipe)  # by its end the worker learns that we have ended
            self.finalizer = util.Finalize(self, _close, (alive, self.sentinel))
            with os.fdopen(pipe, "wb") as stream:
                stream.write(pickled.getbuffer())
            self.pid = forkserver.read_signed(self.sentinel)

    def _close(*descriptors: int) -> None:
        for descriptor in descriptors:
            os.close(descriptor)

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
