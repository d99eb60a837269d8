import os
import unittest
from unittest import mock

from fixtures.supervisor_parts import CONFIG, TAKEN
from kubernel_supervisor.fork import forks
from kubernel_supervisor.fork.forks import Forks, zygote_command
from kubernel_supervisor.run.loop import Loop
from kubernel_supervisor.start.launch import Launcher
from kubernel_supervisor.start.settings import Settings

LAUNCH = ["-m", "ipykernel_launcher", "-f", "/tmp/kubernel/connection.json"]


class CommandTest(unittest.TestCase):
    def test_it_has_the_same_python_and_options_and_the_length_of_the_kernels(self):
        for python in (["python"], ["python3.11"], ["/opt/conda/bin/python3", "-Xfrozen_modules=off", "-I"]):
            with self.subTest(python):
                argv = [*python, *LAUNCH, "--debug", "\u00fc"]
                command = zygote_command(argv)
                self.assertEqual(command[:-2], python)
                self.assertEqual(command[-2], "-c")
                self.assertEqual(*(len(os.fsencode("\0".join(words))) for words in (argv, command)))
                compile(command[-1], "zygote", "exec")

    def test_other_kernels_have_none(self):
        for argv in (
            ["R", "--slave", "-e", "IRkernel::main()"],
            ["python", "-m", "xpython_launcher", "-f", "x"],
            ["python", "-m"],
            ["python", "script.py", *LAUNCH],
            ["conda", "run", "-n", "base", "python", *LAUNCH],
            ["pypy3", *LAUNCH],
            ["bash", *LAUNCH],
        ):
            with self.subTest(argv):
                self.assertEqual(zygote_command(argv), [])


class ForksTest(unittest.TestCase):
    def forks_of(self, config=CONFIG, argv=("python3", *LAUNCH)):
        loop = Loop()
        launcher = Launcher(list(argv), Settings({**TAKEN, "config": config}), {"key": "0a"})
        for fd in (*launcher.pipes[0], *launcher.pipes[1]):
            self.addCleanup(os.close, fd)
        return Forks(loop, launcher, "raise SystemExit"), loop

    def starts_one(self, found, loop):
        """Whether a zygote is started as soon as that is possible."""
        found.prepare({})
        with mock.patch.object(forks, "Zygote", side_effect=OSError("here it would start")) as started:
            with mock.patch.object(forks, "QUIET_SECONDS", 0.0):
                found.prepare({})
            if loop._timers:
                loop.turn()
        return started.called

    def test_one_is_started_when_the_container_is_quiet(self):
        with mock.patch.object(forks, "memory", return_value=None):
            self.assertTrue(self.starts_one(*self.forks_of()))

    def test_not_when_it_is_busy(self):
        with mock.patch.object(forks, "cpu_seconds", side_effect=range(100)):
            self.assertFalse(self.starts_one(*self.forks_of()))

    def test_not_when_it_is_switched_off(self):
        self.assertFalse(self.starts_one(*self.forks_of(CONFIG.replace("fork=Auto", "fork=Never"))))

    def test_not_for_other_kernels(self):
        self.assertFalse(self.starts_one(*self.forks_of(argv=["R"])))

    def test_not_in_a_container_that_has_no_memory_to_spare(self):
        for limit, started in ((256 << 20, False), (512 << 20, True), (None, True)):
            with self.subTest(limit), mock.patch.object(forks, "memory", return_value={"limit": limit}):
                self.assertEqual(self.starts_one(*self.forks_of()), started)

    def test_without_one_nothing_is_kept_and_told(self):
        found, _ = self.forks_of()
        self.assertEqual((found.keeps, found.status()), ([], {"zygote": None, "spare": None}))
