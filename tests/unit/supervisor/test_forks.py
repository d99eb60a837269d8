import os
import unittest
from unittest import mock

from fixtures.supervisor_parts import CONFIG, TAKEN, container_log
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
        config = config if "forkAfterSeconds" in config else config + "forkAfterSeconds=0.001\n"
        launcher = Launcher(list(argv), Settings({**TAKEN, "config": config}), {"key": "0a"})
        for fd in (*launcher.pipes[0], *launcher.pipes[1]):
            self.addCleanup(os.close, fd)
        return Forks(loop, launcher, "raise SystemExit"), loop

    def starts_one(self, found, loop):
        """Whether a zygote is started as soon as that is possible."""
        with mock.patch.object(forks, "Zygote", side_effect=OSError("here it would start")) as started:
            found.prepare({})
            if loop._timers:
                loop.turn()
        return started.called

    def with_memory(self, found, limit, used):
        found._gauge = mock.Mock()
        found._gauge.limit.return_value = limit
        found._gauge.used.return_value = used

    def test_one_is_started_when_the_container_is_quiet(self):
        self.assertTrue(self.starts_one(*self.forks_of()))

    def test_not_when_it_is_busy(self):
        with mock.patch.object(forks, "cpu_seconds", side_effect=range(100)):
            self.assertFalse(self.starts_one(*self.forks_of()))

    def test_not_when_it_stands_still(self):
        found, loop = self.forks_of()
        found._stands_still = lambda: True
        self.assertFalse(self.starts_one(found, loop))

    def test_not_when_it_is_switched_off(self):
        self.assertFalse(self.starts_one(*self.forks_of(CONFIG.replace("fork=Auto", "fork=Never"))))

    def test_not_for_other_kernels(self):
        self.assertFalse(self.starts_one(*self.forks_of(argv=["R"])))

    def test_not_in_a_container_that_has_no_memory_to_spare(self):
        for limit, used, started in (
            (256, 50, False),
            (512, 300, True),
            (512, 330, False),
            (2048, 1270, True),
            (2048, 1300, False),
            (1 << 16, (1 << 16) - 700, False),
            (1 << 16, (1 << 16) - 800, True),
            (None, 1 << 16, True),
        ):
            with self.subTest(limit=limit, used=used):
                found, loop = self.forks_of()
                self.with_memory(found, limit and limit << 20, used << 20)
                self.assertEqual(self.starts_one(found, loop), started)

    def test_a_kernel_that_became_ready_slowly_is_left_in_peace_for_longer(self):
        found, loop = self.forks_of(CONFIG.replace("fork=Auto", "fork=Auto\nforkAfterSeconds=10"))
        for took, seconds in ((0.4, 10), (2, 10), (6, 30), (100, 60)):
            with self.subTest(took), mock.patch.object(loop, "later") as later:
                found.prepare({}, took)
                self.assertEqual(later.call_args[0][1], seconds)

    def with_zygote(self, is_ready):
        found, _ = self.forks_of()
        found._zygote = zygote = mock.Mock(ready=is_ready, pid=1)
        found._look_later()
        return found, zygote

    def test_the_kernel_gets_the_memory_before_it_runs_out_of_its_own(self):
        for limit, used, kept in ((512, 370, True), (512, 390, False), (1 << 16, (1 << 16) - 600, True)):
            with self.subTest(limit=limit, used=used), container_log() as said:
                found, zygote = self.with_zygote(is_ready=True)
                self.with_memory(found, limit << 20, used << 20)
                found._look()
                self.assertEqual(zygote.end.called, not kept)
                self.assertEqual(found._zygote, zygote if kept else None)
            why = "a restart starts a new process instead of forking one: the kernel needs the memory"
            self.assertEqual([line.endswith(why) for line in said], [True] * (not kept))

    def test_what_the_guard_gets_back(self):
        found, zygote = self.with_zygote(is_ready=True)
        with container_log():
            self.assertTrue(found.give_back())
        self.assertTrue(zygote.end.called)
        self.assertFalse(found.give_back())

    def expecting(self, is_ready=True):
        """With what it was asked to initialise."""
        found, zygote = self.with_zygote(is_ready)
        zygote.env, zygote.ask.return_value = {}, {"pid": os.getpid()}
        with mock.patch.object(forks, "stat_fields", return_value=[0, os.getpid()]):
            found.expect_restart({"NAME": "ada"})
        if found._spare is not None:
            self.addCleanup(found._spare.control.close)
        return found, zygote

    def test_a_restart_that_is_expected(self):
        found, zygote = self.expecting()
        request, descriptor = zygote.ask.call_args[0]
        self.assertEqual((request["changes"].get("NAME"), "connection" in request), ("ada", True))
        self.assertGreaterEqual(descriptor, 0)
        self.assertTrue(found.is_initialising)
        found.expect_restart(None)
        zygote.ask.assert_called_once()

    def test_one_that_never_comes_leaves_nothing(self):
        found, _ = self.expecting()
        _, given_up = found._loop._timers["spare"]
        end = found._spare.end = mock.Mock()
        given_up()
        end.assert_called_once_with()
        self.assertFalse(found.is_initialising)
        self.assertNotIn("spare", found._loop._timers)

    def test_nothing_is_made_where_it_would_be_in_the_way(self):
        self.assertFalse(self.expecting(is_ready=False)[1].ask.called)
        found, zygote = self.with_zygote(is_ready=True)
        self.with_memory(found, 512 << 20, 390 << 20)
        found.expect_restart(None)
        self.assertFalse(zygote.ask.called)

    def test_the_guard_gets_the_memory_of_both(self):
        found, _ = self.expecting()
        end = found._spare.end = mock.Mock()
        with container_log():
            self.assertTrue(found.give_back())
        end.assert_called_once_with()

    def test_a_kernel_that_becomes_busy_has_the_cpu_for_itself(self):
        for seconds, ended in ((0.0, False), (0.04, False), (0.1, True)):
            with self.subTest(seconds), mock.patch.object(forks, "cpu_seconds", side_effect=[0, seconds, seconds]):
                found, zygote = self.with_zygote(is_ready=False)
                found._look()
                self.assertEqual(zygote.end.called, ended)

    def test_its_end_leaves_nothing_that_is_not_ready(self):
        for is_ready in (True, False):
            with self.subTest(is_ready):
                found, _ = self.with_zygote(is_ready)
                found.kernel_ends()
                self.assertEqual((found._zygote is None, found._loop._timers), (not is_ready, {}))

    def test_without_one_nothing_is_kept_and_told(self):
        found, _ = self.forks_of()
        self.assertEqual((found.keeps, found.status()), ([], {"zygote": None, "spare": None}))
