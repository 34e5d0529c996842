#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "tests/conformance/raft/script.h"

namespace tidemark::conformance {

// How an output compares to what a script expects.
struct Comparison {
  bool same = false;
  // What was not compared although it differs: a name of DIFFERENCES.md. Only if `same`.
  std::string tolerated = {};
  // Where the first difference is, in words. Only if not `same`; may be empty.
  std::string first_difference = {};
};

// Runs the directives of one family of scripts, keeping what one leaves for the next.
class Adapter {
 public:
  virtual ~Adapter() = default;
  // The output of `directive`.
  //   Errors  kInvalidArgument: the directive makes no sense, and its own harness would give up.
  virtual absl::StatusOr<std::string> Run(const Directive& directive) = 0;
  virtual Comparison Compare(std::string_view expected, std::string_view got) const {
    return {.same = expected == got};
  }
  // Whether nothing behind a difference means anything.
  virtual bool ends_at_difference() const { return false; }
};

// `committed` and `vote`, with cfg, cfgj, idx and votes: what a majority or two have agreed to.
//   Source  etcd-io/raft, quorum/datadriven_test.go.
std::unique_ptr<Adapter> MakeQuorumAdapter();

// `simple`, `enter-joint` and `leave-joint`: changes of members, from an empty group on.
//   Source  etcd-io/raft, confchange/datadriven_test.go.
std::unique_ptr<Adapter> MakeConfChangeAdapter();

// The nodes of a group, their messages, writes and ticks: everything in interaction_node.h.
//   Source  etcd-io/raft, rafttest/interaction_env_handler*.go.
std::unique_ptr<Adapter> MakeInteractionAdapter();

}  // namespace tidemark::conformance
