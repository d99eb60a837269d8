import os
import signal
import subprocess
import sys
import threading
import unittest

from kubernel_supervisor.memory.cpu_alarm import ALARM, CpuAlarm


class CpuAlarmTest(unittest.TestCase):
    def setUp(self):
        self.heard = threading.Event()
        before = signal.signal(ALARM, lambda *_: self.heard.set())
        self.addCleanup(signal.signal, ALARM, before)

    def test_a_process_that_uses_cpu_time(self):
        code = "import sys\nfor line in sys.stdin:\n    print(sum(range(30000000)), flush=True)"
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "universal_newlines": True}
        with subprocess.Popen([sys.executable, "-c", code], **pipes) as process:
            process.stdin.write("\n")
            process.stdin.flush()
            process.stdout.readline()
            alarm = CpuAlarm(process.pid)
            alarm.after(0.005)
            self.assertFalse(self.heard.is_set(), "it does nothing")
            process.stdin.write("\n")
            process.stdin.flush()
            process.stdout.readline()
            self.assertTrue(self.heard.wait(30))
            alarm.close()
            process.stdin.close()

    def test_no_such_process(self):
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
        with self.assertRaises(OSError):
            CpuAlarm(pid)
