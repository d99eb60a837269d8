import unittest

from fixtures.supervisor_parts import CONFIG
from kubernel_supervisor.settings import Settings


class SettingsTest(unittest.TestCase):
    def test_every_line_is_read(self):
        settings = Settings(CONFIG)
        self.assertEqual((settings.secret, settings.pod), ("ns/k-1-5c1b", "k-1-1"))
        self.assertEqual(settings.callback_url, "http://10.96.1.2:8443/v1/callback")
        self.assertEqual(settings.kernel_name, "ir")
        self.assertEqual(
            settings.ports, {"shell": 18881, "iopub": 18882, "stdin": 18883, "control": 18884, "hb": 18885}
        )
        self.assertEqual((settings.control_port, settings.restart_generation), (18886, 4))
        self.assertEqual(settings.connection_file, "/tmp/a=b/connection.json")
        self.assertEqual((settings.restart_grace_seconds, settings.idle_timeout_seconds), (30.0, 3600.0))

    def test_an_empty_value_is_none(self):
        settings = Settings(CONFIG.replace("=3600", "=").replace("=ir", "="))
        self.assertEqual((settings.idle_timeout_seconds, settings.kernel_name), (0.0, ""))

    def test_lines_of_a_newer_operator_are_ignored(self):
        self.assertEqual(Settings(CONFIG + "news=1\n").pod, "k-1-1")

    def test_a_missing_line_is_an_error(self):
        with self.assertRaisesRegex(KeyError, "controlPort"):
            Settings(CONFIG.replace("controlPort", "x"))
