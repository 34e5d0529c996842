#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/base/endpoint.h"
#include "engine/base/limits.h"
#include "engine/node/node.h"

namespace tidemark {

// Everything a server can be told, by flags, environment or file (tools/tidemark/server_command.cc
// binds the names; the comments there are the help texts).
struct ServerConfig {
  uint64_t node_id = 0;
  std::string cluster_id = "tidemark";
  std::string data_dir;
  // The one port: TCP for clients, peers and HTTP, UDP on the same number for gossip.
  std::string listen = "127.0.0.1:7600";
  // What others dial; empty: `listen`. Needed when listening on a wildcard address.
  std::string advertise;
  // Any nodes to find the cluster by; this node's own address may be among them.
  std::vector<std::string> join;
  // Ids of the founders of the cluster; empty: this node alone founds one, or, where `join` names
  // other nodes, it joins theirs.
  std::vector<uint64_t> voters;

  // TLS is on unless `insecure`.
  bool insecure = false;
  std::string ca_file;
  std::string cert_file;
  std::string key_file;
  // Read /metrics without a client certificate.
  bool metrics_without_certificate = false;

  std::string acl_model_file;   // empty: the built-in model
  std::string acl_policy_file;  // empty: nothing is allowed (with TLS)
  std::string gossip_key_file;  // base64 keys, a line each, first one sends; empty: not encrypted

  uint64_t segment_bytes = 64u << 20;
  uint64_t election_timeout_ms = 1000;
  uint64_t heartbeat_interval_ms = 150;
  // NodeOptions::lease_reads: on all nodes or on none.
  bool lease_reads = false;
  uint64_t disk_stall_timeout_ms = kDiskStallMillis;
  uint64_t disk_headroom_bytes = 256u << 20;
  // How fast full log files are verified in the background; 0: only those of which another node
  // was sent something damaged.
  uint64_t scrub_bytes_per_second = 4u << 20;
  // How fast snapshots of logs are taken from other nodes; 0: as fast as they come.
  uint64_t snapshot_bytes_per_second = kSnapshotBytesPerSecond;
  // How fast each node that lags is sent what it lacks; 0: as fast as it takes it.
  uint64_t catch_up_bytes_per_second = kCatchUpBytesPerSecond;
  // After how many changes of topics and their places the catalog's log is cut short.
  uint64_t catalog_snapshot_entries = kCatalogSnapshotEntries;
  uint64_t shutdown_timeout_ms = 3000;
  int io_threads = 4;

  // Where the node's life is recorded for `tidemark-sim replay-journal`; empty: nowhere. Recordings
  // hold records, principals and gossip keys.
  std::string record_dir;
  uint64_t record_bytes_max = uint64_t{1} << 30;

  std::string log_format = "logfmt";  // or "json"
  std::string log_level = "info";     // debug, info, warning, error
};

// Fills in what can be derived (advertise, voters) and reads the files named.
//   Errors  kInvalidArgument or kNotFound: names the setting and says what to do.
absl::StatusOr<NodeOptions> OptionsOf(const ServerConfig& config);

// The bare version number, e.g. "0.1.0".
std::string VersionText();

}  // namespace tidemark
