import os
import socket
import tempfile
import threading
import unittest

from kubernel_supervisor.run.sockets import accepts, is_free, mechanism, port_of, tcp_sockets

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:49C1 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 111 1 0 100 0 0 10 0
   1: 0700000A:49C1 0900000A:D431 01 00000000:00000000 00:00000000 00000000  1000        0 222 1 0 100 0 0 10 0
"""
TCP6 = """\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when
   0: 0000000000000000FFFF00000700000A:49C1 0000000000000000FFFF00000900000A:D432 01 0:0 00:0 0  1000        0 333 1
   1: 000080FE000000000000000001000000:49C1 000080FE000000000000000002000000:D433 01 0:0 00:0 0  1000        0 444 1
   2: short
"""


class TableTest(unittest.TestCase):
    def test_an_ipv4_address_looks_the_same_in_both_tables(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in (("tcp", TCP), ("tcp6", TCP6)):
                with open(os.path.join(folder, name), "w") as file:
                    file.write(text)
            paths = tuple(os.path.join(folder, name) for name in ("tcp", "tcp6", "absent"))
            self.assertEqual(
                tcp_sockets(b"01", paths),
                [
                    (b"0700000A:49C1", b"0900000A:D431", b"222"),
                    (b"0700000A:49C1", b"0900000A:D432", b"333"),
                    (b"000080FE000000000000000001000000:49C1", b"000080FE000000000000000002000000:D433", b"444"),
                ],
            )
            self.assertEqual([inode for _, _, inode in tcp_sockets(b"0A", paths)], [b"111"])

    def test_port(self):
        self.assertEqual(port_of(b"0700000A:49C1"), 18881)


class PortTest(unittest.TestCase):
    def test_a_port_that_is_taken_and_one_that_is_free(self):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
            self.assertFalse(accepts("127.0.0.1", port))
            listener.listen(1)
            self.assertTrue(accepts("127.0.0.1", port))
            self.assertFalse(accepts("127.0.0.2", port))
            self.assertFalse(is_free("127.0.0.1", port))
        self.assertTrue(is_free("127.0.0.1", port))

    def test_what_secures_a_port(self):
        for said, expected in (
            (b"\xff" + bytes(8) + b"\x7f\x03\x01CURVE" + bytes(47), "CURVE"),
            (b"\xff" + bytes(8) + b"\x7f\x03\x01NULL" + bytes(48), "NULL"),
            (b"SSH-2.0-x\r\n", ""),
            (b"", ""),
        ):
            with self.subTest(said), socket.socket() as listener:
                listener.bind(("127.0.0.1", 0))
                listener.listen(1)
                talker = threading.Thread(target=self.say, args=(listener, said))
                talker.start()
                self.assertEqual(mechanism("127.0.0.1", listener.getsockname()[1]), expected)
                talker.join()
        self.assertEqual(mechanism("127.0.0.1", 1), "")
        with socket.socket() as listener:  # its process has not had its turn
            listener.bind(("127.0.0.1", 0))
            listener.listen(1)
            self.assertIsNone(mechanism("127.0.0.1", listener.getsockname()[1]))

    def say(self, listener, said):
        connection, _ = listener.accept()
        with connection:
            connection.sendall(said)
            connection.recv(64)
