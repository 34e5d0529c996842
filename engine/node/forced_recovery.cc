#include "engine/node/forced_recovery.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "engine/base/check.h"
#include "engine/log/batch.h"
#include "engine/log/hard_state.h"

namespace tidemark {
namespace {

class State : public CheckpointSource {
 public:
  State(const ProducerTable* producers, const MembershipLog* members)
      : producers_(producers), members_(members) {}
  void AppendState(std::string& out) const override {
    AppendGroupState(*producers_, *members_, out);
  }

 private:
  const ProducerTable* producers_;
  const MembershipLog* members_;
};

}  // namespace

ForcedRecovery PlanForcedRecovery(GroupId group, NodeId node, RecoveredGroup recovered,
                                  WallTime now) {
  TIDEMARK_CHECK(!recovered.removed() && recovered.log.has_value());
  Log& log = *recovered.log;
  const State state(&recovered.producers, &recovered.members);
  log.SetCheckpointSource(&state);
  ForcedRecovery plan{.before = recovered.members.After(log.last_index()),
                      .last = log.last_index(),
                      .committed = log.committed_index(),
                      .end_offset = log.next_offset(),
                      .batch = {}};
  // Above every term that this log or this node's promises know of.
  HardStateRecord record = recovered.hard_state;
  record.term = std::max(record.term, log.last_term()) + 1;
  record.vote = node;
  ++record.generation;
  std::string frame = EncodeControlFrame(EncodeRoster({.voters = {node}, .forced = true}));
  PatchBatch(frame.data(), log.next_offset(), record.term);
  log.Append(Entry{.index = log.last_index() + 1,
                   .term = record.term,
                   .kind = EntryKind::kControl,
                   .base_offset = log.next_offset(),
                   .offset_span = 0,
                   .frame = Bytes::From(std::move(frame))},
             now);
  plan.batch = log.TakeBatch();
  AppendHardState(group, record, plan.batch);
  log.SetCheckpointSource(nullptr);
  return plan;
}

}  // namespace tidemark
