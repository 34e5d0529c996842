#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "engine/base/ids.h"
#include "engine/raft/conf_entry.h"

// Who the members of a group are, as a checkpoint of its log holds it.

namespace tidemark {

// Changes of members in a log, in ascending order of index.
using LoggedChanges = std::deque<std::pair<LogIndex, raft::ConfChange>>;

// The change that the control frame `frame` is; nullopt if it is none, or not one that this version
// can read: then it changes nothing here.
std::optional<raft::ConfChange> ChangeInFrame(std::string_view frame);

// What `changes` make of `membership`, one after the other.
raft::Membership After(raft::Membership membership, const LoggedChanges& changes);

// Little-endian: version 2 (4 bytes), automatic leave (1), then incoming voters, outgoing voters,
// learners, next learners: of each a number (2) and the ids (8 each), ascending.
void AppendMembership(const raft::Membership& membership, std::string& out);
// The inverse, from the front of `state`, which is left with the rest. nullopt if it is something
// else.
std::optional<raft::Membership> TakeMembership(std::string_view& state);

}  // namespace tidemark
