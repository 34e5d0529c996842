"""tools/demo keeps its promises: a cluster to try, a clean end, one's own file, no second build."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import unittest

from harness import wait_for

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
DEMO = os.path.join(ROOT, "tools", "demo")


def restore_interrupt():
    """A shell cannot trap what was ignored when it started, and a background job ignores SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Demo(unittest.TestCase):

    def setUp(self):
        # The demo's work folder comes to lie in here: what is left of it, and who uses it, shows.
        self.dir = tempfile.mkdtemp(prefix="tidemark-test-")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.addCleanup(self._kill_leftovers)
        self.work_root = os.path.join(self.dir, "tmp")
        os.mkdir(self.work_root)
        self.env = dict(os.environ, TMPDIR=self.work_root)
        self.file = os.path.join(self.dir, "lines.txt")

    def write(self, text):
        with open(self.file, "w") as f:
            f.write(text)

    def processes(self):
        """Command lines, by pid, of the processes that name the work folder in them."""
        found = {}
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline") as f:
                    line = f.read().replace("\0", " ")
            except OSError:
                continue
            if self.work_root in line:
                found[int(pid)] = line
        return found

    def _kill_leftovers(self):
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)

    def demo(self, *args):
        result = subprocess.run([DEMO, *args], cwd=self.dir, env=self.env, capture_output=True,
                                text=True, stdin=subprocess.DEVNULL, timeout=500)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        return result.stdout

    def assert_nothing_left(self):
        self.assertEqual(self.processes(), {})
        self.assertEqual(os.listdir(self.work_root), [])

    def test_streams_your_own_file(self):
        # An empty line, characters beyond ASCII, no newline at the end.
        self.write("one\n\nthree \u00e9\u20ac\n" * 50 + "the last line")
        out = self.demo("lines.txt")
        self.assertIn("151 sent, 151 read back: identical, in order", out)
        self.assertIn("nodes caught up        3 of 3", out)
        self.assert_nothing_left()

    def test_says_what_is_wrong_with_a_file_it_cannot_stream(self):
        self.write("")
        for name, why in ((self.file, "is empty"), (self.dir, "is a folder"),
                          (self.file + ".none", "cannot be read")):
            result = subprocess.run([DEMO, name], env=self.env, capture_output=True, text=True)
            self.assertEqual(result.returncode, 2)
            self.assertIn(why, result.stderr)

    def test_kept_cluster_obeys_the_printed_commands_and_ends_by_the_last_one(self):
        self.write("line\n" * 100)
        self.demo(self.file)
        out = self.demo("--keep", self.file)
        self.assertIn("no work to do", out, "the second run built something")
        hints = re.search(r"The cluster is running\. Try:\n(.*)End it with:\n  (.*)\n", out, re.S)
        self.assertTrue(hints, out)
        lines = [line.strip() for line in hints[1].splitlines()]
        exports = "\n".join(line for line in lines if line.startswith("export "))
        commands = [line for line in lines if not line.startswith("export ")]
        self.assertEqual(len(commands), 4, commands)

        def command(word):
            (line,) = [each for each in commands if word in each]
            return ["bash", "-c", f"set -eu\n{exports}\nexec 2>&1\n{line}"]

        def run(argv):
            result = subprocess.run(argv, env=self.env, capture_output=True, text=True, timeout=60,
                                    stdin=subprocess.DEVNULL)
            self.assertEqual(result.returncode, 0, result.stdout)
            return result.stdout

        self.assertRegex(run(command(" status")), r"demo\b")
        self.assertIn("tidemark_", run(command("curl ")))
        with open(os.path.join(self.dir, "consumed"), "w+") as consumed:
            consumer = subprocess.Popen(command(" consume "), env=self.env, stdout=consumed,
                                        stdin=subprocess.DEVNULL, start_new_session=True)
            try:
                # "Latest" is decided when the consumer arrives: say hello until it has.
                def heard():
                    run(command(" produce "))
                    consumed.seek(0)
                    return "hello" in consumed.read()
                wait_for("the consumer to hear hello", heard)
            finally:
                os.killpg(consumer.pid, signal.SIGTERM)
                consumer.wait()
        self.assertEqual(len(self.processes()), 3)
        run(["bash", "-c", hints[2]])
        self.assert_nothing_left()

    def interrupt(self, file, ready):
        """Starts the demo, sends its group SIGINT (as Ctrl-C does) when `ready`; its exit code."""
        with open(os.path.join(self.dir, "output"), "w+") as output:
            demo = subprocess.Popen([DEMO, file], env=self.env, stdout=output, stderr=output,
                                    stdin=subprocess.DEVNULL, start_new_session=True,
                                    preexec_fn=restore_interrupt)

            def text():
                output.seek(0)
                return output.read()
            try:
                wait_for("the demo to get there", lambda: ready(text()) or demo.poll() is not None)
                self.assertIsNone(demo.poll(), text())
                os.killpg(demo.pid, signal.SIGINT)
                return demo.wait(timeout=40), text()
            finally:
                if demo.poll() is None:
                    os.killpg(demo.pid, signal.SIGKILL)
                    demo.wait()

    def test_interrupted_while_streaming_it_takes_everything_down_with_it(self):
        # More than can be streamed before the signal comes.
        self.write("".join(f"line {i} of many\n" for i in range(600_000)))

        def producing(_):
            return any(" produce " in line for line in self.processes().values())

        def leader_killed(_):
            return any(os.path.exists(os.path.join(self.work_root, name, "killed"))
                       for name in os.listdir(self.work_root))
        for ready in (producing, leader_killed):
            code, text = self.interrupt(self.file, ready)
            self.assertNotEqual(code, 0)
            self.assertIn("interrupted", text)
            self.assertNotIn("read back", text)
            self.assert_nothing_left()


if __name__ == "__main__":
    unittest.main()
