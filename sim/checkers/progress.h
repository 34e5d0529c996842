#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/base/ids.h"

namespace tidemark::sim {

// What a person would ask of a cluster some time after the last fault: is everything well again?
struct ClusterFacts {
  struct Group {
    bool leads = false;
    bool serving = false;
    NodeId leader;
    Term term;
    LogIndex last;
    LogIndex commit;
    LogIndex durable;
    uint64_t last_prefix = 0;
    std::vector<NodeId> voters;  // ascending
    std::string failure;
    uint64_t received_bytes = 0;  // of a snapshot
  };
  struct Member {
    NodeId id;
    bool up = false;
    std::map<GroupId, Group> groups;
    // The voters that this node believes to be alive, itself included.
    std::vector<NodeId> alive;
  };
  struct Client {
    std::string name;
    // Empty: has nothing left to do.
    std::string waits_for;
  };
  std::vector<Member> members;
  // Who is to be done without.
  std::set<NodeId> away;
  // Which nodes must hold which group.
  std::map<GroupId, std::vector<NodeId>> placement;
  std::vector<Client> clients;
};

// Empty if all is well: every node (that is not away) is up and sees every other one alive; every
// group has one leader all replicas agree on, which serves; all replicas vote and hold the same
// log, committed and durable to its end; no group exists that should not; no client waits. Else
// what is missing.
std::string WhatIsUnwell(const ClusterFacts& facts);

}  // namespace tidemark::sim
