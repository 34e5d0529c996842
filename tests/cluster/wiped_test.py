"""Three real nodes, one of which loses its data directory: it is let in again, and what was
acknowledged outlives another one."""

import os
import shutil
import unittest

from harness import ClusterTest, wait_for


class Wiped(ClusterTest):

    def produce(self, first, count):
        self.cluster.cli("produce", "--topic", "t",
                         input=b"".join(b"%06d\n" % i for i in range(first, first + count)))

    def lose_disk(self, node):
        self.cluster.kill(node)
        shutil.rmtree(os.path.join(self.cluster.dir, f"data{node}"))

    def test_R14_an_emptied_voter_comes_back_and_then_another_may_die(self):
        c = self.cluster
        c.start_all()
        c.cli("topic", "create", "t")
        self.produce(0, 100)
        # Any but the one that all join by: that one has nobody to ask for the others' addresses.
        victim = c.ids[-1]
        self.lose_disk(victim)
        self.produce(100, 100)
        c.start(victim)
        self.produce(200, 100)
        wait_for("the emptied node to be let in", lambda: "let_in_by_the_cluster" in c.log(victim))
        self.assertIn("disk_came_back_empty", c.log(victim))

        # As the log of the leader of both has it: another server describes a partition by its placement.
        for group in (0, 1):
            wait_for(f"it to vote in group {group} again",
                     lambda: any(f"event=members group={group} voters=1,2,3" in c.log(node)
                                 for node in c.ids if node != victim))
        wait_for("it to have all", lambda: c.high_watermark(victim, "t") == 300)
        other = next(node for node in c.ids if node != victim and node != c.ids[0])
        c.kill(other)
        wait_for("the others to go on", lambda: c.leader("t") != other)
        self.produce(300, 10)
        out = c.cli("consume", "--topic", "t", "--from", "earliest").stdout
        self.assertEqual(out, b"".join(b"%06d\n" % i for i in range(310)))

    def test_R14_without_a_majority_of_the_others_it_says_what_it_waits_for(self):
        c = self.cluster
        c.start_all()
        c.cli("topic", "create", "t")
        self.produce(0, 100)
        first, other, victim = c.ids
        c.kill(other)
        self.lose_disk(victim)
        c.start(victim)
        wait_for("it to learn that its disk was lost",
                 lambda: "disk_came_back_empty" in c.log(victim))

        def health():
            return c.https(victim, "/healthz").decode()

        self.assertIn(" 503 ", health())
        self.assertIn("disk came back empty", health())
        self.assertIn("tidemark_disk_lost 1", c.https(victim, "/metrics").decode())
        status = c.cli("status", servers=c.address(victim)).stdout.decode()
        self.assertIn("disk came back empty", status)
        self.assertIn("by itself", status)
        # Two of three would be a majority, but it has no vote.
        wait_for("the first to miss a leader", lambda: not c.healthy(first))
        c.start(other)
        wait_for("it to be let in", lambda: c.healthy(victim))
        wait_for("it to have all", lambda: c.high_watermark(victim, "t") == 100)
        self.assertIn("tidemark_disk_lost 0", c.https(victim, "/metrics").decode())
        self.assertIn("member_came_back_empty", c.log(first) + c.log(other))
        out = c.cli("consume", "--topic", "t", "--from", "earliest").stdout
        self.assertEqual(out, b"".join(b"%06d\n" % i for i in range(100)))


if __name__ == "__main__":
    unittest.main()
