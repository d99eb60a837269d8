import os
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

from kubernel_supervisor.fork import zygote


class ObjectionTest(unittest.TestCase):
    def setUp(self):
        self.addCleanup(mock.patch.stopall)
        self.asked = mock.patch.object(zygote, "ASKED", {"READ_AT_IMPORT"}).start()
        mock.patch.object(zygote, "threads", return_value=1).start()  # a test runner may have others
        self.seen = zygote.stamps(), zygote.shadows()

    def test_variables_that_act_later_are_fine(self):
        changes = {"JPY_SESSION_NAME": "a.ipynb", "TZ": None, "READ_AT_IMPORT_TOO": "1"}
        self.assertEqual(zygote.objection(changes, self.seen), "")

    def test_variables_that_act_earlier_are_not(self):
        for name in (
            "READ_AT_IMPORT",
            "PYTHONPATH",
            "LD_PRELOAD",
            "OMP_NUM_THREADS",
            "MKL_CBWR",
            "LC_ALL",
            "LANG",
            "HOME",
        ):
            with self.subTest(name):
                why = zygote.objection({"TZ": "", name: None}, self.seen)
                self.assertEqual(why, name + " acts when a process starts or imports its modules")

    def test_after_all_of_them_were_read_none_may_change(self):
        self.asked.add(zygote.ANY)
        self.assertNotEqual(zygote.objection({"TZ": ""}, self.seen), "")
        self.assertEqual(zygote.objection({}, self.seen), "")

    def test_files_that_have_changed(self):
        with tempfile.TemporaryDirectory() as folder, mock.patch.object(sys, "path", [*sys.path, folder]):
            seen = zygote.stamps(), zygote.shadows()
            self.assertEqual(zygote.objection({}, seen), "")
            os.mkdir(os.path.join(folder, "installed"))
            os.utime(folder, (2e9, 2e9))
            self.assertEqual(zygote.objection({}, seen), "files of imported modules have changed")


class AskedTest(unittest.TestCase):
    def test_what_is_read_is_noted(self):
        environ = os.environ
        with mock.patch.object(zygote, "ASKED", set()) as asked:
            kind = type(environ)
            environ.__class__ = zygote.Asked
            try:
                os.getenv("A")
                environ.get("B")
                "C" in environ  # noqa: B015
                self.assertRaises(KeyError, environ.__getitem__, "D_IS_NOT_SET")
                self.assertEqual(asked, {"A", "B", "C", "D_IS_NOT_SET"})
                dict(environ)
                self.assertIn(zygote.ANY, asked)
            finally:
                environ.__class__ = kind


class ShadowsTest(unittest.TestCase):
    def test_files_of_this_folder_that_have_the_name_of_a_module(self):
        before = os.getcwd()
        self.addCleanup(os.chdir, before)
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            for name in ("unittest.py", "tempfile", "os.ipynb", "other.py"):
                open(name, "w").close()
            self.assertEqual(zygote.shadows(), {"unittest", "tempfile"})
            os.chdir(before)


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
