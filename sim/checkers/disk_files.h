#pragma once

#include <vector>

#include "engine/base/ids.h"
#include "engine/node/node.h"
#include "sim/checkers/verdict.h"
#include "sim/disk.h"

namespace tidemark::sim {

// What is on a node's disk once all is well, looked at as somebody would who has nothing but the
// files: the offline verifier reads all of them and finds no frame damaged or missing, and none is
// left of a group of which the node has no replica: it would stay for ever, and be in the way
// should the group come back.
class DiskFiles {
 public:
  explicit DiskFiles(Verdict* verdict) : verdict_(verdict) {}
  // `groups` are the replicas of `node`. What `disk` itself damaged, and nobody has come by yet, is
  // excused.
  void Finish(NodeId node, const std::vector<GroupView>& groups, const Disk& disk);

 private:
  Verdict* verdict_;
};

}  // namespace tidemark::sim
