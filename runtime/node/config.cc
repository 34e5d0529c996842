#include "runtime/node/config.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "engine/base/limits.h"
#include "engine/base/status_macros.h"

namespace tidemark {
namespace {

constexpr uint64_t kTimeoutMsMax = 600'000;

absl::StatusOr<std::string> ReadText(const std::string& setting, const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file.good() && !file.eof()) {
    return absl::NotFoundError(
        absl::StrCat("cannot read ", setting, " ", path, ": ", std::strerror(errno)));
  }
  return text;
}

absl::Status RequireReadable(const std::string& setting, const std::string& path,
                             const std::string& advice) {
  if (path.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(setting, " is not set; ", advice));
  }
  return ReadText(setting, path).status();
}

absl::StatusOr<std::vector<std::string>> ReadGossipKeys(const std::string& path) {
  TIDEMARK_ASSIGN_OR_RETURN(const std::string text, ReadText("gossip_key_file", path));
  std::vector<std::string> keys;
  for (const absl::string_view raw : absl::StrSplit(text, '\n')) {
    const absl::string_view line = absl::StripAsciiWhitespace(raw);
    if (line.empty() || line.front() == '#') continue;
    std::string key;
    if (!absl::Base64Unescape(line, &key) ||
        (key.size() != 16 && key.size() != 24 && key.size() != 32)) {
      return absl::InvalidArgumentError(
          absl::StrCat("gossip_key_file ", path,
                       ": each line must be 16, 24 or 32 bytes in base64; make one with "
                       "`openssl rand -base64 32`"));
    }
    keys.push_back(std::move(key));
  }
  return keys;
}

absl::StatusOr<Endpoint> ParseSetting(const std::string& setting, const std::string& text) {
  absl::StatusOr<Endpoint> endpoint = Endpoint::Parse(text);
  if (endpoint.ok()) return endpoint;
  return absl::InvalidArgumentError(
      absl::StrCat(setting, " \"", text, "\": ", endpoint.status().message()));
}

absl::Status CheckTls(const ServerConfig& config) {
  if (config.insecure) return absl::OkStatus();
  const std::string kAdvice =
      "make certificates with `tidemark cert`, or pass --insecure to run without TLS";
  TIDEMARK_RETURN_IF_ERROR(RequireReadable("ca", config.ca_file, kAdvice));
  TIDEMARK_RETURN_IF_ERROR(RequireReadable("cert", config.cert_file, kAdvice));
  return RequireReadable("key", config.key_file, kAdvice);
}

