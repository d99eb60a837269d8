import os
import sys
import tempfile
import types
import unittest
from unittest import mock

from kubernel_supervisor.fork import imported
from kubernel_supervisor.fork.imported import Imported, hidden_by, stamp


def started(test, patch):
    """What a patch gives for the length of a test; before Python 3.9 stopall() leaves patched dicts as they are."""
    test.addCleanup(patch.stop)
    return patch.start()


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def write(self, name, text=""):
        path = os.path.join(self.folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(text)
        return path


class ObjectionTest(Folder):
    def setUp(self):
        super().setUp()
        asked = mock.patch.object(imported, "ASKED", {"READ_AT_IMPORT"})
        path = mock.patch.object(sys, "path", [*sys.path, self.folder])
        self.asked, self.path, _ = (started(self, patch) for patch in (asked, path, mock.patch.dict(sys.modules)))
        for name in imported.RUN_AT_START:
            sys.modules.pop(name, None)

    def seen(self):
        return Imported({name.partition(".")[0] for name in sys.modules})

    def test_variables_that_act_later_are_fine(self):
        changes = {"JPY_SESSION_NAME": "a.ipynb", "TZ": None, "READ_AT_IMPORT_TOO": "1"}
        self.assertEqual(self.seen().objection(changes), "")

    def test_variables_that_act_earlier_are_not(self):
        seen = self.seen()
        for name in ("READ_AT_IMPORT", "PYTHONPATH", "LD_PRELOAD", "OMP_NUM_THREADS", "MKL_CBWR", "LC_ALL", "HOME"):
            with self.subTest(name):
                why = seen.objection({"TZ": "", name: None})
                self.assertEqual(why, name + " acts when a process starts or imports its modules")

    def test_after_all_of_them_were_read_none_may_change(self):
        self.asked.add(imported.ANY)
        self.assertNotEqual(self.seen().objection({"TZ": ""}), "")
        self.assertEqual(self.seen().objection({}), "")

    def test_what_runs_at_start_may_have_read_any(self):
        for text, harmless in (("import os\nos.getenv('A')", False), ("import sys", True)):
            with self.subTest(text):
                self.asked.clear()
                sys.modules["sitecustomize"] = mock.Mock(__file__=self.write("sitecustomize.py", text))
                self.assertEqual(self.seen().objection({"TZ": ""}) == "", harmless)

    def test_what_pip_leaves_in_a_folder_of_packages(self):
        for name in ("wares-2.0.dist-info/METADATA", "wares/__init__.py", "wares.py", "wares.pth", "~ares/x.py"):
            with self.subTest(name):
                seen = self.seen()
                self.assertEqual(seen.objection({}), "")
                self.write(name)
                why = "files of imported modules have changed, such as " + self.folder
                self.assertEqual(seen.objection({}), why)

    def test_a_folder_in_which_nothing_has_happened_is_not_listed(self):
        stamped = started(self, mock.patch.object(imported, "stamp", wraps=stamp))
        started(self, mock.patch.object(imported, "STEP_NS", 0))
        seen = self.seen()
        for name, is_listed, is_other in (("", False, False), ("a.ipynb", True, False), ("wares.py", True, True)):
            with self.subTest(name):
                stamped.reset_mock()
                if name:
                    self.write(name)
                self.assertEqual(seen.objection({}) != "", is_other)
                self.assertEqual(mock.call(self.folder) in stamped.mock_calls, is_listed)

    def test_a_folder_that_has_just_changed_is_listed(self):
        """Its times may be those of the next change, too."""
        seen = self.seen()
        self.write("wares.py")
        with mock.patch.object(imported, "times_of", return_value=seen._times[self.folder]):
            self.assertIn("have changed", seen.objection({}))

    def test_what_a_user_saves_there_is_no_matter(self):
        seen = self.seen()
        for name in ("a.ipynb", "table.csv", "__pycache__/module.pyc", ".ipynb_checkpoints/a.ipynb"):
            self.write(name)
        self.assertEqual(seen.objection({}), "")

    def test_a_list_of_folders_that_was_edited(self):
        path = self.write("easy-install.pth", "/a")
        seen = self.seen()
        self.write("easy-install.pth", "/b")
        self.assertEqual(seen.objection({}), "files of imported modules have changed, such as " + path)

    def test_a_module_that_was_replaced_by_an_older_file(self):
        """As conda and uv do, which link what they have unpacked earlier."""
        path, newer = self.write("module.py", "1"), self.write("cache/module.py", "2")
        for each in (path, newer):
            os.utime(each, (1e9, 1e9))
        sys.modules["module"] = mock.Mock(__file__=path)
        seen = self.seen()
        os.unlink(path)
        os.link(newer, path)
        self.assertEqual(seen.objection({}), "files of imported modules have changed, such as " + path)

    def test_a_shared_library_that_was_replaced(self):
        """That of another package, such as conda's sqlite or openssl."""
        with open("/proc/self/maps") as file:
            library = next(line.split()[-1] for line in file if ".so" in line)
        self.assertIn(os.path.realpath(library), map(os.path.realpath, self.seen().stamps))

    def test_settings_of_matplotlib(self):
        before = os.getcwd()
        self.addCleanup(os.chdir, before)
        os.chdir(self.folder)
        known = self.write("of the package/matplotlibrc")
        sys.modules["matplotlib"] = mock.Mock(
            __file__=None, get_configdir=lambda: self.folder + "/own", matplotlib_fname=lambda: known
        )
        for name in ("matplotlibrc", "own/matplotlibrc", "own/stylelib/a.mplstyle"):
            with self.subTest(name):
                seen = self.seen()
                self.assertEqual(seen.objection({}), "")
                self.write(name, "figure.dpi: 50")
                self.assertIn("have changed", seen.objection({}))


class StampTest(Folder):
    def test_what_is_not_there(self):
        path = os.path.join(self.folder, "x")
        self.assertIsNone(stamp(path))
        self.write("x")
        self.assertIsNotNone(stamp(path))


class AskedTest(unittest.TestCase):
    def test_what_is_read_is_noted(self):
        environ = os.environ
        with mock.patch.object(imported, "ASKED", set()) as asked:
            kind = type(environ)
            environ.__class__ = imported.Asked
            try:
                os.getenv("A")
                environ.get("B")
                "C" in environ  # noqa: B015
                self.assertRaises(KeyError, environ.__getitem__, "D_IS_NOT_SET")
                self.assertEqual(asked, {"A", "B", "C", "D_IS_NOT_SET"})
                dict(environ)
                self.assertIn(imported.ANY, asked)
            finally:
                environ.__class__ = kind


class HiddenTest(Folder):
    """What a new process would import from the working directory."""

    def setUp(self):
        super().setUp()
        started(self, mock.patch.object(sys, "path", ["/usr/lib/python3", "/usr/lib/python3/site-packages"]))
        started(self, mock.patch.dict(sys.modules))
        self.before = imported.names_of_modules()
        for name, place in (
            ("wares", "python3/site-packages/wares/__init__.py"),
            ("of_python", "python3/of_python.py"),
        ):
            sys.modules[name] = types.ModuleType(name)
            sys.modules[name].__file__ = "/usr/lib/" + place

    def test_a_module_and_a_package_of_its_name(self):
        for name in ("wares.py", "wares.cpython-311-x86_64-linux-gnu.so", "wares/__init__.py"):
            with self.subTest(name), tempfile.TemporaryDirectory() as self.folder:
                self.write(name)
                self.assertEqual(hidden_by(self.folder, self.before), name.partition("/")[0])

    def test_what_hides_nothing(self):
        for name in ("of_python.py", "other.py", "wares.ipynb", "wares/data.csv", "unittest.py"):
            self.write(name)
        self.assertEqual(hidden_by(self.folder, self.before), "")
        self.assertEqual(hidden_by(self.folder + "/gone", self.before), "")

    def test_without_a_folder_for_packages_it_is_searched_first(self):
        sys.path.pop()
        self.write("of_python.py")
        self.assertEqual(hidden_by(self.folder, self.before), "of_python.py")
