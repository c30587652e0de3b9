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

PRELOAD: Final = ["fetcher.engines._worker", "fetcher.engines._forked"]


class Unshared:
    """Stands for the locks and the counter of an executor's queues.

    Each end of them has one user, and one job is under way at most. A real one is a file in /dev/shm, which
    some machines lack, and stays there when all of us are killed.
    """

    def acquire(self, block: bool = True, timeout: float | None = None) -> bool:  # noqa: ARG002
        """At once."""
        return True

    def release(self) -> None:
        """Nothing is held."""

    def __enter__(self) -> bool:
        return True

    def __exit__(self, *_: object) -> None:
        pass

    @property
    def _semlock(self) -> Unshared:  # what Queue.full asks
        return self

    def _is_zero(self) -> bool:
        return False


class _Unshared(context.BaseContext):
    def Lock(self) -> Unshared:  # type: ignore[override]  # noqa: N802
        """For both ends of a queue."""
        return Unshared()

    def BoundedSemaphore(self, value: int = 1) -> Unshared:  # type: ignore[override]  # noqa: N802, ARG002
        """For what a queue may hold."""
        return Unshared()


if sys.platform == "win32":

    class Context(_Unshared, context.SpawnContext):
        """What an executor of one worker starts it with; remembers the worker."""

        def __init__(self, _: Server) -> None:
            self.worker: context.SpawnProcess | None = None

        def Process(self, *args: Any, **named: Any) -> context.SpawnProcess:  # noqa: N802
            """Called by the executor."""
            self.worker = context.SpawnProcess(*args, **named)
            return self.worker

    class Server:
        """There is none."""

        def ensure_running(self) -> None:
            """Nothing."""

        def kill(self) -> None:
            """Nothing."""

        def stop(self) -> None:
            """Nothing."""

else:
    import io
    import os
    import signal
    from contextlib import suppress
    from multiprocessing import forkserver, popen_forkserver, reduction, resource_tracker, spawn, util
    from multiprocessing.connection import wait
    from pathlib import Path

    from fetcher.engines import _worker

    START: Final = 30.0  # seconds for the fork server to begin and to fork

    class Server(forkserver.ForkServer):
        """A fork server that has imported what workers need; started with the first of them."""

        def __init__(self) -> None:
            super().__init__()
            self.set_forkserver_preload(PRELOAD)

        def ensure_running(self) -> None:
            """Start it, deaf from its first moment on to what is meant for us, and so are those it forks."""
            deaf = {*_worker.IGNORED, _worker.CANCEL}
            before = signal.pthread_sigmask(signal.SIG_BLOCK, deaf)
            try:
                resource_tracker.ensure_running()  # it ignores all but SIGHUP; its start opens the mask again
                signal.pthread_sigmask(signal.SIG_BLOCK, deaf)
                if not _directory():
                    self.set_forkserver_preload([])  # with none, nobody asks for the directory
                super().ensure_running()
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)

        def kill(self) -> None:
            """Have it end, from any thread: whoever waits for word of a worker hears its end."""
            pid: int | None = self._forkserver_pid  # type: ignore[attr-defined]
            if pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

        def stop(self) -> None:
            """End it, once its workers have ended.

            It would end by itself when nobody holds its pipe any more, but whoever the caller has forked
            meanwhile holds it too.
            """
            self.kill()
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
            data = _preparation(process.name)
            given = {key: value for key, value in data.items() if not key.startswith("init_main_")}
            pickled = io.BytesIO()
            context.set_spawning_popen(self)
            try:
                reduction.dump(given, pickled)
                reduction.dump(process, pickled)
            finally:
                context.set_spawning_popen(None)
            self.sentinel, pipe = process.server.connect_to_new_process(self._fds)  # type: ignore[attr-defined]
            with os.fdopen(pipe, "wb") as stream:
                try:
                    alive = os.dup(pipe)  # by its end the worker learns that we have ended
                except OSError:
                    os.close(self.sentinel)
                    raise
                self.finalizer = util.Finalize(self, _close, (alive, self.sentinel))
                stream.write(pickled.getbuffer())
            if not wait([self.sentinel], START):
                raise TimeoutError("the fork server does not answer")
            self.pid = forkserver.read_signed(self.sentinel)

        def terminate(self) -> None:
            """Called by the executor; a worker ignores SIGTERM."""
            self.kill()

    def _directory() -> bool:
        try:
            return bool(Path.cwd())
        except OSError:
            return False

    def _preparation(name: str) -> dict[str, Any]:
        """What multiprocessing gives a worker, and what is left of it in a directory that was deleted."""
        if _directory():
            return spawn.get_preparation_data(name)
        return {"name": name, "sys_path": sys.path, "sys_argv": sys.argv}

    def _close(*descriptors: int) -> None:
        for descriptor in descriptors:
            os.close(descriptor)

    class Context(_Unshared, context.ForkServerContext):
        """What an executor of one worker starts it with; remembers the worker."""

        def __init__(self, server: Server) -> None:
            self.server = server
            self.worker: Process | None = None

        def Process(self, *args: Any, **named: Any) -> Process:  # type: ignore[override]  # noqa: N802
            """Called by the executor."""
            self.worker = Process(*args, **named)
            self.worker.server = self.server
            return self.worker
