import json
import os
import socket
import threading
import unittest
from unittest import mock

from kubernel_supervisor.run import kernel_state
from kubernel_supervisor.run.callbacks import Reporter, usable_targets
from kubernel_supervisor.run.control_requests import Binding, Request, sealed, unsealed
from kubernel_supervisor.run.kernel_state import KernelState, Snapshot

GOLDEN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "golden")
AGES = ("age", "processAge", "idleSeconds", "frozenSeconds")
#: Told only where there is something to tell.
OPTIONAL = {"encryption", "memory", "frozen", "frozenSeconds"}
NOW = 1000.0


def transcript(name):
    with open(os.path.join(GOLDEN, name), encoding="utf-8") as file:
        return json.load(file)


class ControlTest(unittest.TestCase):
    """The supervisor's side of ``tests/golden/control-v2.json``."""

    def setUp(self):
        self.golden = transcript("control-v2.json")
        keys = {"connection": self.golden["connectionKey"], "operator": self.golden["token"]}
        self.keys = {role.encode(): key.encode() for role, key in keys.items()}

    def test_requests_and_answers(self):
        for golden in self.golden["exchanges"]:
            with self.subTest(golden["name"]):
                request = Request(golden["requestLine"].encode()[:-1], self.golden["nonce"], self.keys)
                parsed = request.parsed()
                self.assertEqual(parsed.pop("nonce"), self.golden["clientNonce"])
                self.assertEqual(parsed, golden["request"])
                self.assertEqual(request.answered(golden["answer"]).decode(), golden["answerLine"])

    def test_what_a_member_is_told(self):
        golden = self.golden["sealed"]
        told = unsealed(self.golden["token"].encode(), golden["sealed"]).decode()
        self.assertEqual(told, golden["text"])
        (request,) = {
            e["request"]["sealed"]: e["request"] for e in self.golden["exchanges"] if "sealed" in e["request"]
        }.values()
        binding = Binding(request, self.golden["token"].encode())
        self.assertEqual((binding.claim, binding.working_dir), (request["claim"], "/home/jovyan"))

    def test_what_was_printed_last(self):
        golden = self.golden["sealedOutput"]
        salt = bytes.fromhex(golden["salt"])
        self.assertEqual(sealed(self.golden["connectionKey"].encode(), golden["text"], salt), golden["sealed"])

    def test_what_a_stranger_is_told(self):
        request = Request(b"00 connection {}", self.golden["nonce"], self.keys)
        answer = {"ok": False, "error": "authentication failed"}
        self.assertEqual(request.answered(answer).decode(), self.golden["strangerLine"])


class CallbackTest(unittest.TestCase):
    """The supervisor's side of ``tests/golden/callback-v2.json``."""

    def setUp(self):
        self.golden = transcript("callback-v2.json")
        self.listener = socket.socket()
        self.addCleanup(self.listener.close)
        self.listener.settimeout(30)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(8)

    def test_a_state_has_the_fields_of_the_transcripts(self):
        for report in self.golden["reports"]:
            kernel = KernelState(0, "10.0.0.7", 0.0)
            kernel.claim = report["state"].get("claim")
            told = list(kernel.snapshot().now())
            self.assertEqual(told, [name for name in report["state"] if name not in OPTIONAL])

    def test_reports(self):
        told = threading.Semaphore(0)
        targets = usable_targets(["http://127.0.0.1:%d/v1/callback" % self.listener.getsockname()[1]])
        reporter = Reporter(targets, self.golden["token"], self.golden["envelope"], told.release)
        with mock.patch.object(kernel_state, "time") as clock:
            clock.monotonic.return_value = NOW
            reporter.start()
            for golden in self.golden["reports"]:
                with self.subTest(golden["name"]):
                    reporter.send(snapshot_of(golden["state"]))
                    head, body = self.taken(golden["proof"])
                    self.assertEqual(body.decode(), golden["body"])
                    self.assertIn("X-Kubernel-Signature: " + golden["signature"], head.decode().split("\r\n"))
                    self.assertTrue(told.acquire(timeout=30), "the proof was taken")

    def taken(self, proof):
        """Head and body of the next POST, which is answered."""
        connection, _ = self.listener.accept()
        with connection, connection.makefile("rb") as stream:
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += stream.readline()
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            body = stream.read(length)
            connection.sendall(b"HTTP/1.1 204 No Content\r\nX-Kubernel-Signature: " + proof.encode() + b"\r\n\r\n")
        return head, body


def snapshot_of(state):
    moments = {name: None if state[name] is None else NOW - state[name] for name in AGES if name in state}
    return Snapshot({name: value for name, value in state.items() if name not in AGES}, moments)
