import unittest

from fixtures.supervisor_parts import container_log
from kubernel_supervisor.callbacks import callback_target, split_url


class TargetTest(unittest.TestCase):
    def test_host_port_and_path(self):
        for url, target in (
            ("http://10.96.1.2:8443/v1/callback", ("10.96.1.2", 8443, "/v1/callback")),
            ("http://operator.kubernel.svc/a/b", ("operator.kubernel.svc", 80, "/a/b")),
            ("http://10.0.0.1:80", ("10.0.0.1", 80, "/")),
            ("http://[2001:db8::1]:8443/c", ("2001:db8::1", 8443, "/c")),
            ("http://[2001:db8::1]/c", ("2001:db8::1", 80, "/c")),
        ):
            with self.subTest(url):
                self.assertEqual(split_url(url), target)

    def test_a_url_that_cannot_be_used_is_said(self):
        for url in ("https://10.0.0.1/c", "10.0.0.1:80", "http://", "http://10.0.0.1:port/c"):
            with self.subTest(url), container_log() as lines:
                self.assertIsNone(callback_target(url))
            self.assertRegex(lines[0], "^kubernel: no callbacks: ")

    def test_without_a_url_there_is_nobody_to_tell(self):
        with container_log() as lines:
            self.assertIsNone(callback_target(""))
        self.assertEqual(lines, [])
