import hashlib
import hmac
import unittest

from kubernel_supervisor.run.control_requests import Request, RequestError, wanted_idle_timeout

KEYS = {b"connection": b"key", b"operator": b"token"}


def mac(key, message):
    """Computed from docs/protocols.md rather than by our client."""
    return hmac.new(key, message.encode(), hashlib.sha256).hexdigest()


def line(key, role, nonce, text):
    return f"{mac(key, f'kubernel-control-v2{chr(10)}{nonce}{chr(10)}{text}')} {role} {text}".encode()


RIGHT = line(b"key", "connection", "n", '{"op": "status"}')


class RequestTest(unittest.TestCase):
    def test_both_roles_with_their_keys(self):
        self.assertEqual(Request(RIGHT, "n", KEYS).parsed(), {"op": "status"})
        self.assertEqual(Request(line(b"token", "operator", "n", "{}"), "n", KEYS).parsed(), {})

    def test_anything_else_is_refused(self):
        for name, text, keys, error in (
            ("nothing", b"", KEYS, "authentication failed"),
            ("binary", b"\xff\xfe \xff \xff", KEYS, "authentication failed"),
            ("upper case", RIGHT.upper(), KEYS, "authentication failed"),
            ("a digit less", RIGHT[1:], KEYS, "authentication failed"),
            ("a space more", RIGHT + b" ", KEYS, "authentication failed"),
            ("another nonce", line(b"key", "connection", "m", "{}"), KEYS, "authentication failed"),
            ("another role", line(b"key", "operator", "n", "{}"), KEYS, "authentication failed"),
            ("no token", line(b"", "operator", "n", "{}"), {b"operator": b""}, "authentication failed"),
            ("no JSON", line(b"key", "connection", "n", "{"), KEYS, "the request is no JSON"),
            ("deep JSON", line(b"key", "connection", "n", "[" * 100000), KEYS, "the request is no JSON"),
            ("a number", line(b"key", "connection", "n", "1"), KEYS, "the request is no JSON object"),
        ):
            request = Request(text, "n", keys)
            with self.subTest(name), self.assertRaises(RequestError) as caught:
                request.parsed()
            self.assertEqual(str(caught.exception), error)

    def test_an_answer_is_signed_with_the_same_key_and_belongs_to_the_request(self):
        answer = '{"ok":true}'
        expected = mac(b"key", f'kubernel-answer-v2\nn\n{{"op": "status"}}\n{answer}')
        self.assertEqual(Request(RIGHT, "n", KEYS).answered({"ok": True}), f"{expected} {answer}\n".encode())

    def test_an_answer_to_a_stranger_is_not_signed(self):
        self.assertEqual(Request(b"x connection {}", "n", KEYS).answered({"ok": False}), b'- {"ok":false}\n')


class IdleTimeoutTest(unittest.TestCase):
    def test_what_is_one(self):
        for request, seconds in (({"idleTimeoutSeconds": 5}, 5.0), ({"idleTimeoutSeconds": 0.5}, 0.5), ({}, 0.0)):
            with self.subTest(request):
                self.assertEqual(wanted_idle_timeout(request), seconds)

    def test_what_is_none(self):
        for value in (0, -1, True, "5", [], float("inf"), float("nan")):
            with self.subTest(value), self.assertRaises(RequestError):
                wanted_idle_timeout({"idleTimeoutSeconds": value})
