import unittest
from types import SimpleNamespace
from unittest import mock

from kubernel_supervisor.run import readiness
from kubernel_supervisor.run.kernel_state import KernelState
from kubernel_supervisor.run.readiness import Readiness


class ReadinessTest(unittest.TestCase):
    """How a kernel encrypts, from what its two ports say at each look."""

    def decided(self, policy, *looks):
        """The decision after each look; None: not ready yet."""
        settings = SimpleNamespace(encryption=policy, address="10.0.0.7", ports={"shell": 1, "hb": 2})
        kernel, said = KernelState(0, "10.0.0.7", 0.0), iter([each for look in looks for each in look])
        loop, decisions = mock.Mock(), []
        parts = {"accepts": mock.Mock(return_value=True), "mechanism": lambda *_: next(said)}
        with mock.patch.multiple(readiness, **parts):
            ready = Readiness(loop, kernel, settings, lambda: None, lambda: None)
            ready.begin()
            decisions.append(kernel.encryption)
            for _ in looks[1:]:
                ready._look()
                decisions.append(kernel.encryption)
        return decisions

    def test_what_all_ports_say_at_once(self):
        self.assertEqual(self.decided("Auto", ["CURVE", "CURVE"]), ["Curve"])
        self.assertEqual(self.decided("Auto", ["NULL", "NULL"]), ["Disabled"])
        self.assertEqual(self.decided("Auto", ["CURVE", ""]), ["Disabled"], "a kernel that is no ZMQ's")

    def test_what_a_kernel_that_listens_says_itself(self):
        """One connection shows that it can be reached; if it cannot, all of them have to."""
        for spoken, accepted, asked, decision in (
            (["CURVE"], True, [1], "Curve"),
            (["NULL"], True, [1], "Disabled"),
            (["CURVE", "NULL"], True, [1], "Disabled"),
            (["CURVE"], False, [1, 2], None),
            ([], True, [2, 1], "Disabled"),
        ):
            with self.subTest(spoken=spoken, accepted=accepted):
                settings = SimpleNamespace(encryption="Auto", address="10.0.0.7", ports={"shell": 1, "hb": 2})
                kernel, ports = KernelState(0, "10.0.0.7", 0.0), []

                def accepts(address, port, ports=ports, accepted=accepted):
                    ports.append(port)
                    return accepted and address == "10.0.0.7"

                with mock.patch.multiple(readiness, accepts=accepts, mechanism=lambda *_: "NULL"):
                    Readiness(mock.Mock(), kernel, settings, lambda: None, lambda: None).begin(
                        spoken, listens=bool(spoken)
                    )
                self.assertEqual(kernel.encryption, decision)
                self.assertEqual(ports[: len(asked)], asked)
                if spoken and accepted:
                    self.assertEqual(ports, asked)

    def test_what_a_forked_kernel_is_known_to_speak(self):
        """Its ports are waited for, and none is asked."""
        settings = SimpleNamespace(encryption="Curve", address="10.0.0.7", ports={"shell": 1, "hb": 2})
        kernel, open_ports, ready = KernelState(0, "10.0.0.7", 0.0), set(), mock.Mock()
        parts = {
            "accepts": lambda address, port: address == "10.0.0.7" and port in open_ports,
            "mechanism": lambda *_: self.fail("it was asked"),
        }
        with mock.patch.multiple(readiness, **parts):
            look = Readiness(mock.Mock(), kernel, settings, lambda: None, ready)
            look.begin(["CURVE"])
            open_ports.add(1)
            look._look()
            ready.assert_not_called()
            open_ports.add(2)
            look._look()
        ready.assert_called_once_with()
        self.assertEqual(kernel.encryption, "Curve")

    def test_a_port_that_has_yet_to_say_so_is_asked_again(self):
        """On a busy node a kernel that encrypts was called one that does not, and its clients waited for ever."""
        self.assertEqual(self.decided("Auto", ["CURVE", None], ["CURVE", "CURVE"]), [None, "Curve"])

    def test_a_port_that_never_says_so(self):
        with mock.patch.object(readiness, "SPEAKS_SECONDS", 0.0):
            self.assertEqual(self.decided("Auto", ["CURVE", None]), ["Disabled"])
