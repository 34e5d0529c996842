#pragma once

#include <map>
#include <utility>

#include "engine/base/ids.h"
#include "engine/base/time.h"
#include "engine/raft/quorum.h"
#include "sim/checkers/verdict.h"

namespace tidemark::sim {

// With check-quorum, a leader that has heard nothing at all from a majority for `bound` leads no
// more: whoever still follows it would never look for another. Any message counts here, of
// whatever group, so that the oracle demands less than the product promises.
// Source: raft thesis 6.2.
class Contact {
 public:
  explicit Contact(Verdict* verdict) : verdict_(verdict) {}
  // Nothing is asked of leaders before this was called.
  void Demand(Duration bound) { bound_ = bound; }
  bool demanded() const { return bound_ > Duration(); }

  // A message of `from` reached `node`.
  void OnHeard(NodeId node, NodeId from, Instant now) { heard_[{node, from}] = now; }
  // After a step `node` leads `group`. It has run without a break since `ran_since`.
  void OnLeads(GroupId group, NodeId node, Term term, const raft::JointConfig& voters, Instant now,
               Instant ran_since);
  void OnRestart(NodeId node);

 private:
  // Since when `node` leads in `term` with these voters, as far as was seen.
  struct Reign {
    Term term;
    raft::JointConfig voters;
    Instant since;
  };

  Verdict* verdict_;
  Duration bound_;
  std::map<std::pair<NodeId, NodeId>, Instant> heard_;
  std::map<std::pair<NodeId, GroupId>, Reign> reigns_;
};

}  // namespace tidemark::sim
