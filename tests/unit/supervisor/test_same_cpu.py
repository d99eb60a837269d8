import os
import signal
import time
import unittest

from kubernel_supervisor.memory.same_cpu import SameCpu
from kubernel_supervisor.start.launch import ALL_CPUS, spawn

CPU = max(ALL_CPUS)
SECONDS = 20.0


class SameCpuTest(unittest.TestCase):
    def setUp(self):
        self.addCleanup(os.sched_setaffinity, 0, ALL_CPUS)

    def process(self, busy):
        pid = os.fork()
        if pid == 0:
            os.sched_setaffinity(0, {CPU})
            while busy:
                pass
            signal.pause()
        self.addCleanup(os.waitpid, pid, 0)
        self.addCleanup(os.kill, pid, signal.SIGKILL)
        found = SameCpu(pid)
        self.addCleanup(found.close)
        return pid, found

    def until(self, follower, cpus):
        deadline = time.monotonic() + SECONDS
        while os.sched_getaffinity(0) != cpus and time.monotonic() < deadline:
            follower.follow()
        self.assertEqual(os.sched_getaffinity(0), cpus)

    def test_one_that_runs(self):
        pid, follower = self.process(busy=True)
        self.until(follower, {CPU})
        follower.leave()
        self.assertEqual(os.sched_getaffinity(0), ALL_CPUS)
        self.until(follower, {CPU})
        os.kill(pid, signal.SIGSTOP)
        self.until(follower, ALL_CPUS)

    def test_one_that_waits(self):
        _, follower = self.process(busy=False)
        self.until(follower, ALL_CPUS)

    def test_one_that_has_ended(self):
        pid, follower = self.process(busy=True)
        self.until(follower, {CPU})
        os.kill(pid, signal.SIGKILL)
        self.until(follower, ALL_CPUS)

    def test_programs_that_are_started_meanwhile_run_anywhere(self):
        _, follower = self.process(busy=True)
        self.until(follower, {CPU})
        read_end, write_end = os.pipe()
        self.addCleanup(os.close, read_end)
        program = ["python3", "-c", "import os; print(sorted(os.sched_getaffinity(0)))"]
        child = spawn(program, {"PATH": os.environ["PATH"]}, (write_end, write_end))
        os.close(write_end)
        os.waitpid(child.pid, 0)
        self.assertEqual((child.failure(), os.read(read_end, 1000).decode().strip()), ("", str(sorted(ALL_CPUS))))


if __name__ == "__main__":
    unittest.main()
