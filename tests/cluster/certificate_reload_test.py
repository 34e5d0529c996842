"""Certificates replaced on disk are used by every protocol of the port, without a restart."""

import os
import socket
import ssl
import unittest

from harness import ClusterTest, wait_for


class CertificateReload(ClusterTest):

    def connect(self, node, alpn):
        """An open connection with TLS; the peers' and gRPC's want a certificate, too."""
        context = ssl.create_default_context(cafile=os.path.join(self.cluster.tls, "ca.crt"))
        context.check_hostname = False
        context.load_cert_chain(os.path.join(self.cluster.tls, "node-2.crt"),
                                os.path.join(self.cluster.tls, "node-2.key"))
        context.set_alpn_protocols([alpn])
        raw = socket.create_connection(("127.0.0.1", self.cluster.ports[node]), timeout=20)
        tls = context.wrap_socket(raw)
        self.addCleanup(tls.close)
        return tls

    def serial(self, node, alpn):
        with self.connect(node, alpn) as tls:
            return tls.getpeercert()["serialNumber"]

    def healthz(self, tls):
        tls.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        return tls.recv(65536).split(b"\r\n")[0]

    def renew(self, node):
        self.cluster.run("cert", "node", "--ca-dir", self.cluster.tls, "--out", self.cluster.tls,
                         "--cluster", self.cluster.cluster_id, "--id", str(node), "--ip",
                         "127.0.0.1", "--force")

    def test_renewed_certificates_are_served_and_broken_ones_are_not(self):
        self.cluster.start_all()
        protocols = ("tidemark/1", "http/1.1", "h2")
        (old,) = {self.serial(1, alpn) for alpn in protocols}
        kept = self.connect(1, "http/1.1")
        self.assertIn(b"200", self.healthz(kept))

        for node in self.cluster.ids:
            self.renew(node)
        for alpn in protocols:
            wait_for(f"{alpn} to present another certificate", lambda: self.serial(1, alpn) != old)
        (new,) = {self.serial(1, alpn) for alpn in protocols}
        self.assertIn(b"200", self.healthz(kept))

        with open(os.path.join(self.cluster.tls, "node-1.crt"), "w") as f:
            f.write("half a certificate")
        wait_for("the broken file to be noticed",
                 lambda: "certificates_not_reloaded" in self.cluster.log(1))
        for alpn in ("tidemark/1", "http/1.1"):
            self.assertEqual(self.serial(1, alpn), new)
        self.renew(1)
        wait_for("the repaired file to be used", lambda: self.serial(1, "tidemark/1") != new)
        self.assertEqual(self.cluster.log(1).count("certificates_not_reloaded"), 1)

        # Peers reconnect under the renewed certificates and go on.
        self.cluster.cli("topic", "create", "t", "--partitions", "1", "--replication-factor", "3")
        self.cluster.kill(2)
        self.cluster.start(2)
        self.cluster.cli("produce", "--topic", "t", input=b"one\ntwo\n")
        wait_for("every node to have both records",
                 lambda: all(self.cluster.high_watermark(n, "t") == 2 for n in self.cluster.ids))


if __name__ == "__main__":
    unittest.main()
