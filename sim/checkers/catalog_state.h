#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/ids.h"
#include "engine/node/catalog.h"
#include "sim/checkers/entry_fact.h"
#include "sim/checkers/verdict.h"

namespace tidemark::sim {

// The catalog of every node is what the committed entries of group 0 amount to up to where that
// node is, however it got there: entry by entry, from a checkpoint after a restart, or from another
// node's.
class CatalogStates {
 public:
  explicit CatalogStates(Verdict* verdict);

  // Some node has `entry` in its log of group 0, as `frame`.
  void OnEntry(const EntryFact& entry, const Bytes& frame) { frames_[entry.prefix] = frame; }
  // It is committed: called once for each index, ascending.
  void OnCommitted(const EntryFact& entry);
  // `node` has applied the entries up to `applied`. False: so much is not known to be committed.
  bool OnState(NodeId node, LogIndex applied, const Catalog& catalog);
  // `node` lets go of what is before `from`, having committed up to `commit` and got `durable`.
  void OnLetsGo(NodeId node, LogIndex from, LogIndex commit, LogIndex durable);

  const Catalog& committed() const { return catalog_; }
  // Whether a move has taken `group`, whose topic exists, away from `node`, at any time.
  bool Dropped(GroupId group, NodeId node) const {
    return catalog_.PlaceOf(group) != nullptr && dropped_.contains({group, node});
  }

 private:
  Verdict* verdict_;
  std::map<uint64_t, Bytes> frames_;  // by the digest of the log up to and with it
  Catalog catalog_;                   // after all committed entries
  std::set<std::pair<GroupId, NodeId>> dropped_;
  std::vector<std::string> states_;  // by index: encoded
};

}  // namespace tidemark::sim
