import os
import select
import shutil
import tempfile
import unittest
from unittest import mock

from kubernel_supervisor.start.console import StartError
from kubernel_supervisor.start.launch import spawn

PATH = {"PATH": os.environ["PATH"]}


class SpawnTest(unittest.TestCase):
    def setUp(self):
        self.out_read, self.out_write = os.pipe()
        self.addCleanup(os.close, self.out_read)
        self.addCleanup(os.close, self.out_write)

    def spawn(self, argv, env=PATH):
        return spawn(argv, env, (self.out_write, self.out_write))

    def test_a_program_that_was_executed(self):
        child = self.spawn(["sh", "-c", "echo hello; exit 3"])
        self.assertEqual(select.select([child.told], [], [], 20)[0], [child.told])
        self.assertEqual(child.failure(), "")
        self.assertEqual(child.failure(), "")  # may be asked again, although the pipe is closed
        self.assertEqual(child.told, -1)  # a connection may have the number by now, whose watch nobody must end
        self.assertEqual(os.read(self.out_read, 100), b"hello\n")
        self.assertEqual(os.WEXITSTATUS(os.waitpid(child.pid, 0)[1]), 3)

    def test_a_program_that_could_not_be_executed(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "garbage")
            with open(path, "w") as file:
                file.write("\x7f garbage")
            os.chmod(path, 0o755)
            child = self.spawn([path])
            self.assertEqual(child.failure(), f"{path} cannot be executed: Exec format error")
            self.assertEqual(os.WEXITSTATUS(os.waitpid(child.pid, 0)[1]), 126)

    def test_an_environment_that_no_process_can_have(self):
        with self.assertRaisesRegex(StartError, "'A=B' cannot be the name of a variable") as caught:
            self.spawn(["sh"], {**PATH, "A=B": "1"})
        self.assertEqual(caught.exception.code, 126)

    def test_no_process_to_be_had_leaves_no_descriptor_open(self):
        before = os.listdir("/proc/self/fd")
        failing = mock.patch("os.fork", side_effect=BlockingIOError(11, "Resource temporarily unavailable"))
        with failing, self.assertRaises(StartError) as caught:
            self.spawn(["sh"])
        path = shutil.which("sh")
        self.assertEqual(str(caught.exception), f"no process for {path}: Resource temporarily unavailable")
        self.assertEqual(len(os.listdir("/proc/self/fd")), len(before))
