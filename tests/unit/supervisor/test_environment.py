import os
import unittest
from unittest import mock

from kubernel_supervisor.start.environment import kernel_environment, problem_of


def writable(*folders):
    """In a container in which only these folders can be written."""
    return mock.patch("os.access", lambda path, mode: path in folders)


class EnvironmentTest(unittest.TestCase):
    def setUp(self):
        before = dict(os.environ)
        self.addCleanup(os.environ.update, before)
        self.addCleanup(os.environ.clear)
        os.environ.clear()
        os.environ["HOME"] = "/home/u"

    def test_what_a_restart_brings_wins_and_what_is_ours_goes(self):
        os.environ.update({"A": "container", "KUBERNEL_TOKEN": "secret"})
        extra = {"A": "restart", "JPY_PARENT_PID": "1", "KUBERNEL_KEY": "x", "JPY_SESSION_NAME": "n.ipynb"}
        self.assertEqual(kernel_environment(extra), {"HOME": "/home/u", "A": "restart", "JPY_SESSION_NAME": "n.ipynb"})

    def test_what_the_user_has_removed_is_gone(self):
        os.environ.update({"A": "container", "B": "container"})
        self.assertEqual(
            kernel_environment({"C": "restart"}, {"A", "C"}), {"HOME": "/home/u", "B": "container", "C": "restart"}
        )

    def test_a_home_that_nobody_chose_becomes_a_folder_that_can_be_written(self):
        for home, folders, result in (
            ("/", ("/tmp", "/dev/shm"), "/tmp"),
            ("/", ("/var/tmp", "/dev/shm"), "/var/tmp"),
            ("/", ("/dev/shm",), "/dev/shm"),
            ("/", ("/", "/tmp"), "/"),
            ("/", (), "/"),
            ("/home/u", ("/tmp",), "/home/u"),
        ):
            with self.subTest((home, folders)), writable(*folders):
                self.assertEqual(kernel_environment({"HOME": home})["HOME"], result)

    def test_a_read_only_root_leaves_shared_memory_for_temporary_files(self):
        with writable("/dev/shm"):
            self.assertEqual(kernel_environment({})["TMPDIR"], "/dev/shm")
            self.assertEqual(kernel_environment({"TMPDIR": "/data"})["TMPDIR"], "/data")
        with writable("/tmp", "/dev/shm"):
            self.assertNotIn("TMPDIR", kernel_environment({}))

    def test_a_user_without_passwd_entry_has_a_name(self):
        with mock.patch("os.getuid", lambda: 471147):
            for given, names in (
                ({}, ("kernel", "kernel")),
                ({"USER": "me"}, ("me", "me")),
                ({"LOGNAME": "me"}, ("me", "me")),
                ({"USER": "me", "LOGNAME": "you"}, ("me", "you")),
            ):
                env = kernel_environment(given)
                with self.subTest(given):
                    self.assertEqual((env["USER"], env["LOGNAME"]), names)

    def test_what_no_process_can_have(self):
        for env, problem in (
            ({"A": "b=c"}, ""),
            ({"\udcff": "\udcff"}, ""),  # bytes that are no UTF-8
            ({"A=B": "1"}, "'A=B' cannot be the name of a variable"),
            ({"": "1"}, "'' cannot be the name of a variable"),
            ({"A": "x\0"}, "the variable 'A' holds a NUL"),
            ({"A\0": "x"}, "the variable 'A\\x00' holds a NUL"),
            ({"A": "\ud800"}, "the variable 'A' is no text that can be encoded"),
        ):
            with self.subTest(env):
                self.assertEqual(problem_of(env), problem)
