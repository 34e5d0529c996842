#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/base/ids.h"
#include "engine/log/entry.h"
#include "engine/raft/confchange.h"
#include "engine/raft/types.h"
#include "tests/engine/raft/cluster.h"

// How scenarios show what is there; LANGUAGE.md, "Output", explains it to their readers.

namespace tidemark::scenario {

// The word a message is called by in `deliver`, `drop` and `copy`: "append", "vote?", ...
std::string KindOf(const raft::Message& message);
// All of them.
const std::vector<std::string>& Kinds();

// "1->2  term 2  append after 3@1: 2:a, commit 2"
std::string MessageText(const raft::Message& message);

// "2:a": the term, and what the entry is: a record, "-" for a no-op, "{...}" a change of members.
std::string EntryText(const Entry& entry);

// "voters 1 2 3, learners 4"
std::string MembershipText(const raft::Membership& membership);

// "1 leader  term 2  log 1:- 2:- | 2:a  commit 2": all there is to say of a node but its members.
std::string NodeText(raft::Cluster& cluster, NodeId id);

}  // namespace tidemark::scenario
