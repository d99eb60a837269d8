import os
import tempfile
import unittest

from kubernel_supervisor.start.procfs import processes, read_file, stat_fields


class ProcfsTest(unittest.TestCase):
    def test_a_file_is_read_up_to_its_limit(self):
        with tempfile.NamedTemporaryFile() as file:
            file.write(b"x" * 100)
            file.flush()
            self.assertEqual(read_file(file.name), b"x" * 100)
            self.assertEqual(read_file(file.name, 10), b"x" * 10)

    def test_fields_are_counted_as_in_proc_5(self):
        fields = stat_fields("self")
        self.assertEqual(int(fields[4 - 3]), os.getppid())
        self.assertIn(fields[0], b"RS")

    def test_processes(self):
        self.assertIn(os.getpid(), processes())
