"""A kernel's pod of a few lines: a heartbeat that is echoed, and a supervisor that writes down what it is asked."""

import asyncio
import base64
import hashlib
import hmac
import json
from typing import Any

import zmq
import zmq.asyncio

from kubernel_api.constants import CONTROL_PORT, PORTS

Json = dict[str, Any]
HOST = "127.0.0.1"
KEY = b"k3y"


class Pod:
    """The pod of the KernelInstance k-1.

    Attributes:
        requests: what its supervisor was asked.
        answer: what the supervisor says to it; None is nothing at all. When it is good, restarts are done.
        generation: of the last restart that was done.
        state: of the kernel's process, as the supervisor tells it.
        beats: whether the heartbeat is echoed.
        asked: whether somebody wants to know that it beats.
        is_supervised: whether the image has Python for the supervisor.
    """

    def __init__(self) -> None:
        self.requests: list[Json] = []
        self.answer: Json | None = {"ok": True}
        self.generation, self.state = 0, "running"
        self.beats, self.asked = asyncio.Event(), asyncio.Event()
        self.beats.set()
        self.is_supervised = True
        self._context = zmq.asyncio.Context()
        self._taking: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Listens."""
        self._heartbeat = self._context.socket(zmq.ROUTER)
        self.hb_port = self._heartbeat.bind_to_random_port(f"tcp://{HOST}")
        self._beating = asyncio.create_task(self._beat())
        self._supervisor = await asyncio.start_server(self._take, HOST, 0)
        self.control_port = self._supervisor.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Ends."""
        self._supervisor.close()
        for writer in self._taking:
            writer.close()
        self._beating.cancel()
        await asyncio.gather(self._beating, return_exceptions=True)
        self._context.destroy(linger=0)

    async def _beat(self) -> None:
        while True:
            ping = await self._heartbeat.recv_multipart()
            self.asked.set()
            await self.beats.wait()
            await self._heartbeat.send_multipart(ping)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._taking.add(writer)
        try:
            writer.write(b'{"nonce": "n"}\n')
            line = (await reader.readline()).decode().rstrip("\n")
            if line:  # else the request was cancelled
                _mac, _role, request = line.split(maxsplit=2)
                self.requests.append({k: v for k, v in json.loads(request).items() if k != "nonce"})
                if self.answer is not None:
                    answer = json.dumps({**self.answer, **self._done(self.requests[-1])})
                    message = f"kubernel-answer-v2\nn\n{request}\n{answer}".encode()
                    writer.write(f"{hmac.new(KEY, message, hashlib.sha256).hexdigest()} {answer}\n".encode())
        finally:
            self._taking.discard(writer)
            writer.close()

    def _done(self, request: Json) -> Json:
        if self.answer != {"ok": True}:
            return {}
        if request["op"] == "restart":
            is_new = request["generation"] > self.generation
            self.generation = max(self.generation, request["generation"])
            return {"started": is_new}
        return {"generation": self.generation, "state": self.state} if request["op"] == "status" else {}

    def restarts(self) -> list[Json]:
        """The restarts that were asked for."""
        return [request for request in self.requests if request["op"] == "restart"]

    def status(self, restart: int = 0, **more: Any) -> Json:
        """The status of its KernelInstance: ready."""
        control = {"controlPort": self.control_port} if self.is_supervised else {}
        connection = {
            "transport": "tcp",
            "signatureScheme": "hmac-sha256",
            "ip": HOST,
            "podIP": HOST,
            "ports": {**PORTS, "hb": self.hb_port},
            "secretName": "k-1-u1",
            **control,
        }
        return {
            "observedGeneration": 1,
            "restartGeneration": restart,
            "conditions": [{"type": "Ready", "status": "True"}],
            "connection": connection,
            "podName": "k-1-1",
            **more,
        }

    def ended(self, restart: int = 0, **exit_: Any) -> Json:
        """The status of its KernelInstance once the kernel has ended."""
        gone = {"phase": "Exited", "conditions": [], "exit": {"restartGeneration": restart, **exit_}}
        return self.status(restart, **gone)

    def info(self, **more: Any) -> Json:
        """Connection info with the addresses of the cluster."""
        ports = {f"{name}_port": port for name, port in PORTS.items()}
        fixed = {"transport": "tcp", "ip": HOST, "signature_scheme": "hmac-sha256", "key": KEY}
        return {**fixed, **ports, "hb_port": self.hb_port, **more}

    def secret(self) -> Json:
        """The connection Secret."""
        return {"data": {"key": base64.b64encode(KEY).decode()}}

    def forwards(self) -> dict[int, int]:
        """Where a port-forward to it leads."""
        return {PORTS["hb"]: self.hb_port, CONTROL_PORT: self.control_port}
