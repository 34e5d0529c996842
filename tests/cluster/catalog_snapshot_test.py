"""Three real nodes whose catalog's log is cut short every few changes."""

import os
import unittest

from harness import ClusterTest, wait_for

EVERY = 8


class CatalogSnapshot(ClusterTest):

    def start(self, node):
        self.cluster.start(node, catalog_snapshot_entries=EVERY)

    def start_all(self):
        for node in self.cluster.ids:
            self.start(node)
        wait_for("all nodes to be healthy",
                 lambda: all(self.cluster.healthy(n) for n in self.cluster.ids))

    def churn(self, rounds):
        for _ in range(rounds):
            self.cluster.cli("topic", "create", "fleeting")
            self.cluster.cli("topic", "delete", "fleeting")

    def metric(self, node, name):
        """0 where the node does not answer yet."""
        try:
            text = self.cluster.https(node, "/metrics").decode()
        except OSError:
            return 0
        for line in text.splitlines():
            if line.startswith(name + " "):
                return float(line.split()[1])
        return 0

    def knows(self, node, topics):
        listed = self.cluster.cli("topic", "list", servers=self.cluster.address(node)).stdout
        return all(t.encode() in listed for t in topics)

    def test_a_node_that_was_down_comes_back_by_snapshot_and_a_restart_keeps_every_topic(self):
        c = self.cluster
        self.start_all()
        kept = [f"kept-{i}" for i in range(5)]
        for topic in kept[:3]:
            c.cli("topic", "create", topic)
        away = c.ids[-1]
        c.kill(away)
        for topic in kept[3:]:
            c.cli("topic", "create", topic, "--replication-factor", "1")
        self.churn(4 * EVERY)
        self.start(away)
        wait_for("the node to have taken the catalog over",
                 lambda: self.metric(away, "tidemark_catalog_snapshots_loaded_total") >= 1)
        wait_for("the node to know all topics", lambda: self.knows(away, kept))
        self.assertGreaterEqual(self.metric(away, "tidemark_snapshots_installed_total"), 1)
        self.assertIn(b"catalog: log from index",
                      c.cli("status", servers=c.address(away)).stdout)
        # All restart, by power loss as far as they know.
        for node in c.ids:
            c.kill(node)
        directory = os.path.join(c.dir, f"data{away}")
        verified = c.run("log", "verify", directory).stdout
        self.assertIn(b"the newest snapshot of the catalog stands for", verified)
        self.start_all()
        for node in c.ids:
            wait_for(f"node {node} to know all topics", lambda: self.knows(node, kept))
            self.assertEqual(self.metric(node, "tidemark_catalog_snapshots_loaded_total"), 1)
        c.cli("topic", "create", "later")
        c.cli("produce", "--topic", "kept-0", input=b"one\n")
        self.assertEqual(c.cli("consume", "--topic", "kept-0", "--from", "earliest").stdout, b"one\n")


if __name__ == "__main__":
    unittest.main()
