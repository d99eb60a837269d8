import unittest

from fixtures.supervisor_parts import CONFIG, TAKEN
from kubernel_supervisor.start.settings import Settings


def settings_of(config=CONFIG, **more):
    return Settings({**TAKEN, "config": config, **more})


class SettingsTest(unittest.TestCase):
    def test_every_line_is_read(self):
        settings = settings_of()
        self.assertEqual((settings.secret, settings.pod), ("ns/k-1-5c1b", "k-1-1"))
        self.assertEqual(settings.callback_urls, ["http://10.96.1.2:8443/v1/callback"])
        self.assertEqual(settings.kernel_name, "ir")
        self.assertEqual(
            settings.ports, {"shell": 18881, "iopub": 18882, "stdin": 18883, "control": 18884, "hb": 18885}
        )
        self.assertEqual((settings.control_port, settings.restart_generation), (18886, 4))
        self.assertEqual(settings.connection_file, "/tmp/a=b/connection.json")
        self.assertEqual((settings.encryption, settings.env_names), ("Curve", {"A", "spark.driver.memory"}))
        self.assertEqual((settings.fork, settings.preload), (True, ["numpy", "pandas"]))
        self.assertEqual(settings.fork_after_seconds, 10.0)
        self.assertEqual((settings.restart_grace_seconds, settings.idle_timeout_seconds), (30.0, 3600.0))

    def test_how_long_a_kernel_is_quiet_before_there_is_one_to_fork_from(self):
        self.assertEqual(settings_of(CONFIG + "forkAfterSeconds=0.5\n").fork_after_seconds, 0.5)

    def test_an_empty_value_is_none(self):
        settings = settings_of(CONFIG.replace("=3600", "=").replace("=ir", "=").replace("=http", "= #")[:-1])
        self.assertEqual((settings.idle_timeout_seconds, settings.kernel_name), (0.0, ""))

    def test_lines_of_a_newer_operator_are_ignored(self):
        self.assertEqual(settings_of(CONFIG + "news=1\n").pod, "k-1-1")

    def test_a_missing_line_is_an_error(self):
        with self.assertRaisesRegex(KeyError, "controlPort"):
            settings_of(CONFIG.replace("controlPort", "x"))

    def test_the_first_of_the_pods_addresses_decides(self):
        for ips, address, any_address in (
            ("10.0.0.7", "10.0.0.7", "0.0.0.0"),
            ("10.0.0.7,fd00::5", "10.0.0.7", "0.0.0.0"),
            ("fd00::5,10.0.0.7", "fd00::5", "::"),
        ):
            settings = settings_of(pod_ips=ips)
            with self.subTest(ips):
                self.assertEqual((settings.address, settings.any_address), (address, any_address))

    def test_variables_that_a_shell_would_drop(self):
        settings = settings_of(env_0="a.b=c=d", env_1="E-F=")
        self.assertEqual(settings.env, {"a.b": "c=d", "E-F": ""})
