"""The processes that jobs run in, as the process of a queue asks the fork server for them and waits for their end.

A request is one message on a socket that the supervisor has made and that all of them inherit: a `Request` as JSON, and
with it one end of a connection of the job's own. On that the fork server answers with the process's id, and once it has
ended with its wait status. There is no name that anybody else could connect to.
"""

from __future__ import annotations

import signal
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from pydantic import BaseModel

from latentaug.runtime.jobs import Kind

ANSWER = struct.Struct("=i")
"""A process id or a wait status."""
PAUSE = 1.0
"""Seconds between two calls of what must go on while the fork server imports."""


class Request(BaseModel):
    """A process that is wanted.

    Attributes:
        kind: the kind of job, from which follows what has to be imported.
        arguments: what `job_process.main` is given.
        threads: how many threads the process computes in.
    """

    kind: Kind
    arguments: tuple[str, ...]
    threads: int


class Forked(NamedTuple):
    """A job's process, which the fork server kills once `connection` is closed."""

    pid: int
    connection: socket.socket

    def wait(self) -> int:
        """Wait until the process has ended; return its wait status, which can be asked for again.

        It is left in the connection, because RQ's alarm may go off between reading it and returning it. Where the fork
        server has ended the process was killed with it.
        """
        answer = self.connection.recv(ANSWER.size, socket.MSG_PEEK)
        return ANSWER.unpack(answer)[0] if answer else signal.SIGKILL


def fork(requests: socket.socket, request: Request, meanwhile: Callable[[], object]) -> Forked:
    """Have the fork server start a process; `meanwhile` is called every second until it has, and may raise."""
    while True:
        ours, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(requests, [request.model_dump_json().encode()], [theirs.fileno()])
        try:
            answer = _answer(ours, meanwhile)
        except BaseException:
            ours.close()
            raise
        if answer:
            (pid,) = ANSWER.unpack(answer)
            return Forked(pid, ours)
        ours.close()  # the fork server has died; the next one is asked


def _answer(connection: socket.socket, meanwhile: Callable[[], object]) -> bytes:
    """Wait for the fork server's first answer; it is empty where that has died."""
    connection.settimeout(PAUSE)
    while True:
        with suppress(TimeoutError):
            answer = connection.recv(ANSWER.size)
            connection.settimeout(None)
            return answer
        meanwhile()
