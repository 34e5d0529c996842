#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/base/bytes.h"
#include "engine/base/ids.h"
#include "engine/log/batch.h"
#include "sim/checkers/entry_fact.h"
#include "sim/checkers/state_machine.h"
#include "sim/checkers/verdict.h"
#include "sim/coverage.h"

namespace tidemark::sim {

// Of a compacted topic: every record that a consumer is given, or that a replica has in the end, is
// the one that was committed at its offset, in order; and what is missing has a newer record of its
// key, or is a tombstone. So the last value of each key is always there. A tombstone that is gone
// has taken along what it deleted.
class Compaction {
 public:
  Compaction(const StateMachine* committed, Verdict* verdict, Coverage* coverage)
      : committed_(committed), verdict_(verdict), coverage_(coverage) {}

  // Groups that nobody speaks of here are not compacted, and not looked at.
  void OnTopic(GroupId group) { groups_.try_emplace(group); }
  // A file of it rots somewhere. No checksum covers a batch's term, which nobody who fetches uses:
  // until a scrubber comes by it may be another one.
  void OnRot(GroupId group) { rotten_.insert(group); }
  bool Compacts(GroupId group) const { return groups_.contains(group); }

  // `entry`, whose bytes are `frame`, is in some log, not yet compacted; and is committed.
  void OnEntry(GroupId group, const EntryFact& entry, std::string_view frame);
  void OnCommitted(GroupId group, const EntryFact& entry);

  // `consumer`, which began at offset 0, was given `frame` and delivered all of it but its first
  // `skip` offsets.
  void OnDelivered(uint32_t consumer, GroupId group, std::string_view frame, uint64_t skip);

  struct Range {
    Offset begin;
    Offset end;
  };
  // All that `node` has on its disk of what is committed within `range`.
  void OnFinalLog(GroupId group, NodeId node, Range range, std::span<const Bytes> frames);

 private:
  struct Group {
    // Of entries that are in some log: (base offset, term, checksum) is one.
    std::map<std::tuple<Offset, Term, uint32_t>, std::vector<DecodedRecord>> seen;
    std::map<Offset, Record> records;      // committed
    std::map<std::string, Offset> newest;  // of each key
  };
  // What is wrong with `frame`, or with leaving out what lies between `position` and its records
  // from `begin` on; `position` moves behind it. The offsets that are there are added to `found`.
  std::string Judge(const Group& group, GroupId id, std::string_view frame, Offset begin,
                    Offset& position, std::set<Offset>* found) const;
  // The first offset in [begin, end) that may not be missing.
  static std::optional<Offset> Missed(const Group& group, Offset begin, Offset end);

  const StateMachine* committed_;
  Verdict* verdict_;
  Coverage* coverage_;
  std::map<GroupId, Group> groups_;
  std::set<GroupId> rotten_;
  std::map<std::pair<uint32_t, GroupId>, Offset> positions_;
};

}  // namespace tidemark::sim
