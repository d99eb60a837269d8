"""A network of the browser's own, in which nothing changes.

Chromium gives its requests up whenever an address of the machine comes or goes (ERR_NETWORK_CHANGED), and on a node
each pod has one: themes do not load, files are not saved. In there it finds one way out, a SOCKS proxy.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

CLONE_NEWNET = 0x40000000
VERSION, NO_LOGIN, CONNECT_FAILED = 5, b"\x05\x00", 5
NAME = 3  # the kind of address that Chromium sends
CHUNK = 1 << 16


class Proxy(socketserver.BaseRequestHandler):
    """SOCKS 5, of which it knows what Chromium needs. It connects from the machine's own network."""

    request: socket.socket

    def handle(self) -> None:
        """One connection."""
        with suppress(OSError, ValueError):
            _, methods = self._read(2)
            self._read(methods)
            self.request.sendall(NO_LOGIN)
            *_, kind, length = self._read(5)
            if kind != NAME:
                raise ValueError(kind)
            host, port = self._read(length).decode(), int.from_bytes(self._read(2), "big")
            try:
                outside = socket.create_connection((host, port))
            except OSError:
                self._answer(CONNECT_FAILED)
                return
            with outside:
                self._answer(0)
                back = threading.Thread(target=_copy, args=(outside, self.request), daemon=True)
                back.start()
                _copy(self.request, outside)
                back.join()

    def _read(self, size: int) -> bytes:
        data = self.request.recv(size, socket.MSG_WAITALL)
        if len(data) < size:
            raise ValueError("it was closed")
        return data

    def _answer(self, status: int) -> None:
        self.request.sendall(bytes((VERSION, status, 0, 1)) + bytes(6))


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(CHUNK):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


class Server(socketserver.ThreadingTCPServer):
    """Listens where it is told."""

    daemon_threads = True

    def __init__(self, listener: socket.socket) -> None:
        super().__init__(listener.getsockname(), Proxy, bind_and_activate=False)
        self.socket.close()
        self.socket = listener


@contextmanager
def quiet(program: str, folder: Path) -> Iterator[tuple[str, list[str]]]:
    """The program that starts a browser in such a network, and options for it.

    Where that is not possible, for want of root or of Linux, it is the browser itself: its tests may fail now and then.
    """
    if os.geteuid() != 0 or not shutil.which("nsenter") or not shutil.which("ip"):
        yield program, []
        return
    made: list[tuple[int, socket.socket]] = []
    thread = threading.Thread(target=lambda: made.append(_network()))  # a thread may have a network of its own
    thread.start()
    thread.join()
    network, listener = made.pop()
    server = Server(listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    script = folder / "browser"
    script.write_text(f'#!/bin/sh\nexec nsenter --net=/proc/{os.getpid()}/fd/{network} {program} "$@"\n')
    script.chmod(0o755)
    host, port = listener.getsockname()
    try:
        yield str(script), [f"--proxy-server=socks5://{host}:{port}", "--proxy-bypass-list=<-loopback>"]
    finally:
        server.shutdown()
        server.server_close()
        os.close(network)


def _network() -> tuple[int, socket.socket]:
    """Moves this thread to a new network; a file descriptor of that, and a socket that listens in it."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    for arguments in (
        ("link", "set", "lo", "up"),
        # Chromium would think that it is offline.
        ("link", "add", "out", "type", "veth", "peer", "name", "nowhere"),
        # Addresses of IPv6 would come a second or two later, when nobody else was found to have them.
        ("link", "set", "out", "addrgenmode", "none"),
        ("link", "set", "nowhere", "addrgenmode", "none"),
        ("link", "set", "nowhere", "up"),
        ("address", "add", "192.0.2.1/24", "dev", "out"),
        ("link", "set", "out", "up"),
        ("route", "add", "default", "dev", "out"),
    ):
        subprocess.run(["ip", *arguments], check=True)
    listener = socket.create_server(("127.0.0.1", 0))
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY), listener
