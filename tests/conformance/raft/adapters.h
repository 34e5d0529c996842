#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "tests/conformance/raft/script.h"

namespace tidemark::conformance {

// Runs the directives of one family of scripts, keeping what one leaves for the next.
class Adapter {
 public:
  virtual ~Adapter() = default;
  // The output of `directive`.
  //   Errors  kInvalidArgument: the directive makes no sense, and its own harness would give up.
  virtual absl::StatusOr<std::string> Run(const Directive& directive) = 0;
};

// `committed` and `vote`, with cfg, cfgj, idx and votes: what a majority or two have agreed to.
//   Source  etcd-io/raft, quorum/datadriven_test.go.
std::unique_ptr<Adapter> MakeQuorumAdapter();

// `simple`, `enter-joint` and `leave-joint`: changes of members, from an empty group on.
//   Source  etcd-io/raft, confchange/datadriven_test.go.
std::unique_ptr<Adapter> MakeConfChangeAdapter();

}  // namespace tidemark::conformance
