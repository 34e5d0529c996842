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
  State(GroupId group, const RecoveredGroup* recovered, LogIndex last)
      : group_(group), recovered_(*recovered), last_(last) {}
  void AppendState(std::string& out) const override {
    if (group_ != kCatalogGroup) {
      AppendGroupState(recovered_.producers, recovered_.members, out);
      return;
    }
    const std::optional<CatalogSnapshot>& from = recovered_.catalog;
    static_cast<void>(
        AppendCatalogGroupState({.producers = recovered_.producers,
                                 .members = recovered_.members,
                                 .applied = from.has_value() ? from->applied : LogIndex(0),
                                 .catalog = from.has_value() ? from->catalog : Catalog(),
                                 .pending = recovered_.entries,
                                 .last = last_},
                                out));
  }

 private:
  const GroupId group_;
  const RecoveredGroup& recovered_;
  const LogIndex last_;  // before what is appended
};

}  // namespace

ForcedRecovery PlanForcedRecovery(GroupId group, NodeId node, RecoveredGroup recovered,
                                  WallTime now) {
  TIDEMARK_CHECK(!recovered.removed() && recovered.log.has_value());
  Log& log = *recovered.log;
  const State state(group, &recovered, log.last_index());
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
