import os
import subprocess
import sys
import unittest


class ArgumentsTest(unittest.TestCase):
    """What ``ps`` shows."""

    def shown(self, wanted, program="python"):
        """The arguments of a process that was started as ``program -c CODE`` and wants to show others."""
        code = "import os; from kubernel_supervisor.fork.zygote import show_arguments; "
        code += "show_arguments(os.environ['WANTED'].split()); print(open('/proc/self/cmdline').read())"
        code = code.ljust(len("\0".join(wanted)) - len("python\0-c\0"))
        argv = [program, "-c", code]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "WANTED": " ".join(wanted)}
        done = subprocess.run(argv, executable=sys.executable, stdout=subprocess.PIPE, check=True, env=env)
        return done.stdout.decode().split("\0")[:-1]

    def test_they_are_replaced_when_they_are_as_long(self):
        wanted = ["python", "-m", "module", "x" * 1000]
        self.assertEqual(self.shown(wanted), wanted)

    def test_otherwise_they_stay(self):
        self.assertEqual(self.shown(["python", "-m", "short"])[:2], ["python", "-c"])
