"""A lone node whose disk changed a byte: it refuses to start and says where and what to do; verify,
inspect and repair do what that message promises."""

import glob
import json
import os
import re
import unittest

from harness import ClusterTest, wait_for


class LogRepair(ClusterTest):
    nodes = 1

    def setUp(self):
        super().setUp()
        self.cluster.start_all()
        self.cluster.cli("topic", "create", "t")
        # One produce each: batches of their own.
        for i in range(20):
            self.cluster.cli("produce", "--topic", "t", input=f"record {i}\n".encode())
        self.dir = os.path.join(self.cluster.dir, "data1")

    def log(self, *args, check=False):
        return self.cluster.run("log", *args, check=check)

    def damage(self, text):
        """Flips a byte of the frame with `text`; gives group and file (relative)."""
        for path in glob.glob(os.path.join(self.dir, "g*", "*.log")):
            with open(path, "r+b") as f:
                at = f.read().find(text)
                if at >= 0:
                    f.seek(at)
                    f.write(bytes([text[0] ^ 1]))
                    file = os.path.relpath(path, self.dir)
                    return int(file[1:17], 16), file
        raise AssertionError(f"{text} is in no segment")

    def test_a_node_with_rot_refuses_and_goes_on_after_an_explicit_repair(self):
        busy = self.log("verify", self.dir)
        self.assertEqual(busy.returncode, 2, "a server has the directory")
        self.assertIn(b"in use", busy.stderr)
        self.cluster.terminate(1)
        clean = self.log("verify", self.dir)
        self.assertEqual(clean.returncode, 0, clean.stdout + clean.stderr)
        group, file = self.damage(b"record 12")

        # A restart reads from the last checkpoint on: without sidecars, all of it.
        for sidecar in glob.glob(os.path.join(self.dir, f"g{group:016x}", "*.idx")):
            os.remove(sidecar)
        self.cluster.start(1)
        process = self.cluster.processes.pop(1)
        self.assertNotEqual(process.wait(timeout=30), 0)
        message = self.cluster.log(1)
        self.assertIn(file, message)
        self.assertIn(f"tidemark log verify {self.dir} --group {group}", message)

        verify = self.log("verify", self.dir, "--group", str(group))
        self.assertEqual(verify.returncode, 1, verify.stderr)
        text = verify.stdout.decode()
        self.assertIn(f"rot: {file}:", text)
        self.assertIn("the record of offset 12", text)
        report = json.loads(self.log("verify", self.dir, "--json").stdout)
        damaged = next(each for each in report if each["group"] == group)
        self.assertEqual(damaged["cut"]["offset"], 12)
        self.assertEqual(damaged["cut"]["end_offset"], 20)
        self.assertIn(b"a frame's checksum is wrong",
                      self.log("inspect", os.path.join(self.dir, file)).stdout)

        refused = self.log("repair", self.dir, "--group", str(group))
        self.assertEqual(refused.returncode, 2)
        self.assertIn(b"nothing is changed without your word", refused.stderr)
        self.assertIn(b"8 records", refused.stderr)
        command = re.search(r"tidemark (log repair .*)", text).group(1).split()
        repaired = self.cluster.run(*command, check=False)
        self.assertEqual(repaired.returncode, 0, repaired.stderr)
        self.assertTrue(glob.glob(os.path.join(self.dir, file + ".before-repair-*")))

        self.cluster.start(1)
        wait_for("the node to be healthy", lambda: self.cluster.healthy(1))
        self.cluster.leader("t")
        self.cluster.cli("produce", "--topic", "t", input=b"after\n")
        consumed = self.cluster.cli("consume", "--topic", "t", "--from", "earliest", "--count", "13")
        self.assertEqual(consumed.stdout.decode().splitlines(),
                         [f"record {i}" for i in range(12)] + ["after"])


if __name__ == "__main__":
    unittest.main()
