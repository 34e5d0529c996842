"""A real node's life, recorded: replay-journal proves that it decides the same, and tells the story."""

import glob
import os
import re
import stat
import struct
import subprocess
import unittest

from harness import BIN, ClusterTest, wait_for

# proto/journal/JOURNAL.md, sections 2 and 3.
FILE_HEADER_BYTES = 32
FRAME_HEADER_BYTES = 9

SIM = os.path.join(os.path.dirname(BIN), "tidemark-sim")


def lines(count, prefix="line"):
    return "".join(f"{prefix} {i}\n" for i in range(count)).encode()


class Record(ClusterTest):

    def replay(self, directory, *args):
        return subprocess.run([SIM, "replay-journal", directory, *args], capture_output=True,
                              text=True, timeout=120, stdin=subprocess.DEVNULL)

    def steps_equal(self, result):
        self.assertEqual(result.returncode, 0, result.stdout[-3000:] + result.stderr)
        return int(re.search(r"^(\d+) steps equal", result.stdout, re.M).group(1))

    def recorded(self, node):
        return os.path.join(self.cluster.dir, f"record{node}")

    def start_recorded(self, node, **override):
        self.cluster.start(node, record=self.recorded(node), **override)

    def test_a_recorded_life_through_a_failover_replays_equal_and_explains_the_election(self):
        c = self.cluster
        # Every node, since nobody knows who will lead next.
        for node in c.ids:
            self.start_recorded(node)
        wait_for("every node to be healthy", lambda: all(c.healthy(node) for node in c.ids))
        c.cli("topic", "create", "t", "--replication-factor", "3")
        c.cli("produce", "--topic", "t", input=lines(5000))
        killed = c.leader("t")
        c.kill(killed)
        c.cli("produce", "--topic", "t", input=lines(5000, "after"))
        self.assertEqual(c.cli("consume", "--topic", "t", "--from", "earliest").stdout,
                         lines(5000) + lines(5000, "after"))
        leader = c.leader("t")
        self.assertEqual(c.terminate(leader), 0)

        # The killed one's journal breaks off; all of it replays.
        self.assertGreater(self.steps_equal(self.replay(self.recorded(killed))), 20)
        result = self.replay(self.recorded(leader), "--explain")
        self.assertGreater(self.steps_equal(result), 50)
        self.assertIn("the recording ended: the server stopped", result.stdout)
        story = result.stdout
        self.assertRegex(story, rf"\(t/0\): pre-candidate in term \d+ \(was follower\): "
                                rf"leader {killed} was lost .* ago, as the connection to it broke")
        self.assertRegex(story, r"\(t/0\): leader in term \d+ \(was candidate\): votes of \d")
        self.assertIn(f"the connection to node {killed} broke", story)
        self.assertRegex(story, r"topic t in .*: \d+ produced \(5000 records")
        self.assertIn("is asked to shut down", story)
        # A time and a step in front of each line.
        self.assertRegex(story, r"(?m)^\d{4}-\d\d-\d\dT[\d:.]+Z +\d+  starts$")

        until = self.replay(self.recorded(leader), "--until", "10")
        self.assertEqual(self.steps_equal(until), 11)

    def test_a_restarted_node_begins_another_run_from_the_files_it_finds(self):
        c = self.cluster
        c.start_all()
        c.cli("topic", "create", "t", "--replication-factor", "3")
        c.cli("produce", "--topic", "t", input=lines(3000))
        self.assertEqual(c.terminate(1), 0)
        self.start_recorded(1)
        wait_for("node 1 to be healthy", lambda: c.healthy(1))
        c.cli("produce", "--topic", "t", input=lines(3000))
        c.kill(1)
        self.start_recorded(1)
        wait_for("node 1 to be healthy", lambda: c.healthy(1))
        self.assertEqual(c.terminate(1), 0)
        runs = sorted(glob.glob(os.path.join(self.recorded(1), "run-*")))
        self.assertEqual(len(runs), 2)
        for run in runs:
            self.assertGreater(self.steps_equal(self.replay(run)), 5)
        newest = self.replay(self.recorded(1), "--explain")
        self.assertIn("(and not 1 older runs)", newest.stdout)
        self.assertRegex(newest.stdout, r"recovers from \d+ files, .* of them read")

    def test_a_damaged_journal_is_said_to_be_damaged_where_it_is(self):
        c = self.cluster
        for node in c.ids:
            c.start(node, record=self.recorded(1) if node == 1 else None)
        wait_for("every node to be healthy", lambda: all(c.healthy(node) for node in c.ids))
        self.assertEqual(c.terminate(1), 0)
        file, = glob.glob(os.path.join(self.recorded(1), "*", "*.journal"))
        self.assertEqual(stat.S_IMODE(os.stat(file).st_mode), 0o600)
        # In the last byte of the first frame: a length that is damaged may look like a torn end.
        with open(file, "r+b") as f:
            f.seek(FILE_HEADER_BYTES)
            last = FILE_HEADER_BYTES + FRAME_HEADER_BYTES + struct.unpack("<I", f.read(4))[0] - 1
            f.seek(last)
            byte = f.read(1)
            f.seek(last)
            f.write(bytes([byte[0] ^ 1]))
        damaged = self.replay(self.recorded(1))
        self.assertEqual(damaged.returncode, 3, damaged.stdout)
        self.assertRegex(damaged.stdout, r"DAMAGED journal: .*: the frame at byte \d+ is damaged")
        with open(file, "r+b") as f:
            f.seek(last)
            f.write(byte)
            f.truncate(os.path.getsize(file) // 3)
        torn = self.replay(self.recorded(1))
        self.assertGreater(self.steps_equal(torn), 0)

    def test_a_recording_that_outgrows_its_bound_ends_and_the_node_goes_on(self):
        c = self.cluster
        for node in c.ids:
            c.start(node, record=self.recorded(node), record_bytes_max=1 << 20)
        wait_for("every node to be healthy", lambda: all(c.healthy(node) for node in c.ids))
        c.cli("topic", "create", "t", "--replication-factor", "3")
        data = os.urandom(1 << 20).hex().encode() + b"\n"
        sent = b"".join(data[i:i + 1000] + b"\n" for i in range(0, len(data) - 1, 1000))
        c.cli("produce", "--topic", "t", input=sent)
        wait_for("the recordings to end",
                 lambda: all("recording_ended" in c.log(node) for node in c.ids))
        c.cli("produce", "--topic", "t", input=b"still here\n")
        for node in c.ids:
            result = self.replay(self.recorded(node))
            self.assertGreater(self.steps_equal(result), 0)
            self.assertIn("the recording ended: this run has taken all of record_bytes_max",
                          result.stdout)

    def test_what_is_no_journal_is_refused(self):
        result = self.replay(self.cluster.dir)
        self.assertEqual(result.returncode, 2)
        self.assertIn("there is no journal in", result.stderr)
        self.assertEqual(self.replay(os.path.join(self.cluster.dir, "nowhere")).returncode, 2)


if __name__ == "__main__":
    unittest.main()
