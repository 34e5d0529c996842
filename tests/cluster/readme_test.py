"""The commands of the README's first screen do what it says."""

import os
import re
import subprocess
import unittest

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))


def commands():
    """Lines that begin with "$ " in the README."""
    with open(os.path.join(ROOT, "README.md")) as f:
        return [line[2:].strip() for line in f if line.startswith("$ ")]


class Readme(unittest.TestCase):

    def run_line(self, line):
        return subprocess.run(line.split(), cwd=ROOT, capture_output=True, text=True, timeout=500,
                              stdin=subprocess.DEVNULL)

    def test_every_command_is_known_to_this_test(self):
        for line in commands():
            self.assertRegex(line, r"^(tools/demo|tools/test|build/release/bin/tidemark-sim "
                                   r"(run|replay) .*)$")

    def test_demo_gets_every_record_back(self):
        self.assertIn("tools/demo", commands())
        result = self.run_line("tools/demo")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertIn("identical, in order", result.stdout)
        self.assertIn("nodes caught up        3 of 3", result.stdout)

    def test_simulator_commands_end_well(self):
        lines = [line for line in commands() if "tidemark-sim" in line]
        self.assertTrue(lines)
        for line in lines:
            result = self.run_line(line)
            self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
            self.assertTrue(re.search(r"all well|ok\s*$", result.stdout), result.stdout[-500:])

    def test_test_command_exists(self):
        # It is what runs this; running it from here would not end.
        self.assertIn("tools/test", commands())
        self.assertTrue(os.access(os.path.join(ROOT, "tools", "test"), os.X_OK))


if __name__ == "__main__":
    unittest.main()
