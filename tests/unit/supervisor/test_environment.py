import os
import unittest

from kubernel_supervisor.environment import kernel_environment


class EnvironmentTest(unittest.TestCase):
    def setUp(self):
        before = dict(os.environ)
        self.addCleanup(os.environ.update, before)
        self.addCleanup(os.environ.clear)
        os.environ.clear()
        os.environ["HOME"] = "/home/u"

    def test_what_a_restart_brings_wins_and_what_is_ours_goes(self):
        os.environ.update({"A": "container", "KUBERNEL_TOKEN": "secret"})
        extra = {"A": "restart", "JPY_PARENT_PID": "1", "KUBERNEL_KEY": "x", "JPY_SESSION_NAME": "n.ipynb"}
        self.assertEqual(kernel_environment(extra), {"HOME": "/home/u", "A": "restart", "JPY_SESSION_NAME": "n.ipynb"})
