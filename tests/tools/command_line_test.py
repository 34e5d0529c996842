"""The command line: help teaches, errors are one line that says what to do, settings come from
flags, environment and file in that order. No server is needed."""

import os
import subprocess
import tempfile
import unittest

BIN = os.path.join(os.environ.get("TIDEMARK_BIN_DIR", "build/dev/bin"), "tidemark")


def run(*args, **env):
    clean = {k: v for k, v in os.environ.items()
             if not k.startswith("TIDEMARK_") or k == "TIDEMARK_BIN_DIR"}
    return subprocess.run([BIN, *args], env={**clean, **env}, capture_output=True, timeout=60,
                          stdin=subprocess.DEVNULL, text=True)


class CommandLine(unittest.TestCase):

    def usage_error(self, *args, **env):
        result = run(*args, **env)
        self.assertEqual(result.returncode, 2, result)
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        return result.stderr

    def config(self, text):
        file = tempfile.NamedTemporaryFile("w", suffix=".toml")
        self.addCleanup(file.close)
        file.write(text)
        file.flush()
        return file.name

    def test_every_command_teaches_by_example(self):
        for command in (["server"], ["produce"], ["consume"], ["topic"], ["status"], ["cert"],
                        ["log"]):
            result = run(*command, "--help")
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertIn("Examples:", result.stdout)
            self.assertIn(f"tidemark {command[0]}", result.stdout)

    def test_version(self):
        self.assertEqual(run("version").stdout, run("--version").stdout)
        self.assertIn("tidemark", run("version").stdout)

    def test_usage_errors_exit_2_and_name_the_mistake(self):
        self.assertIn("--no-such-flag", self.usage_error("status", "--no-such-flag"))
        self.assertIn("--topic", self.usage_error("produce"))
        self.assertIn("no-such-command", self.usage_error("no-such-command"))

    def test_missing_tls_files_are_a_failure_that_says_what_to_do(self):
        result = run("status")
        self.assertEqual(result.returncode, 1)
        self.assertIn("--ca", result.stderr)
        self.assertIn("--insecure", result.stderr)

    def test_malformed_start_names_the_accepted_forms(self):
        result = run("consume", "--topic", "t", "--from", "yesterday", "--insecure")
        self.assertEqual(result.returncode, 1)
        self.assertIn("yesterday", result.stderr)
        self.assertIn("earliest", result.stderr)

    def test_unknown_key_is_named_with_its_file(self):
        path = self.config("servers = \"127.0.0.1:1\"\nsevers = 3\n")
        text = self.usage_error("status", "--config", path)
        self.assertIn("severs", text)
        self.assertIn(path, text)

    def test_missing_file_is_named(self):
        self.assertIn("/nowhere.toml", self.usage_error("status", "--config", "/nowhere.toml"))

    def malformed_address_seen(self, *args, **env):
        """A malformed address is refused by name: shows which setting won."""
        result = run("status", "--insecure", *args, **env)
        self.assertEqual(result.returncode, 1, result)
        return result.stderr

    def test_flag_wins_over_environment_and_environment_over_file(self):
        path = self.config("servers = \"from file\"\n")
        self.assertIn("from file", self.malformed_address_seen("--config", path))
        self.assertIn("from file", self.malformed_address_seen(TIDEMARK_CONFIG=path))
        self.assertIn("from env", self.malformed_address_seen(
            "--config", path, TIDEMARK_SERVERS="from env"))
        self.assertIn("from flag", self.malformed_address_seen(
            "--config", path, "--servers", "from flag", TIDEMARK_SERVERS="from env"))

    def test_settings_that_no_server_can_run_with_are_refused_by_name(self):
        with tempfile.TemporaryDirectory() as folder:
            for words, args in ((("election_timeout_ms", "600000"),
                                 ["--election-timeout-ms", "18446744073709551615"]),
                                (("heartbeat_interval_ms", "600000"),
                                 ["--heartbeat-interval-ms", "6148914691236517206"]),
                                (("three times",), ["--heartbeat-interval-ms", "900"]),
                                (("voter", "1 or more"), ["--voters", "0,1"]),
                                (("distinct",), ["--voters", "1,1"]),
                                (("not among the voters",), ["--voters", "2,3"])):
                result = run("server", "--insecure", "--node-id", "1", "--data-dir",
                             os.path.join(folder, "data"), "--listen", "127.0.0.1:7600", *args)
                self.assertEqual(result.returncode, 1, (args, result))
                for word in words:
                    self.assertIn(word, result.stdout + result.stderr)

    def test_certificates_are_made_and_described(self):
        with tempfile.TemporaryDirectory() as folder:
            tls = os.path.join(folder, "new", "tls")
            for args in (["ca", "--out", tls, "--cluster", "c"],
                         ["node", "--ca-dir", tls, "--out", tls, "--cluster", "c", "--id", "1",
                          "--ip", "192.0.2.7", "--dns", "one.example"],
                         ["client", "--ca-dir", tls, "--out", tls, "--name", "alice"]):
                result = run("cert", *args)
                self.assertEqual(result.returncode, 0, result.stderr)
            text = run("cert", "describe", os.path.join(tls, "node-1.crt")).stdout
            self.assertIn("192.0.2.7", text)
            self.assertIn("one.example", text)
            again = run("cert", "ca", "--out", tls, "--cluster", "c")
            self.assertEqual(again.returncode, 1)
            self.assertIn("ca.", again.stderr)


if __name__ == "__main__":
    unittest.main()
