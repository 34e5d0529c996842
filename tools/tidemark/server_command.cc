#include <CLI/CLI.hpp>
#include <memory>

#include "runtime/node/config.h"
#include "runtime/node/server.h"
#include "tools/tidemark/command_line.h"

namespace tidemark {
namespace {

void AddIdentity(CLI::App& command, ServerConfig& config) {
  command.add_option("--node-id", config.node_id, "This node's own number, 1 or more");
  command.add_option("--cluster-id", config.cluster_id, "Name of the cluster")
      ->capture_default_str();
  command.add_option("--data-dir", config.data_dir, "Where the log is kept");
  command
      .add_option("--listen", config.listen,
                  "The one port: TCP for clients, peers and HTTP, UDP for gossip")
      ->capture_default_str();
  command.add_option("--advertise", config.advertise,
                     "What others dial (default: --listen); needed with a wildcard address");
  command.add_option("--join", config.join, "Any nodes to find the cluster by")->delimiter(',');
  command
      .add_option(
          "--voters", config.voters,
          "Ids of the nodes that found the cluster (default: only this one; with --join: none, "
          "this node joins and waits for `tidemark cluster add`)")
      ->delimiter(',');
}

void AddSecurity(CLI::App& command, ServerConfig& config) {
  const char* const group = "Security";
  command.add_flag("--insecure", config.insecure, "No TLS: anybody may do anything")->group(group);
  command.add_option("--ca", config.ca_file, "Certificate of the authority (PEM)")->group(group);
  command.add_option("--cert", config.cert_file, "This node's certificate (PEM)")->group(group);
  command.add_option("--key", config.key_file, "This node's private key (PEM)")->group(group);
  command
      .add_flag("--metrics-without-certificate", config.metrics_without_certificate,
                "Let anybody read /metrics")
      ->group(group);
  command.add_option("--acl-model", config.acl_model_file, "Casbin model (default: built in)")
      ->group(group);
  command
      .add_option("--acl-policy", config.acl_policy_file,
                  "Casbin policy: who may do what (default: with TLS, nobody anything)")
      ->group(group);
  command
      .add_option("--gossip-key-file", config.gossip_key_file,
                  "Keys in base64, a line each, the first one sends (default: not encrypted)")
      ->group(group);
}

void AddTuning(CLI::App& command, ServerConfig& config) {
  const char* const group = "Tuning";
  command.add_option("--segment-bytes", config.segment_bytes, "Size of a log file")
      ->capture_default_str()
      ->group(group);
  command
      .add_option("--election-timeout-ms", config.election_timeout_ms,
                  "Silence of a leader that starts an election")
      ->capture_default_str()
      ->group(group);
  command.add_option("--heartbeat-interval-ms", config.heartbeat_interval_ms, "Leader's rhythm")
      ->capture_default_str()
      ->group(group);
  command
      .add_flag("--lease-reads", config.lease_reads,
                "Leaders answer linearizable reads by their lease while it lasts, without asking "
                "anybody; trusts that no node's clock runs a tenth slower than another's. All "
                "nodes or none")
      ->group(group);
  command
      .add_option(
          "--disk-stall-timeout-ms", config.disk_stall_timeout_ms,
          "A write that takes this long is taken to hang: until it ends the node hands over "
          "what it leads and does not vote")
      ->capture_default_str()
      ->group(group);
  command
      .add_option("--disk-headroom-bytes", config.disk_headroom_bytes,
                  "Produce is refused below this much free space")
      ->capture_default_str()
      ->group(group);
  command
      .add_option(
          "--scrub-bytes-per-second", config.scrub_bytes_per_second,
          "Bound of reading full log files again, to find what the disk has changed; 0: only those "
          "of which another node was sent something damaged")
      ->capture_default_str()
      ->group(group);
  command
      .add_option("--snapshot-bytes-per-second", config.snapshot_bytes_per_second,
                  "Bound of taking from other nodes what their logs do not have as single entries "
                  "any more; 0: none")
      ->capture_default_str()
      ->group(group);
  command
      .add_option("--catch-up-bytes-per-second", config.catch_up_bytes_per_second,
                  "Bound of what a leader sends to each node that has been away and that nobody "
                  "waits for; while clients append a quarter of it, and what they append; 0: none")
      ->capture_default_str()
      ->group(group);
  command
      .add_option(
          "--catalog-snapshot-entries", config.catalog_snapshot_entries,
          "Changes of topics and their places after which the catalog's log is cut short by "
          "a snapshot of its state")
      ->capture_default_str()
      ->group(group);
  command.add_option("--shutdown-timeout-ms", config.shutdown_timeout_ms, "Bound of a shutdown")
      ->capture_default_str()
      ->group(group);
  command.add_option("--io-threads", config.io_threads, "Threads for files")
      ->capture_default_str()
      ->group(group);
  command
      .add_option("--record", config.record_dir,
                  "Folder to record all that this node is told in, for `tidemark-sim "
                  "replay-journal`; holds records and keys")
      ->group(group);
  command
      .add_option("--record-bytes-max", config.record_bytes_max,
                  "Bound of all recordings in it: the oldest runs go first")
      ->capture_default_str()
      ->group(group);
  command.add_option("--log-format", config.log_format, "logfmt or json")
      ->capture_default_str()
      ->group(group);
  command.add_option("--log-level", config.log_level, "debug, info, warning or error")
      ->capture_default_str()
      ->group(group);
}

}  // namespace

void AddServerFlags(CLI::App& command, ServerConfig& config) {
  AddIdentity(command, config);
  AddSecurity(command, config);
  AddTuning(command, config);
}

void AddServerCommand(CLI::App& root, int& exit_code) {
  auto* command = root.add_subcommand("server", "Run a server until SIGTERM");
  command->footer(R"(Examples:
  tidemark server --node-id 1 --data-dir data --insecure     # one node, no TLS, to try things
  tidemark server --node-id 1 --data-dir /var/lib/tidemark --listen 192.0.2.7:7600 \
    --voters 1,2,3 --join 192.0.2.8:7600 --acl-policy policy.csv \
    --ca tls/ca.crt --cert tls/node-1.crt --key tls/node-1.key
  tidemark server --node-id 4 --data-dir /var/lib/tidemark --listen 192.0.2.9:7600 \
    --join 192.0.2.7:7600 --ca tls/ca.crt --cert tls/node-4.crt --key tls/node-4.key \
    --acl-policy policy.csv                                  # joins; then `tidemark cluster add 4`
  tidemark server --config /etc/tidemark.toml                # node-id = 1, data-dir = "...", ...)");
  const auto config = std::make_shared<ServerConfig>();
  AddServerFlags(*command, *config);
  command->callback([config, &exit_code] { exit_code = RunServer(*config); });
}

}  // namespace tidemark
