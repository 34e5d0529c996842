#include "sim/checkers/verdict.h"

#include <algorithm>
#include <array>

namespace tidemark::sim {
namespace {

constexpr auto kOracles = std::to_array<std::string_view>({"access",
                                                           "acked_durability",
                                                           "bounded_reads",
                                                           "busy_loop",
                                                           "canary",
                                                           "catalog_state",
                                                           "commit_rules",
                                                           "compaction",
                                                           "configuration",
                                                           "consumer",
                                                           "consumer_order",
                                                           "contact",
                                                           "disk_contract",
                                                           "disk_files",
                                                           "disk_stall",
                                                           "divergence",
                                                           "durable_quorum",
                                                           "election_safety",
                                                           "emptied_voter",
                                                           "gossip",
                                                           "leader_completeness",
                                                           "linearizable_reads",
                                                           "log_matching",
                                                           "peer_address",
                                                           "peer_codec",
                                                           "producer",
                                                           "progress",
                                                           "recovery",
                                                           "repair",
                                                           "replica_equality",
                                                           "retention",
                                                           "scrub",
                                                           "state_machine",
                                                           "vote_once"});

}  // namespace

bool IsOracle(std::string_view name) {
  return std::find(kOracles.begin(), kOracles.end(), name) != kOracles.end();
}

std::string OracleNames() {
  std::string names;
  for (const std::string_view name : kOracles) {
    if (!names.empty()) names += ", ";
    names += name;
  }
  return names;
}

}  // namespace tidemark::sim
