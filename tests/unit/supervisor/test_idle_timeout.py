import unittest
from unittest import mock

from kubernel_supervisor.memory.freezer import SUSPENDED, Freezer
from kubernel_supervisor.run.idle_timeout import IdleTimeout
from kubernel_supervisor.run.kernel_state import KernelState
from kubernel_supervisor.run.loop import Loop


class IdleTimeoutTest(unittest.TestCase):
    def setUp(self):
        self.kernel, self.freezer, self.seen = KernelState(0, "10.0.0.7", 600.0), Freezer(), []
        self.activity = mock.Mock(last=1.0)
        self.activity.sample.return_value = 700.0
        told, expired = (lambda: self.seen.append("told")), (lambda: self.seen.append("expired"))
        self.idle = IdleTimeout(Loop(), self.kernel, self.activity, self.freezer, told, expired)

    def test_a_kernel_that_nobody_uses(self):
        self.idle.begin()
        self.assertEqual(self.seen, ["expired"])

    def test_a_paused_kernel_is_not_idle(self):
        self.freezer.reasons.add(SUSPENDED)
        self.idle.begin()
        self.assertEqual(self.seen, [])
        self.assertEqual(self.activity.restart.call_count, 2, "at the beginning, and as it is paused")
        self.freezer.reasons.clear()
        self.idle._look()
        self.assertEqual(self.seen, ["expired"])

    def test_another_timeout(self):
        self.activity.sample.return_value = 1.0
        self.idle.begin()
        self.idle.configure(0.5, watches=True)
        self.assertEqual(self.seen, ["told", "expired"])
        self.idle.configure(0.0, watches=True)
        self.assertIsNone(self.kernel.active_at)
