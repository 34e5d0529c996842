"""Real nodes whose cluster changes: one joins, one leaves, partitions move under load, the majority is
lost for good."""

import json
import os
import subprocess
import unittest

from harness import ClusterTest, wait_for


def lines(count, prefix):
    return "".join(f"{prefix} {i}\n" for i in range(count)).encode()


class Members(ClusterTest):
    nodes = 4

    def found(self):
        """Nodes 1 to 3 found the cluster; node 4 is not there yet."""
        c = self.cluster
        for node in (1, 2, 3):
            c.start(node, voters="1,2,3")
        wait_for("three healthy nodes", lambda: all(c.healthy(node) for node in (1, 2, 3)))

    def members(self):
        result = self.cluster.cli("cluster", "members", "--json", check=False)
        if result.returncode != 0:
            return {}
        return {int(m["id"]): m for m in json.loads(result.stdout)["members"]}

    def join(self, node):
        c = self.cluster
        c.start(node, voters=None)
        seen = {}

        # Each call may ask another server, which gossip may have told later.
        def alive():
            seen.update(self.members().get(node, {}))
            return seen.get("state") == "MEMBER_STATE_ALIVE"

        wait_for(f"node {node} to be seen", alive)
        self.assertEqual(seen["role"], "observer")
        c.cli("cluster", "add", str(node))
        wait_for(f"node {node} to vote", lambda: self.members().get(node, {}).get("role") == "voter")

    def place(self, topic):
        """Where partition 0 is; None while it moves."""
        described = self.cluster.topic(topic)
        if not described:
            return None
        partition = described["partitions"][0]
        return None if partition["target"] else [int(r) for r in partition["replicas"]]

    def test_a_node_is_replaced_under_load_and_no_record_is_lost(self):
        c = self.cluster
        self.found()
        c.cli("topic", "create", "t", "--replication-factor", "3")
        producer = c.spawn("produce", "--topic", "t", stdin=subprocess.PIPE,
                           stderr=subprocess.PIPE)
        sent = b""

        def produce(prefix):
            nonlocal sent
            chunk = lines(2000, prefix)
            sent += chunk
            producer.stdin.write(chunk)
            producer.stdin.flush()

        produce("three nodes")
        self.join(4)
        produce("four nodes")
        held = c.cli("cluster", "remove", "1", check=False)
        self.assertNotEqual(held.returncode, 0)
        self.assertIn(b"tidemark topic move t", held.stderr)
        c.cli("topic", "move", "t", "--replicas", "2,3,4")
        produce("moving")
        wait_for("the partition to move", lambda: self.place("t") == [2, 3, 4])
        produce("moved")
        c.cli("cluster", "remove", "1")
        self.assertNotEqual(self.members().get(1, {}).get("role"), "voter")
        wait_for("node 1 to say so", lambda: "removed_from_cluster" in c.log(1))
        self.assertEqual(c.terminate(1), 0)
        produce("without node 1")
        c.kill(2)
        produce("without node 2")
        producer.stdin.close()
        self.assertEqual(producer.wait(timeout=90), 0, producer.stderr.read())
        self.assertEqual(c.cli("consume", "--topic", "t", "--from", "earliest").stdout, sent)

    def test_leadership_goes_where_it_is_sent(self):
        c = self.cluster
        self.found()
        c.cli("topic", "create", "t", "--replication-factor", "3")
        leader = c.leader("t")
        to = leader % 3 + 1
        out = c.cli("cluster", "transfer", "--topic", "t", "--to", str(to)).stdout
        self.assertIn(f"node {to} leads now".encode(), out)
        self.assertEqual(c.leader("t"), to)
        wrong = c.cli("cluster", "transfer", "--topic", "t", "--to", "9", check=False)
        self.assertIn(b"NOT_A_VOTER", wrong.stderr)

    def test_last_node_goes_on_alone_when_the_words_are_said(self):
        c = self.cluster
        self.found()
        c.cli("topic", "create", "t", "--replication-factor", "3")
        data = lines(500, "kept")
        c.cli("produce", "--topic", "t", input=data)
        wait_for("node 2 to have all", lambda: c.high_watermark(2, "t") == 500)
        directory = os.path.join(c.dir, "data2")
        recover = ["cluster", "recover", directory, "--node-id", "2", "--cluster-id", c.cluster_id]
        words = "--i-understand-that-acknowledged-records-may-be-lost"
        running = c.run(*recover, words, check=False)
        self.assertNotEqual(running.returncode, 0)
        self.assertIn(b"in use", running.stderr)
        for node in (1, 2, 3):
            c.kill(node)
        unsaid = c.run(*recover, check=False)
        self.assertNotEqual(unsaid.returncode, 0)
        self.assertIn(words.encode(), unsaid.stderr)
        c.run(*recover, words)
        c.start(2, voters="1,2,3")
        wait_for("node 2 to lead alone", lambda: c.healthy(2))
        self.assertEqual(c.cli("consume", "--topic", "t", "--from", "earliest",
                               servers=c.address(2)).stdout, data)
        c.cli("produce", "--topic", "t", input=b"more\n", servers=c.address(2))


if __name__ == "__main__":
    unittest.main()
