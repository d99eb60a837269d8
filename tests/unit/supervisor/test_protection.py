import os
import subprocess
import sys
import unittest

from kubernel_supervisor.start.protection import take_environment

KEY, TOKEN = "c0" * 32, "70" * 32
PROTECTED = """
import os, sys
from kubernel_supervisor.start.protection import hide_secrets, take_environment
taken = take_environment()
hide_secrets(taken)
sys.stdout.write("ready\\n")
sys.stdout.flush()
sys.stdin.read()
"""


class ProtectionTest(unittest.TestCase):
    def test_our_variables_are_taken_and_others_stay(self):
        before = dict(os.environ)
        self.addCleanup(os.environ.update, before)
        os.environ.update({"KUBERNEL_KEY": KEY, "KUBERNEL_POD": "p", "KUBERNETES": "stays"})
        taken = take_environment()
        self.assertEqual((taken["key"], taken["pod"]), (KEY, "p"))
        self.assertEqual([name for name in os.environ if name.startswith("KUBERNEL_")], [])
        self.assertEqual(os.environ.pop("KUBERNETES"), "stays")

    def test_secrets_are_erased_from_the_environment_that_proc_shows(self):
        environment = {**os.environ, "KUBERNEL_KEY": KEY, "KUBERNEL_TOKEN": TOKEN, "KUBERNEL_POD": "p"}
        with subprocess.Popen(
            [sys.executable, "-c", PROTECTED],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            self.assertEqual(process.stdout.readline(), b"ready\n")
            try:
                with open(f"/proc/{process.pid}/environ", "rb") as file:
                    seen = file.read()
            except PermissionError:
                seen = b""  # not root: it may not even be read
            said = process.communicate(b"")[1]
        self.assertNotIn(KEY.encode(), seen)
        self.assertNotIn(TOKEN.encode(), seen)
        self.assertEqual(said, b"")  # nothing could not be hidden

    def test_what_cannot_be_hidden_is_said(self):
        careless = "import sys; sys.modules['ctypes'] = None\n" + PROTECTED
        said = subprocess.check_output(
            [sys.executable, "-c", careless], stdin=subprocess.DEVNULL, stderr=subprocess.STDOUT
        )
        self.assertIn(b"kubernel: the kernel's code can read the token of its own pod: ", said)
