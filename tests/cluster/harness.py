"""Starts real tidemark processes on loopback and stops every one of them again.

Used by the tests of this folder (Python standard library only). Everything a test starts is stopped
by pid when it ends, whatever happened; waits are for events with a bound, never a plain sleep.
"""

import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import unittest

BIN = os.path.join(os.environ.get("TIDEMARK_BIN_DIR", "build/release/bin"), "tidemark")
DEADLINE_S = 40


def wait_for(what, condition, seconds=DEADLINE_S):
    """Polls until `condition` gives something true, and returns it."""
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"gave up after {seconds} s waiting for {what}")
        time.sleep(0.05)


def flip_bit(path, at):
    """What a disk may do to a file: the byte at `at` is not what it was."""
    with open(path, "r+b") as f:
        f.seek(at)
        byte = f.read(1)
        f.seek(at)
        f.write(bytes([byte[0] ^ 1]))


def free_port():
    """A port that is free for TCP and UDP at this moment."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port = tcp.getsockname()[1]
            try:
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Cluster:
    """Nodes 1..n with certificates, a policy and one admin user."""

    def __init__(self, nodes=3, policy=None, cluster_id="test"):
        self.dir = tempfile.mkdtemp(prefix="tidemark-test-")
        self.cluster_id = cluster_id
        self.tls = os.path.join(self.dir, "tls")
        self.ids = list(range(1, nodes + 1))
        self.ports = {i: free_port() for i in self.ids}
        self.processes = {}
        self.children = []
        self.policy = os.path.join(self.dir, "policy.csv")
        with open(self.policy, "w") as f:
            f.write(policy or "p, admin, *, *\n")
        self.run("cert", "ca", "--out", self.tls, "--cluster", cluster_id)
        for i in self.ids:
            self.run("cert", "node", "--ca-dir", self.tls, "--out", self.tls, "--cluster",
                     cluster_id, "--id", str(i), "--ip", "127.0.0.1")
        self.add_user("admin")

    def add_user(self, name):
        self.run("cert", "client", "--ca-dir", self.tls, "--out", self.tls, "--name", name)

    def address(self, node):
        return f"127.0.0.1:{self.ports[node]}"

    def user_env(self, user="admin", servers=None):
        env = dict(os.environ)
        env["TIDEMARK_SERVERS"] = servers or ",".join(self.address(i) for i in self.ids)
        env["TIDEMARK_CA"] = os.path.join(self.tls, "ca.crt")
        env["TIDEMARK_CERT"] = os.path.join(self.tls, f"client-{user}.crt")
        env["TIDEMARK_KEY"] = os.path.join(self.tls, f"client-{user}.key")
        return env

    def run(self, *args, user=None, servers=None, check=True, input=None, timeout=60):
        """Runs the command to its end; with check, a non-zero exit is a failure of the test."""
        result = subprocess.run(
            [BIN, *args], env=self.user_env(user, servers) if user else None, input=input,
            stdin=subprocess.DEVNULL if input is None else None, capture_output=True,
            timeout=timeout)
        if check and result.returncode != 0:
            raise AssertionError(f"{args} exited {result.returncode}: {result.stderr.decode()}")
        return result

    def cli(self, *args, **kwargs):
        return self.run(*args, user=kwargs.pop("user", "admin"), **kwargs)

    def spawn(self, *args, user="admin", servers=None, **kwargs):
        """Starts a client that goes on; stopped at the end of the test."""
        child = subprocess.Popen([BIN, *args], env=self.user_env(user, servers), **kwargs)
        self.children.append(child)
        return child

    def server_args(self, node, **override):
        args = {
            "node-id": node, "cluster-id": self.cluster_id,
            "data-dir": os.path.join(self.dir, f"data{node}"), "listen": self.address(node),
            "voters": ",".join(str(i) for i in self.ids),
            "ca": os.path.join(self.tls, "ca.crt"),
            "cert": os.path.join(self.tls, f"node-{node}.crt"),
            "key": os.path.join(self.tls, f"node-{node}.key"),
            "acl-policy": self.policy,
        }
        args.update({k.replace("_", "-"): v for k, v in override.items()})
        out = [BIN, "server"]
        for key, value in args.items():
            if value is not None:
                out += [f"--{key}", str(value)]
        # One seed address for all: the first node's.
        return out + ["--join", self.address(self.ids[0])]

    def log_path(self, node):
        return os.path.join(self.dir, f"node{node}.log")

    def log(self, node):
        with open(self.log_path(node), errors="replace") as f:
            return f.read()

    def start(self, node, **override):
        with open(self.log_path(node), "ab") as log:
            self.processes[node] = subprocess.Popen(
                self.server_args(node, **override), stdin=subprocess.DEVNULL, stdout=log,
                stderr=log)

    def start_all(self):
        for node in self.ids:
            self.start(node)
        wait_for("every node to be healthy",
                 lambda: all(self.healthy(node) for node in self.ids))

    def healthy(self, node):
        try:
            return b" 200 " in self.https(node, "/healthz").split(b"\r\n")[0] + b" "
        except OSError:
            return False

    def https(self, node, path, user="admin", timeout=5):
        """The raw answer to a GET over mutual TLS."""
        context = ssl.create_default_context(cafile=os.path.join(self.tls, "ca.crt"))
        context.check_hostname = False
        if user:
            context.load_cert_chain(os.path.join(self.tls, f"client-{user}.crt"),
                                    os.path.join(self.tls, f"client-{user}.key"))
        with socket.create_connection(("127.0.0.1", self.ports[node]), timeout=timeout) as raw:
            with context.wrap_socket(raw, server_hostname="localhost") as tls:
                tls.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
                answer = b""
                while chunk := tls.recv(65536):
                    answer += chunk
                return answer

    def signal(self, node, number):
        self.processes[node].send_signal(number)

    def kill(self, node):
        """Power off: SIGKILL."""
        self.signal(node, signal.SIGKILL)
        self.processes.pop(node).wait()

    def terminate(self, node, seconds=15):
        """SIGTERM; gives the exit code."""
        self.signal(node, signal.SIGTERM)
        return self.processes.pop(node).wait(timeout=seconds)

    def topic(self, name, servers=None):
        result = self.cli("topic", "describe", name, "--json", check=False, servers=servers)
        return json.loads(result.stdout) if result.returncode == 0 else None

    def leader(self, topic):
        """Id of the node that leads partition 0."""
        def ask():
            described = self.topic(topic)
            return int(described["partitions"][0].get("leader_id", 0)) if described else 0
        return wait_for(f"a leader of {topic}", ask)

    def metric(self, node, name, **labels):
        """The sum of all samples of that name with these labels; LookupError if there is none."""
        wanted = {f'{key}="{value}"' for key, value in labels.items()}
        found = [value for text, value in re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$",
                                                     self.https(node, "/metrics").decode(), re.M)
                 if wanted <= set(text.split(","))]
        if not found:
            raise LookupError(f"node {node} has no {name} with {labels}")
        return sum(map(float, found))

    def high_watermark(self, node, topic):
        """What that node itself says of partition 0; -1 where it has no replica, or does not answer.

        A client that is told of one server asks whichever it hears of from that."""
        try:
            return self.metric(node, "tidemark_partition_high_watermark", topic=topic, partition=0)
        except (OSError, LookupError):
            return -1

    def close(self):
        for process in [*self.processes.values(), *self.children]:
            if process.poll() is None:
                process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe:
                    pipe.close()
        shutil.rmtree(self.dir, ignore_errors=True)


class ClusterTest(unittest.TestCase):
    """A test that gets a cluster and shows the nodes' logs when it fails."""

    nodes = 3
    policy = None

    def setUp(self):
        self.cluster = Cluster(self.nodes, self.policy)
        self.addCleanup(self.cluster.close)
        self.addCleanup(self._show_logs)

    def _show_logs(self):
        outcome = self._outcome.result
        if not any(test is self for test, _ in outcome.failures + outcome.errors):
            return
        for node in self.cluster.ids:
            if os.path.exists(self.cluster.log_path(node)):
                # Polling fills the log with answered calls; what the node itself did says more.
                log = self.cluster.log(node).splitlines()
                own = [line for line in log if " event=rpc " not in line]
                print(f"--- node {node}\n" + "\n".join(own[-60:] + ["..."] + log[-10:]))
