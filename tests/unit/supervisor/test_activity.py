import subprocess
import sys
import time
import unittest
from unittest import mock

from kubernel_supervisor.run.activity import Activity

NO_PORT = 1
BURN = """
import sys, time
sys.stdin.readline()
while time.process_time() < 0.5:
    pass
print("burnt", flush=True)
sys.stdin.readline()
"""


class ActivityTest(unittest.TestCase):
    """A container of one process, which is the kernel or what is beside it."""

    def setUp(self):
        self.process = subprocess.Popen(
            [sys.executable, "-c", BURN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, universal_newlines=True
        )
        self.addCleanup(self.process.communicate)
        container = mock.patch("kubernel_supervisor.memory.usage.processes", lambda: [self.process.pid])
        container.start()
        self.addCleanup(container.stop)

    def is_active(self, activity):
        """Whether a process that uses half a second of CPU is activity."""
        before = activity.last
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.assertEqual(self.process.stdout.readline(), "burnt\n")
        activity.sample()
        return activity.last > before

    def test_a_kernel_that_uses_cpu_is_not_idle(self):
        self.assertTrue(self.is_active(Activity(NO_PORT)))

    def test_what_the_next_restart_is_forked_from_is_nobodys_activity(self):
        self.assertFalse(self.is_active(Activity(NO_PORT, lambda: [self.process.pid])))

    def test_a_clock_that_is_set(self):
        clock = time.time()
        activity = Activity(NO_PORT)
        with mock.patch("time.time", lambda: clock + 3600):
            self.assertLess(activity.sample(), 60)
        with mock.patch("time.time", lambda: clock - 3600):
            self.assertGreaterEqual(activity.sample(), 0)
