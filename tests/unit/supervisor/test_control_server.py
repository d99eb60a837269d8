import hashlib
import hmac
import unittest

from kubernel_supervisor.control_server import RequestError, authenticated

KEYS = {b"connection": b"key", b"operator": b"token"}


def signed(key, role, nonce, text):
    """A request line, computed from docs/protocols.md rather than by our client."""
    mac = hmac.new(key, f"kubernel-control-v1\n{nonce}\n{text}".encode(), hashlib.sha256).hexdigest()
    return f"{mac} {role} {text}".encode()


RIGHT = signed(b"key", "connection", "n", '{"op": "status"}')


class AuthenticationTest(unittest.TestCase):
    def test_both_roles_with_their_keys(self):
        self.assertEqual(authenticated(RIGHT, "n", KEYS), {"op": "status"})
        self.assertEqual(authenticated(signed(b"token", "operator", "n", "{}"), "n", KEYS), {})

    def test_anything_else_is_refused(self):
        for name, line, keys, error in (
            ("nothing", b"", KEYS, "authentication failed"),
            ("binary", b"\xff\xfe \xff \xff", KEYS, "authentication failed"),
            ("upper case", RIGHT.upper(), KEYS, "authentication failed"),
            ("a digit less", RIGHT[1:], KEYS, "authentication failed"),
            ("a space more", RIGHT + b" ", KEYS, "authentication failed"),
            ("another nonce", signed(b"key", "connection", "m", "{}"), KEYS, "authentication failed"),
            ("another role", signed(b"key", "operator", "n", "{}"), KEYS, "authentication failed"),
            ("no token", signed(b"", "operator", "n", "{}"), {b"operator": b""}, "authentication failed"),
            ("no JSON", signed(b"key", "connection", "n", "{"), KEYS, "the request is no JSON"),
            ("a number", signed(b"key", "connection", "n", "1"), KEYS, "the request is no JSON object"),
        ):
            with self.subTest(name), self.assertRaises(RequestError) as caught:
                authenticated(line, "n", keys)
            self.assertEqual(str(caught.exception), error)
