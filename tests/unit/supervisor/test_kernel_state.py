import unittest
from unittest import mock

from kubernel_supervisor.run.kernel_state import KernelState


class KernelStateTest(unittest.TestCase):
    def at(self, moment):
        """With the monotonic clock at this moment."""
        return mock.patch("time.monotonic", lambda: moment)

    def test_what_is_told_are_ages_of_the_moment_of_telling(self):
        with self.at(100.0):
            kernel = KernelState(4, "10.0.0.7", 0.0)
        kernel.process_since, kernel.active_at = 101.0, 106.0
        with self.at(103.0):
            kernel.become("running")
        snapshot = kernel.snapshot()
        kernel.become("exited")  # a snapshot does not change any more
        with self.at(110.0):
            self.assertEqual(
                snapshot.now(),
                {
                    "generation": 4,
                    "state": "running",
                    "ip": "10.0.0.7",
                    "age": 7.0,
                    "processAge": 9.0,
                    "idleSeconds": 4.0,
                    "exitCode": None,
                    "signal": None,
                    "oomKilled": False,
                    "reason": None,
                    "log": "",
                    "idleTimeoutSeconds": None,
                },
            )
        with self.at(111.0):
            self.assertEqual(snapshot.now()["age"], 8.0)

    def test_the_log_is_cut_by_bytes(self):
        kernel = KernelState(0, "10.0.0.7", 0.0)
        for text, cut in (
            ("x" * 3000, "x" * 2048),
            ("\u00fc" * 2048, "\u00fc" * 1024),
            ("a" + "\u20ac" * 1000, "a" + "\u20ac" * 682),
        ):
            kernel.tell_log(text)
            with self.subTest(text[:2]):
                self.assertEqual(kernel.log, cut)

    def test_another_process_forgets_the_end_of_the_one_before(self):
        kernel = KernelState(0, "10.0.0.7", 5.0)
        kernel.exit_code, kernel.reason, kernel.log, kernel.oom_killed = 1, "Stopped", "boom", True
        kernel.starting()
        told = kernel.snapshot().now()
        self.assertEqual([told[name] for name in ("exitCode", "reason", "log", "oomKilled")], [None, None, "", False])
        self.assertEqual((told["state"], told["idleTimeoutSeconds"]), ("starting", 5.0))
