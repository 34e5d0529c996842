#pragma once

#include <map>

#include "engine/base/ids.h"
#include "engine/base/incarnation.h"

namespace tidemark {

// What nodes tell each other about who they are (standing.h): beside raft, and never of a group.
struct Introduction {
  // Of the sender; durable there.
  Incarnation incarnation;
  bool settled = false;
  // Not settled, and somebody knows another incarnation of the sender: its disk was lost.
  bool refused = false;
  // The receiver is to answer, once it has made durable what it heard.
  bool asks = false;
  // Which incarnation of the receiver the sender knows, durably; 0: none, or the
  // catalog named it in the place of another one.
  Incarnation known;
  // The sender met it before it was settled itself.
  bool founding = false;
  // From the catalog's leader, else 0: this incarnation of the receiver may begin as
  // Replica::Fence says, with what the sender knows of others.
  Incarnation admitted;
  Term fence_term;
  LogIndex fence_index;
  std::map<NodeId, Incarnation> others;

  friend bool operator==(const Introduction&, const Introduction&) = default;
};

}  // namespace tidemark
