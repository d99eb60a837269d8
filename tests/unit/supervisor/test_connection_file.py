import json
import os
import stat
import tempfile
import unittest

from fixtures.supervisor_parts import TAKEN
from kubernel_supervisor.start.connection_file import connection_text, write_connection_file, write_private
from kubernel_supervisor.start.console import StartError
from kubernel_supervisor.start.settings import Settings

CURVE = {"curve_publickey": "p.-:+=^!/*?&<>()[]{}@%$#", "curve_secretkey": "s" * 40}


class ConnectionFileTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.settings = Settings(TAKEN)
        self.settings.connection_file = os.path.join(self.folder, "private", "c.json")

    def test_it_says_what_a_kernel_needs(self):
        self.assertEqual(
            json.loads(connection_text(self.settings, {"key": "0a", "token": "secret", **CURVE})),
            {
                "transport": "tcp",
                "ip": "0.0.0.0",
                "signature_scheme": "hmac-sha256",
                "key": "0a",
                "kernel_name": "ir",
                "shell_port": 18881,
                "iopub_port": 18882,
                "stdin_port": 18883,
                "control_port": 18884,
                "hb_port": 18885,
                **CURVE,
            },
        )

    def test_a_pod_with_ipv6_listens_on_it(self):
        self.settings.address = "fd00::5"
        self.assertEqual(json.loads(connection_text(self.settings, {"key": "0a"}))["ip"], "::")

    def test_without_encryption_there_is_no_curve_key(self):
        self.settings.encryption = "Disabled"
        self.assertNotIn("curve", connection_text(self.settings, {"key": "0a", **CURVE}))

    def test_only_its_owner_may_read_it(self):
        path = write_connection_file(self.settings, {"key": "0a"})
        self.assertEqual(path, self.settings.connection_file)
        modes = [stat.S_IMODE(os.stat(name).st_mode) for name in (path, os.path.dirname(path))]
        self.assertEqual(modes, [0o600, 0o700])

    def test_it_is_written_anew_and_never_through_a_link(self):
        victim, link = os.path.join(self.folder, "victim"), os.path.join(self.folder, "link")
        write_private(victim, "precious")
        os.symlink(victim, link)
        write_private(link, "new")
        with open(victim) as file:
            self.assertEqual(file.read(), "precious")
        self.assertFalse(os.path.islink(link))

    def test_a_folder_that_cannot_be_written_leaves_shared_memory(self):
        name = f"unit-{os.getpid()}.json"
        self.settings.connection_file = f"/proc/{name}"
        path = write_connection_file(self.settings, {"key": "0a"})
        self.addCleanup(os.unlink, path)
        self.assertEqual(path, f"/dev/shm/kubernel/{name}")

    def test_no_folder_at_all_is_explained(self):
        self.settings.connection_file = "/proc/" + "x" * 300  # too long a name for any file system
        with self.assertRaisesRegex(StartError, "cannot write the connection file /proc/x+ .*mount an emptyDir"):
            write_connection_file(self.settings, {"key": "0a"})
