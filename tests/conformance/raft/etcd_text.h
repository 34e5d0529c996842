#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/base/ids.h"
#include "engine/raft/confchange.h"

// How etcd-io/raft writes things, and how Go reads and writes them on its behalf: what scripts
// expect, byte for byte.
//   Source  etcd-io/raft, packages quorum and tracker; Go, packages strconv and fmt.

namespace tidemark::conformance {

// A decimal number without sign.
//   Errors  kInvalidArgument with Go's words.
absl::StatusOr<uint64_t> ParseUint(std::string_view text);
//   Errors  as above.
absl::StatusOr<bool> ParseBool(std::string_view text);

// `text` in quotation marks, as Go's %q writes it.
std::string Quoted(std::string_view text);

// Changes of members, separated by single spaces: v1 a voter, l1 a learner, r1 removed, u1 updated.
//   Errors  kInvalidArgument with etcd's or Go's words.
absl::StatusOr<std::vector<raft::Change>> ParseChanges(std::string_view input);
// The inverse.
std::string ChangesText(const std::vector<raft::Change>& changes);

// A log index; what nobody has reached is infinity.
std::string IndexText(LogIndex index);

// One voter of a quorum and what it acknowledged, if anything is known.
struct Acknowledged {
  uint64_t id = 0;
  std::optional<uint64_t> index;
};
// A drawing of who is how far: a bar as long as there are voters with a lower index. `voters`
// ascending by id.
std::string QuorumText(const std::vector<Acknowledged>& voters);

std::string MembershipText(const raft::Membership& membership);
// A line for each member.
std::string MembersText(const std::vector<raft::MemberProgress>& members);

}  // namespace tidemark::conformance
