#include <algorithm>
#include <type_traits>
#include <utility>
#include <variant>

#include "engine/log/batch.h"
#include "sim/forgery.h"
#include "sim/world.h"

// Faults that come with what makes them matter: a crash in the middle of a flush that changes which
// files there are, a leader that is cut off with the one message that counts, a copy that is none.

namespace tidemark::sim {
namespace {

// A flush that was cut short has bad luck again this often, in as many flushes of its kind.
constexpr uint32_t kCrashAgain = 150'000;
constexpr uint32_t kShakyFlushes = 4;
// The first flush of a sort meets a crash this many times as often as one of many.
constexpr uint32_t kFirstOfItsSort = 8;

// What a batch does to which kinds of files, a bit each; 0: it is nothing but frames, their runs
// and hard states, so that no more hangs on how much of it a crash leaves than what it brought.
uint64_t SortOf(const FileBatch& batch) {
  constexpr uint32_t kKinds = 6;
  uint64_t sort = 0;
  bool turns = false;
  for (const FileOp& op : batch.ops) {
    turns = turns || !std::holds_alternative<WriteFile>(op);
    const FileKind kind = std::visit(
        [](const auto& of) {
          if constexpr (std::is_same_v<std::decay_t<decltype(of)>, RenameFile>) {
            return of.to.kind;
          } else {
            return of.file.kind;
          }
        },
        op);
    sort |= uint64_t{1} << (op.index() * kKinds + static_cast<size_t>(kind));
  }
  for (const FileId& file : batch.sync) {
    turns = turns || file.kind == FileKind::kIndex;
    sort |= uint64_t{1} << (std::variant_size_v<FileOp> * kKinds + static_cast<size_t>(file.kind));
  }
  return turns ? sort : 0;
}

bool ChangesMembers(const Entry& entry) {
  if (entry.kind != EntryKind::kControl) return false;
  const absl::StatusOr<std::string_view> payload = ControlPayload(entry.frame.view());
  return payload.ok() && raft::IsConfChange(*payload);
}

}  // namespace

void World::MaybeCutOff(size_t leader, size_t to, const PeerMessage& message) {
  // What else is carried has an empty message of raft beside it.
  if (message.snapshot != nullptr || message.beats != nullptr || message.command != nullptr ||
      message.introduction != nullptr) {
    return;
  }
  const auto* append = std::get_if<raft::AppendRequest>(&message.message.body);
  const bool members = append != nullptr &&
                       std::any_of(append->entries.begin(), append->entries.end(), ChangesMembers);
  const bool hands_over = std::holds_alternative<raft::TimeoutNow>(message.message.body);
  if (!members && !hands_over) return;
  // A change of members is sent again and again where it does not get through: once will do.
  Instant& again_at = slots_[leader]->cut_off_again_at;
  if (members && scheduler_.now() < again_at) return;
  const uint32_t actor = static_cast<uint32_t>(leader * 8 + to);
  if (!decisions_.Fault(Site::kLeaderCutOff, actor, scenario_->leader_cut_off)) return;
  again_at = scheduler_.now() + scenario_->election_timeout * 10;
  coverage_.Hit(Probe::kLeaderCutOff);
  story_->Tell("node ", id(leader).value(), " hears nothing for a while");
  for (size_t other = 0; other < nodes(); ++other) {
    if (other == leader) continue;
    network_.Block(other, leader);
    scheduler_.After(scenario_->election_timeout * 2,
                     [this, other, leader] { network_.Unblock(other, leader); });
  }
}

void World::MaybeCrashInFlush(size_t node, const FileBatch& batch, Duration length) {
  if (calm_ || scenario_->crash_in_flush == 0) return;
  const uint64_t sort = SortOf(batch);
  if (sort == 0) return;
  Slot& slot = *slots_[node];
  const uint32_t actor = static_cast<uint32_t>(node);
  // Rare ones are few, and nothing else would ever meet them.
  const uint32_t before = slot.flushes_of_sort[sort]++;
  uint32_t rate = scenario_->crash_in_flush * std::max(kFirstOfItsSort / (1 + before), uint32_t{1});
  if (slot.shaky_flushes > 0) {
    --slot.shaky_flushes;
    rate = std::max(rate, kCrashAgain);
  }
  if (!decisions_.Fault(Site::kCrashInFlush, actor, rate)) return;
  // Half of them while it is under way. Of the others most before what follows from it is done.
  const Duration at =
      decisions_.Between(Site::kCrashInFlushAt, actor, Duration::Nanos(1), length * 2);
  const Duration down =
      decisions_.Between(Site::kCrashInFlushDown, actor, Duration::Millis(5), scenario_->down_max);
  ForIncarnation(at, node, [this, node, down] {
    if (calm_) return;
    slots_[node]->shaky_flushes = kShakyFlushes;
    coverage_.Hit(Probe::kCrashInFlush);
    CrashByPowerLoss(node, down);
  });
}

void World::MaybeForge(size_t from, size_t to, PeerMessage& message) {
  if (message.snapshot == nullptr) return;
  const Bytes* const sent = BytesOf(*message.snapshot);
  if (sent == nullptr || sent->empty()) return;
  const uint32_t actor = static_cast<uint32_t>(from * 8 + to);
  if (!decisions_.Fault(Site::kFramesForged, actor, scenario_->frames_forged)) return;
  const std::optional<Bytes> forged =
      WithAnotherFrame(*sent, decisions_.Below(Site::kForgedByte, actor, sent->size()));
  if (!forged.has_value()) return;
  coverage_.Hit(Probe::kFramesForged);
  story_->Tell("node ", id(from).value(), " answers node ", id(to).value(),
               " with a frame that never was");
  SnapshotMessage lie = *message.snapshot;
  std::visit(
      [&](auto& body) {
        if constexpr (requires { body.bytes; }) body.bytes = *forged;
      },
      lie);
  message.snapshot = std::make_shared<SnapshotMessage>(std::move(lie));
}

}  // namespace tidemark::sim
