"""`python -m worker.fork_server SOCKET`: has imported what jobs need, and forks the process of each.

Importing takes seconds, longer than many a job. This process imports what a kind of job needs when the first of that
kind comes. It computes nothing itself, so that it has no threads, which a fork would lose, and no hold on a GPU. One
serves all queues, so that what was imported is in memory once. After ten minutes without a job it begins anew, empty.
"""

from __future__ import annotations

import gc
import logging
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from importlib import import_module
from typing import NoReturn

from threadpoolctl import threadpool_limits

from latentaug.runtime.lifeline import tie
from worker import job_process
from worker.forked import ANSWER, Request
from worker.tasks import TASKS

IDLE = 600.0
"""Seconds without a job's process after which the memory of what was imported is given back."""
LONGEST_REQUEST = 4096
"""Bytes; the arguments are a few names."""
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


_log = logging.getLogger(__name__)


class ForkServer:
    """Forks the processes that are asked for, tells how each ended, and kills those that nobody waits for any more.

    Args:
        requests: where the processes of the queues send their requests.
    """

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._connections: dict[int, socket.socket] = {}
        self._woken, waker = socket.socketpair()
        for end in (self._woken, waker):
            end.setblocking(False)
        self._waker = waker
        signal.set_wakeup_fd(waker.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)  # the wake-up alone is what we want of it

    def serve(self) -> None:
        """Serve until there was nothing to do for `IDLE` seconds."""
        while True:
            waited_for = {connection: pid for pid, connection in self._connections.items()}
            watched = [self._requests, self._woken, *waited_for]
            ready, _, _ = select.select(watched, [], [], None if waited_for else IDLE)
            if not ready:
                return
            for connection in waited_for.keys() & ready:  # it says nothing, so this is its end
                os.killpg(waited_for[connection], signal.SIGKILL)
                self._connections.pop(waited_for[connection]).close()
            with suppress(BlockingIOError):
                self._woken.recv(4096)
            self._tell_ends()
            if self._requests in ready:
                self._fork()

    def _tell_ends(self) -> None:
        """Answer with the status of each process that has ended."""
        with suppress(ChildProcessError):  # there are none at all
            while (end := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = end
                if pid in self._connections:
                    with self._connections.pop(pid) as connection, suppress(OSError):
                        connection.send(ANSWER.pack(status))

    def _fork(self) -> None:
        """Start the process that the next request asks for."""
        message, (end,), _, _ = socket.recv_fds(self._requests, LONGEST_REQUEST, 1)
        connection, request = socket.socket(fileno=end), Request.model_validate_json(message)
        try:
            import_module(TASKS[request.kind].partition(":")[0])
        except Exception:  # noqa: BLE001 (the job's process meets it again, and fails with it; this one must live)
            _log.exception("what jobs of the kind %s need cannot be imported", request.kind)
        gc.freeze()  # or each job's collector would look through all of that, and so make copies of its memory
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            tie(parent, signal.SIGKILL)
            connection.close()
            self._become(request)
        with suppress(PermissionError, ProcessLookupError):  # it has done so itself, or has ended
            os.setpgid(pid, pid)
        self._connections[pid] = connection
        with suppress(OSError):
            connection.send(ANSWER.pack(pid))

    def _become(self, request: Request) -> NoReturn:
        """Do the job, in the new process, with nothing of this one but what it has imported; and end."""
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for ours in (self._requests, self._woken, self._waker, *self._connections.values()):
            ours.close()
        os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(request.threads)))
        threadpool_limits(request.threads)
        job_process.main(request.arguments)
        sys.exit()


def main(descriptor: str) -> None:
    """Serve for ever."""
    os.environ |= dict.fromkeys(THREAD_VARIABLES, "1")
    with socket.socket(fileno=int(descriptor)) as requests:
        ForkServer(requests).serve()
        os.execv(sys.executable, [sys.executable, "-m", "worker.fork_server", descriptor])  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1])
