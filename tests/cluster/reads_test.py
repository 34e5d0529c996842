"""Linearizable and bounded reads of real nodes: a leader that is paused or cut off shows nothing stale
as if it were new, and every read ends."""

import json
import os
import signal
import subprocess
import time
import unittest

from harness import ClusterTest, wait_for


def lines(count):
    return "".join(f"line {i}\n" for i in range(count)).encode()


class Reads(ClusterTest):

    def begin(self, records=100):
        c = self.cluster
        c.start_all()
        c.cli("topic", "create", "t", "--replication-factor", "3")
        self.produce(records)
        return c.leader("t")

    def produce(self, records, **kwargs):
        self.cluster.cli("produce", "--topic", "t", input=lines(records), **kwargs)

    def end(self, consistency, servers=None, timeout=20):
        """The end offset that `topic describe` shows; or, if it fails, what it says."""
        result = self.cluster.cli("topic", "describe", "t", "--json", "--consistency", consistency,
                                  "--timeout", str(timeout), servers=servers, check=False)
        if result.returncode != 0:
            return result.stderr.decode()
        return int(json.loads(result.stdout)["partitions"][0].get("high_watermark", 0))

    def others(self, node):
        return [i for i in self.cluster.ids if i != node]

    def addresses(self, nodes):
        return ",".join(self.cluster.address(i) for i in nodes)

    def test_each_consistency_reads_what_was_acknowledged(self):
        self.begin()
        for consistency in ("linearizable", "bounded:2s"):
            for node in self.cluster.ids:
                self.assertEqual(self.end(consistency, servers=self.cluster.address(node)), 100)
        for consistency in ("linearizable", "bounded:2s", "committed"):
            read = self.cluster.cli("consume", "--topic", "t", "--consistency", consistency)
            self.assertEqual(read.stdout, lines(100))
        metrics = [self.cluster.https(node, "/metrics").decode() for node in self.cluster.ids]
        self.assertTrue(any("tidemark_reads_bounded_total" in text for text in metrics))

    def test_a_consistency_that_is_none_is_told(self):
        c = self.cluster
        c.start_all()
        for wrong in ("strong", "bounded", "bounded:5", "bounded:10us", "bounded:48h"):
            result = c.cli("consume", "--topic", "t", "--consistency", wrong, check=False)
            self.assertEqual(result.returncode, 1)
            self.assertIn("bounded:TIME", result.stderr.decode())

    def test_a_leader_that_wakes_shows_what_was_acknowledged_without_it(self):
        c = self.cluster
        leader = self.begin()
        for round_ in range(3):
            c.signal(leader, signal.SIGSTOP)
            try:
                # They wait in its sockets, and are the first that it hears.
                asked = [c.spawn("topic", "describe", "t", "--json", "--consistency",
                                 "linearizable", "--timeout", "30", servers=c.address(leader),
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                         for _ in range(4)]
                self.produce(100, servers=self.addresses(self.others(leader)))
            finally:
                c.signal(leader, signal.SIGCONT)
            for child in asked:
                out, err = child.communicate(timeout=60)
                self.assertEqual(child.returncode, 0, err)
                end = int(json.loads(out)["partitions"][0]["high_watermark"])
                self.assertEqual(end, 100 * (round_ + 2))
            leader = c.leader("t")

    def test_a_leader_without_a_quorum_refuses_in_time_and_shows_old_records_to_who_may_see_them(self):
        c = self.cluster
        leader = self.begin()
        alone = c.address(leader)
        self.assertEqual(self.end("bounded:1h", servers=alone), 100)
        for node in self.others(leader):
            c.signal(node, signal.SIGSTOP)
        try:
            # The client asks the others, too, who do not answer, until its time is up.
            begin = time.monotonic()
            self.assertIn("READ_NOT_CONFIRMED",
                          self.end("linearizable", servers=alone, timeout=15))
            self.assertIn("TOO_STALE", self.end("bounded:500ms", servers=alone, timeout=15))
            self.assertLess(time.monotonic() - begin, 100)
            self.assertEqual(self.end("bounded:1h", servers=alone, timeout=30), 100)
        finally:
            for node in self.others(leader):
                c.signal(node, signal.SIGCONT)
        wait_for("linearizable reads again", lambda: self.end("linearizable") == 100)

    def test_a_tail_with_a_bound_goes_on_elsewhere_when_the_leader_dies(self):
        c = self.cluster
        leader = self.begin()
        tail = c.spawn("consume", "--topic", "t", "--follow", "--consistency", "bounded:2s",
                       "--count", "200", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        c.kill(leader)
        self.produce(100, servers=self.addresses(self.others(leader)))
        out, err = tail.communicate(timeout=60)
        self.assertEqual(tail.returncode, 0, err)
        self.assertEqual(out, lines(100) + lines(100))

    def test_leases_do_not_outlive_a_pause(self):
        # As a user sets it for all nodes.
        os.environ["TIDEMARK_LEASE_READS"] = "true"
        try:
            self.test_a_leader_that_wakes_shows_what_was_acknowledged_without_it()
        finally:
            del os.environ["TIDEMARK_LEASE_READS"]


if __name__ == "__main__":
    unittest.main()
