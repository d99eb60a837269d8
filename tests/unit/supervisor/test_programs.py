import os
import tempfile
import unittest

from kubernel_supervisor.start.console import StartError
from kubernel_supervisor.start.programs import find_program


class ProgramsTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        for name, mode in (("tool", 0o755), ("text", 0o644)):
            with open(os.path.join(self.folder, name), "w"):
                os.chmod(os.path.join(self.folder, name), mode)

    def test_the_first_on_path_that_can_be_executed(self):
        path = f"/nowhere:{self.folder}:/usr/bin"
        self.assertEqual(find_program("tool", {"PATH": path}), f"{self.folder}/tool")

    def test_a_path_is_taken_as_it_is(self):
        self.assertEqual(find_program(f"{self.folder}/tool", {}), f"{self.folder}/tool")

    def test_failures_are_explained_with_the_exit_code_of_a_shell(self):
        for name, code, message in (
            ("no-such", 127, f"no-such: not found in this image on PATH ({self.folder})"),
            ("/no/such", 127, "/no/such: not found in this image"),
            ("text", 126, f"text: {self.folder}/text is not executable"),
            (self.folder, 126, f"{self.folder}: {self.folder} is not executable"),
        ):
            with self.subTest(name), self.assertRaises(StartError) as caught:
                find_program(name, {"PATH": self.folder})
            self.assertEqual((caught.exception.code, str(caught.exception)), (code, message))
