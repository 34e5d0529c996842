#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "engine/base/ids.h"
#include "engine/base/incarnation.h"
#include "engine/log/node_meta.h"
#include "engine/node/introduction.h"

namespace tidemark {

// Whether a node may promise anything: a voter that lost its disk has forgotten what it promised,
// and cannot tell that from being new. So a node whose directory was empty draws an incarnation and
// is not settled: no group of it votes, campaigns or acknowledges. It becomes settled, durably and
// for ever, by one of
//   (a) founding: a majority of the founders, itself included, had not been settled either when
//   they
//       first, and durably, knew this incarnation of it, and no other;
//   (b) being vouched for: a majority of the *other* founders know it and no other, since whenever;
//   (c) the catalog's leader letting it in (Introduction::admitted) as a learner without a past,
//       after its former self was removed from the catalog's voters and from every partition.
// By neither (a) nor (b) once anybody has named another incarnation of it; and who knew another one
// and was told of this one by the catalog does not vouch for it, for ever: it would unmake (c).
// Each node remembers, durably, the first incarnation it met of every other one, and answers only
// once that is on its disk. It learns of another one from the catalog alone, where (c) is recorded.
//
// Why that is safe. Let incarnation x of a node have promised something: it was settled. If by (a)
// or (b) then a set X of others knew x before; let a later incarnation y of it become settled by
// (a) or (b) with a set Y. Of n founders (a) has floor(n/2) others, (b) floor((n-1)/2)+1. One of
// each, and two of (b), have a node in common, which knows x and does not vouch for y: a
// contradiction, unless that node lost its memory, too. It got it back, before it was settled
// again: by (b), from those it asked, or by (c), from the leader. Two of (a) need not intersect:
// but then a majority of the voters had an empty disk at once, and nothing tells that from a new
// cluster. By (c) y may vote only in configurations that its former self is no member of, in groups
// where it starts with the fence of its admission (Replica::Fence), so never in a term in which x
// voted.
// The former self's removal was committed by a majority of the old voters that counts neither x nor
// y; whoever might still win an election of the old configuration needs a vote out of that
// majority, and gets it only with the removal in its log, or before its voter acknowledged the
// removal, which it then would have refused. So a vote of x that is still under way elects nobody
// whom y could vote against. Not covered: a directory restored from an older copy has the same
// incarnation.
//   Source  Kafka KIP-853 names voters by (id, directory id); MongoDB's replica sets want all
//           members at their initiation.
//
// Pure, and without messages of its own: node_standing.cc drives it.
class Standing {
 public:
  // `record` as read, or as drawn for an empty directory. `founders` ascend, empty for a node that
  // joins: only (c) settles that.
  Standing(NodeId self, std::vector<NodeId> founders, NodeStanding record);

  // What is to be durable, and what is.
  const NodeStanding& record() const { return record_; }
  const NodeStanding& durable() const { return durable_; }
  bool dirty() const { return record_ != durable_ && !writing_.has_value(); }
  // What to write now; OnWritten once it is on the disk.
  const NodeStanding& BeginWrite();
  bool writing() const { return writing_.has_value(); }
  void OnWritten();

  // It may promise, and the disk says so.
  bool settled() const { return durable_.settled; }
  // Somebody knows another incarnation of this node.
  bool refused() const { return !record_.settled && !refused_by_.empty(); }

  void OnIntroduction(NodeId from, const Introduction& message);
  // The catalog says which incarnation of `node` counts.
  void OnRecorded(NodeId node, Incarnation incarnation);
  // Which incarnation of `node` is known, durably; 0: none.
  Incarnation KnownOf(NodeId node) const;
  // What to tell `to`. Checks: dies if the record was never written.
  Introduction Introduce(NodeId to, bool asks) const;

 private:
  void Vouch();
  bool MetFounding(NodeId node) const;
  // Whether what is known of `node` is what was met first.
  bool MayVouchFor(NodeId node) const;

  NodeId self_;
  std::vector<NodeId> founders_;
  NodeStanding record_;
  NodeStanding durable_;
  std::optional<NodeStanding> writing_;
  // Who knows this incarnation, and whether since before it was settled.
  std::map<NodeId, bool> vouched_;
  std::set<NodeId> refused_by_;
};

}  // namespace tidemark