absl::Status CheckNumbers(const ServerConfig& config) {
  if (config.segment_bytes < kSegmentBytesMin || config.segment_bytes > kSegmentBytesMax) {
    return absl::InvalidArgumentError(absl::StrCat("segment_bytes must be between ",
                                                   kSegmentBytesMin, " and ", kSegmentBytesMax));
  }
  for (const auto& [setting, value] : {std::pair{"election_timeout_ms", config.election_timeout_ms},
                                       {"heartbeat_interval_ms", config.heartbeat_interval_ms},
                                       {"shutdown_timeout_ms", config.shutdown_timeout_ms}}) {
    if (value > kTimeoutMsMax) {
      return absl::InvalidArgumentError(
          absl::StrCat(setting, " must be at most ", kTimeoutMsMax, " (ten minutes)"));
    }
  }
  if (config.heartbeat_interval_ms == 0 ||
      config.election_timeout_ms < 3 * config.heartbeat_interval_ms) {
    return absl::InvalidArgumentError(
        "election_timeout_ms must be at least three times heartbeat_interval_ms, or a single lost "
        "heartbeat starts an election");
  }
  // Slower, and a large disk is not verified once in its life.
  constexpr uint64_t kScrubRateMin = 64u << 10;
  if (config.catalog_snapshot_entries == 0) {
    return absl::InvalidArgumentError("catalog_snapshot_entries must be at least 1");
  }
  if (config.snapshot_bytes_per_second != 0 &&
      config.snapshot_bytes_per_second < kSnapshotRateMin) {
    return absl::InvalidArgumentError(absl::StrCat(
        "snapshot_bytes_per_second must be 0 (no bound) or at least ", kSnapshotRateMin));
  }
  if (config.catch_up_bytes_per_second != 0 && config.catch_up_bytes_per_second < kCatchUpRateMin) {
    return absl::InvalidArgumentError(absl::StrCat(
        "catch_up_bytes_per_second must be 0 (no bound) or at least ", kCatchUpRateMin));
  }
  if (config.scrub_bytes_per_second != 0 && config.scrub_bytes_per_second < kScrubRateMin) {
    return absl::InvalidArgumentError(
        absl::StrCat("scrub_bytes_per_second must be 0 (off) or at least ", kScrubRateMin));
  }
  constexpr uint64_t kRecordBytesMin = 1u << 20;
  if (config.record_bytes_max < kRecordBytesMin) {
    return absl::InvalidArgumentError(
        absl::StrCat("record_bytes_max must be at least ", kRecordBytesMin));
  }
  if (config.io_threads < 1 || config.io_threads > 64) {
    return absl::InvalidArgumentError("io_threads must be between 1 and 64");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<NodeOptions> OptionsOf(const ServerConfig& config) {
  if (config.node_id == 0) {
    return absl::InvalidArgumentError("node_id is not set; give each node its own, 1 or more");
  }
  if (config.data_dir.empty()) {
    return absl::InvalidArgumentError("data_dir is not set; it is where the log is kept");
  }
  TIDEMARK_RETURN_IF_ERROR(CheckTls(config));
  TIDEMARK_RETURN_IF_ERROR(CheckNumbers(config));
  NodeOptions options;
  options.id = NodeId(config.node_id);
  options.cluster_id = config.cluster_id;
  TIDEMARK_ASSIGN_OR_RETURN(
      options.advertise, ParseSetting(config.advertise.empty() ? "listen" : "advertise",
                                      config.advertise.empty() ? config.listen : config.advertise));
  if (options.advertise.host == "0.0.0.0" || options.advertise.host == "::") {
    return absl::InvalidArgumentError(
        absl::StrCat("others cannot dial ", options.advertise.ToString(),
                     "; set advertise to the address they reach this node at"));
  }
  for (const std::string& seed : config.join) {
    TIDEMARK_ASSIGN_OR_RETURN(Endpoint endpoint, ParseSetting("join", seed));
    options.seeds.push_back(std::move(endpoint));
  }
  for (const uint64_t voter : config.voters) options.voters.push_back(NodeId(voter));
  const bool joins = std::any_of(options.seeds.begin(), options.seeds.end(), [&](const auto& seed) {
    return seed.ToString() != options.advertise.ToString();
  });
  if (options.voters.empty() && !joins) options.voters.push_back(options.id);
  std::sort(options.voters.begin(), options.voters.end());
  options.version = VersionText();
  options.acl_allow_all = config.insecure && config.acl_policy_file.empty();
  if (!config.acl_model_file.empty()) {
    TIDEMARK_ASSIGN_OR_RETURN(options.acl_model, ReadText("acl_model", config.acl_model_file));
  }
  if (!config.acl_policy_file.empty()) {
    TIDEMARK_ASSIGN_OR_RETURN(options.acl_policy, ReadText("acl_policy", config.acl_policy_file));
  }
  if (!config.gossip_key_file.empty()) {
    TIDEMARK_ASSIGN_OR_RETURN(options.gossip_keys, ReadGossipKeys(config.gossip_key_file));
  }
  options.log.segment_bytes = config.segment_bytes;
  options.election_timeout = Duration::Millis(static_cast<int64_t>(config.election_timeout_ms));
  options.heartbeat_interval = Duration::Millis(static_cast<int64_t>(config.heartbeat_interval_ms));
  options.lease_reads = config.lease_reads;
  options.disk_stall_timeout = Duration::Millis(static_cast<int64_t>(config.disk_stall_timeout_ms));
  options.disk_headroom_bytes = config.disk_headroom_bytes;
  options.scrub.bytes_per_second = config.scrub_bytes_per_second;
  options.snapshot_bytes_per_second = config.snapshot_bytes_per_second;
  options.catch_up_bytes_per_second = config.catch_up_bytes_per_second;
  options.catalog_snapshot_entries = config.catalog_snapshot_entries;
  options.shutdown_timeout = Duration::Millis(static_cast<int64_t>(config.shutdown_timeout_ms));
  return options;
}

std::string VersionText() { return TIDEMARK_VERSION; }

}  // namespace tidemark
