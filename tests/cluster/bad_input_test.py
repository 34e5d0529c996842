"""Bad input gets a clear, specific error, and nobody else is disturbed."""

import os
import socket
import ssl
import subprocess
import unittest

from harness import BIN, Cluster, ClusterTest, free_port, wait_for


class BadClients(ClusterTest):
    nodes = 1
    policy = "p, admin, *, *\np, reader, topic:t, consume\np, reader, cluster, describe\n"

    def setUp(self):
        super().setUp()
        self.cluster.start_all()
        self.cluster.cli("topic", "create", "t")

    def tearDown(self):
        # Whatever the test did, the node still serves.
        self.cluster.cli("produce", "--topic", "t", input=b"still here\n")
        out = self.cluster.cli("consume", "--topic", "t", "--from", "earliest").stdout
        self.assertTrue(out.endswith(b"still here\n"), out)

    def fails(self, *args, **kwargs):
        """Runs a command that must fail; gives its error text, one line that says something."""
        result = self.cluster.cli(*args, check=False, **kwargs)
        text = result.stderr.decode()
        self.assertNotEqual(result.returncode, 0, text)
        self.assertTrue(text.strip(), "no error text")
        return text

    def test_unknown_topic_is_named(self):
        self.assertIn("nowhere", self.fails("produce", "--topic", "nowhere", input=b"x\n"))
        self.assertIn("nowhere", self.fails("consume", "--topic", "nowhere", "--from", "earliest"))

    def test_offset_past_the_end_is_refused_with_the_readable_range(self):
        text = self.fails("consume", "--topic", "t", "--from", "999999")
        self.assertIn("999999", text)

    def test_denied_principal_learns_which_rule_is_missing(self):
        self.cluster.add_user("reader")
        text = self.fails("produce", "--topic", "t", input=b"x\n", user="reader")
        self.assertIn("reader", text)
        self.assertIn("produce", text)

    def test_certificate_of_another_authority_is_refused(self):
        other = Cluster(1)
        self.addCleanup(other.close)
        result = subprocess.run(
            [BIN, "status"], env=other.user_env(servers=self.cluster.address(1)),
            capture_output=True, timeout=60, stdin=subprocess.DEVNULL)
        self.assertNotEqual(result.returncode, 0)
        self.assertTrue(result.stderr.strip())

    def test_client_without_certificate_is_refused_and_metrics_need_one(self):
        answer = self.cluster.https(1, "/healthz", user=None)
        self.assertIn(b" 200 ", answer.split(b"\r\n")[0])
        answer = self.cluster.https(1, "/metrics", user=None)
        self.assertIn(b" 403 ", answer.split(b"\r\n")[0])
        self.assertIn(b"tidemark_healthy 1", self.cluster.https(1, "/metrics"))

    def test_plain_text_on_the_tls_port_is_told_so(self):
        with socket.create_connection(("127.0.0.1", self.cluster.ports[1]), timeout=10) as s:
            s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertIn(b"https", s.recv(4096))

    def test_garbage_and_silence_are_closed_while_others_are_served(self):
        silent = socket.create_connection(("127.0.0.1", self.cluster.ports[1]), timeout=15)
        self.addCleanup(silent.close)
        with socket.create_connection(("127.0.0.1", self.cluster.ports[1]), timeout=15) as s:
            s.sendall(os.urandom(512))
            try:
                self.assertEqual(s.recv(4096), b"", "garbage must be closed, not answered")
            except ConnectionResetError:
                pass  # closed with bytes unread
        self.cluster.cli("status")
        self.assertEqual(silent.recv(1), b"", "a silent connection must be closed")

    def test_grpc_with_another_alpn_gets_no_service(self):
        context = ssl.create_default_context(cafile=os.path.join(self.cluster.tls, "ca.crt"))
        context.check_hostname = False
        context.set_alpn_protocols(["tidemark/1"])
        with socket.create_connection(("127.0.0.1", self.cluster.ports[1]), timeout=10) as raw:
            # The peer transport wants a node's certificate; a client without one is not let in.
            try:
                with context.wrap_socket(raw, server_hostname="localhost") as tls:
                    tls.settimeout(15)
                    self.assertEqual(tls.recv(1), b"")
            except (ssl.SSLError, ConnectionError):
                pass


class BadServers(unittest.TestCase):
    """A server that cannot start says why in its last line and exits 1."""

    def setUp(self):
        self.cluster = Cluster(1)
        self.addCleanup(self.cluster.close)

    def start_fails(self, args):
        result = subprocess.run(args, capture_output=True, timeout=30, stdin=subprocess.DEVNULL)
        self.assertNotEqual(result.returncode, 0)
        return (result.stdout + result.stderr).decode()

    def test_port_in_use_names_the_port(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", self.cluster.ports[1]))
            s.listen()
            text = self.start_fails(self.cluster.server_args(1))
        self.assertIn(str(self.cluster.ports[1]), text)
        self.assertIn("in use", text)

    def test_data_directory_of_another_node_or_cluster(self):
        c = self.cluster
        c.start_all()
        c.terminate(1)
        text = self.start_fails(c.server_args(1, cluster_id="other"))
        self.assertIn("other", text)
        text = self.start_fails(c.server_args(1, node_id=2, voters="2"))
        self.assertIn("node 1", text)

    def test_data_directory_in_use(self):
        c = self.cluster
        c.start_all()
        text = self.start_fails(c.server_args(1, listen=f"127.0.0.1:{free_port()}"))
        self.assertIn("in use", text)

    def test_unknown_key_in_the_configuration_is_named(self):
        path = os.path.join(self.cluster.dir, "bad.toml")
        with open(path, "w") as f:
            f.write("node-id = 1\nno-such-key = 3\n")
        text = self.start_fails([BIN, "server", "--config", path])
        self.assertIn("no-such-key", text)

    def test_missing_certificate_is_named(self):
        text = self.start_fails(self.cluster.server_args(1, cert="/nowhere/cert.pem"))
        self.assertIn("/nowhere/cert.pem", text)

    def test_unknown_flag_and_missing_setting(self):
        self.assertIn("no-such-flag", self.start_fails([BIN, "server", "--no-such-flag"]))
        self.assertIn("node", self.start_fails([BIN, "server", "--insecure"]))


if __name__ == "__main__":
    unittest.main()
