import hashlib
import hmac
import http.server
import json
import threading
import time
import unittest

from fixtures.supervisor_parts import container_log
from kubernel_supervisor.run.callbacks import Answer, Reporter, Target, usable_targets
from kubernel_supervisor.run.kernel_state import Snapshot

TOKEN = "70" * 32


def mac(message):
    """Computed from docs/protocols.md."""
    return hmac.new(TOKEN.encode(), message, hashlib.sha256).hexdigest()


class TargetTest(unittest.TestCase):
    def test_host_port_and_path(self):
        for url, target in (
            ("http://10.96.1.2:8443/v1/callback", ("10.96.1.2", 8443, "/v1/callback")),
            ("http://operator.kubernel.svc/a/b", ("operator.kubernel.svc", 80, "/a/b")),
            ("http://10.0.0.1:80", ("10.0.0.1", 80, "/")),
            ("http://[2001:db8::1]:8443/c", ("2001:db8::1", 8443, "/c")),
            ("http://[2001:db8::1]/c", ("2001:db8::1", 80, "/c")),
        ):
            found = Target(url)
            with self.subTest(url):
                self.assertEqual((found.host, found.port, found.path), target)

    def test_a_url_that_cannot_be_used_is_said(self):
        for url in ("https://10.0.0.1/c", "10.0.0.1:80", "http://", "http://10.0.0.1:port/c"):
            with self.subTest(url), container_log() as lines:
                self.assertEqual([t.host for t in usable_targets([url, "http://10.0.0.2/c"])], ["10.0.0.2"])
            self.assertRegex(lines[0], "^kubernel: no callbacks: ")

    def test_without_a_url_there_is_nobody_to_tell(self):
        with container_log() as lines:
            self.assertEqual(usable_targets([]), [])
        self.assertEqual(lines, [])


class AnswerTest(unittest.TestCase):
    def test_status_and_headers(self):
        answer = Answer("HTTP/1.1 204 No Content\r\nX-Kubernel-Signature:  ab \r\nDate: Tue, 1:2")
        self.assertEqual((answer.status, answer.headers), (204, {"x-kubernel-signature": "ab", "date": "Tue, 1:2"}))

    def test_no_http(self):
        for text in ("", "SSH-2.0-OpenSSH", "HTTP/1.1", "HTTP/1.1 many"):
            with self.subTest(text), self.assertRaises(ValueError):
                Answer(text)

    def test_pause(self):
        for text, seconds in (
            ("HTTP/1.1 429 x\r\nRetry-After: 7", 7.0),
            ("HTTP/1.1 429 x\r\nRetry-After: 86400", 60.0),
            ("HTTP/1.1 429 x\r\nRetry-After: Wed, 25 Nov 2026 12:00:00 GMT", 1.0),
            ("HTTP/1.1 429 x", 1.0),
            ("HTTP/1.1 503 x\r\nRetry-After: 7", 0.0),
        ):
            with self.subTest(text):
                self.assertEqual(Answer(text).pause_seconds, seconds)


class Server(http.server.HTTPServer):
    """Answers as told, (status, headers) each, then 204; keeps what came and when."""

    allow_reuse_address = True

    def __init__(self, *answers):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.received = list(answers), []
        self.gate = threading.Semaphore(1000)  # a place for each answer
        self.changed = threading.Condition()
        self.url = f"http://127.0.0.1:{self.server_port}/v1/callback"
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def wait_for(self, number):
        """Until so many requests have come; returns the reports in them."""
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.received) >= number, 20), self.received
            return [report for report, _ in self.received]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        signature = self.headers["X-Kubernel-Signature"]
        assert signature == mac(body)
        server = self.server
        with server.changed:
            server.received.append((json.loads(body.decode()), time.monotonic()))
            server.changed.notify_all()
        server.gate.acquire()
        proof = {"X-Kubernel-Signature": mac(b"kubernel-callback-v2\n" + signature.encode())}
        status, headers = server.answers.pop(0) if server.answers else (204, proof)
        self.send_response(status)
        for header in headers.items():
            self.send_header(*header)
        self.end_headers()

    def log_message(self, *args):
        pass


class ReporterTest(unittest.TestCase):
    def start(self, *answers, urls=()):
        self.server = Server(*answers)
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.idle = threading.Event()
        targets = [Target(url) for url in [*urls, self.server.url]]
        reporter = Reporter(targets, TOKEN, {"pod": "p", "boot": "b"}, self.idle.set)
        reporter.start()
        return reporter

    def report(self, state):
        return Snapshot({"state": state}, {"age": time.monotonic()})

    def test_a_report_says_whose_it_is_and_how_old(self):
        reporter = self.start()
        reporter.send(self.report("running"))
        (report,) = self.server.wait_for(1)
        self.assertGreaterEqual(report.pop("age"), 0)
        self.assertEqual(report, {"pod": "p", "boot": "b", "sequence": 1, "state": "running"})
        self.assertTrue(self.idle.wait(20))
        self.assertFalse(reporter.is_waiting)

    def test_a_report_grows_older_while_it_waits(self):
        reporter = self.start((503, {}))
        reporter.send(self.report("running"))
        first, second = self.server.wait_for(2)
        self.assertEqual((first["sequence"], second["sequence"]), (1, 1))
        self.assertGreater(second["age"], first["age"])

    def test_only_the_newest_is_delivered(self):
        reporter = self.start()
        self.server.gate = threading.Semaphore(0)  # the first answer takes its time
        reporter.send(self.report("starting"))
        self.server.wait_for(1)
        reporter.send(self.report("running"))
        reporter.send(self.report("exited"))
        self.assertTrue(reporter.is_waiting)
        self.server.gate.release(), self.server.gate.release()
        reports = self.server.wait_for(2)
        self.assertEqual([(r["sequence"], r["state"]) for r in reports], [(1, "starting"), (3, "exited")])

    def test_a_refusal_is_final(self):
        for status in (400, 403, 413, 422):
            with self.subTest(status), container_log() as lines:
                reporter = self.start((status, {}))
                reporter.send(self.report("starting"))
                self.assertTrue(self.idle.wait(20))
                self.assertFalse(reporter.is_waiting)
            self.assertEqual(lines, [f"kubernel: the operator refused a report with HTTP status {status}"])

    def test_what_may_pass_is_tried_again(self):
        for status in (404, 408, 500, 503):
            with self.subTest(status):
                reporter = self.start((status, {}), (status, {}))
                reporter.send(self.report("starting"))
                self.assertEqual([r["sequence"] for r in self.server.wait_for(3)], [1, 1, 1])

    def test_too_many_means_silence_even_when_there_is_news(self):
        reporter = self.start((429, {"Retry-After": "1"}))
        reporter.send(self.report("starting"))
        self.server.wait_for(1)
        reporter.send(self.report("running"))
        self.assertEqual(self.server.wait_for(2)[1]["state"], "running")
        (_, first), (_, second) = self.server.received
        self.assertGreaterEqual(second - first, 1.0)

    def test_204_of_somebody_else_is_no_answer(self):
        reporter = self.start((204, {}), (204, {"X-Kubernel-Signature": "0" * 64}))
        reporter.send(self.report("starting"))
        self.server.wait_for(3)
        self.assertTrue(self.idle.wait(20))

    def test_nobody_to_tell(self):
        reporter = Reporter([], TOKEN, {}, self.fail)
        reporter.start()
        reporter.send(self.report("starting"))
        self.assertFalse(reporter.is_waiting)
