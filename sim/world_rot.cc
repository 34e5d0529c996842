#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "engine/base/limits.h"
#include "engine/log/batch.h"
#include "engine/log/segment.h"
#include "engine/node/recovered_group.h"
#include "sim/world.h"

// Disks that change what was written, and what must follow: the scrubber, or who reads it, finds
// it, and the other replicas give it back. Before the very end there is a budget: of nothing that
// is committed more than one copy is damaged at a time. With that much, whatever else goes wrong,
// nothing may be lost and all must be well in the end.

namespace tidemark::sim {
namespace {

// How far before the end of a log a start may find a byte changed.
constexpr uint64_t kLogEndEntries = 8;

// The entry that byte `pos` of a segment with `frames` (behind the header) is in; 0: the header's.
LogIndex EntryAt(const SealedSegment& segment, std::string_view frames, FilePos pos) {
  if (pos.value() < kSegmentHeaderBytes) return LogIndex(0);
  uint64_t end = kSegmentHeaderBytes;
  LogIndex index = segment.base_index;
  while (true) {
    const absl::StatusOr<BatchHeader> header =
        DecodeBatchHeader(frames.substr(end - kSegmentHeaderBytes));
    if (!header.ok()) return index;
    end += header->total_bytes();
    if (pos.value() < end) return index;
    ++index;
  }
}

uint32_t FrameBytes(const SealedSegment& segment) {
  return static_cast<uint32_t>(segment.size - kSegmentHeaderBytes);
}

std::string FramesOf(const Disk& disk, const SealedSegment& segment) {
  const absl::StatusOr<Bytes> bytes =
      disk.Read(segment.file(), FilePos(kSegmentHeaderBytes), FrameBytes(segment));
  return bytes.ok() ? std::string(bytes->view()) : "";
}

// Before any of them changed, also where nobody has looked yet.
std::string WrittenFramesOf(const Disk& disk, const SealedSegment& segment) {
  const absl::StatusOr<Bytes> bytes =
      disk.ReadAsWritten(segment.file(), FilePos(kSegmentHeaderBytes), FrameBytes(segment));
  return bytes.ok() ? std::string(bytes->view()) : "";
}

// Full segments of `view` that compaction did not write.
void AppendSegments(const GroupView& view, std::vector<SealedSegment>& segments) {
  LogIndex after;
  while (auto segment = view.log->SealedSegmentAfter(after)) {
    after = segment->end_index - 1;
    segments.push_back(*std::move(segment));
  }
}

}  // namespace

void World::RotAt(size_t node, SealedSegment segment) {
  // Before the end not its header: a start refuses what it cannot tell the segment by.
  const FilePos begin(calm_ ? 0 : kSegmentHeaderBytes);
  Slot& slot = *slots_[node];
  const FilePos pos(begin.value() + decisions_.Below(Site::kRotByte, static_cast<uint32_t>(node),
                                                     segment.size - begin.value()));
  const std::string path = PathOf(segment.file());
  std::string frames = WrittenFramesOf(slot.disk, segment);
  const LogIndex entry = EntryAt(segment, frames, pos);
  slot.disk.Rot(segment.file(), pos);
  slot.rot = Rot{.segment = std::move(segment), .entry = entry, .frames = std::move(frames)};
  slot.rotten_files.insert(path);
  observer_.retention().OnRot(slot.rot->segment.group, id(node));
  observer_.compaction().OnRot(slot.rot->segment.group);
  coverage_.Hit(Probe::kRotInjected);
  story_->Tell(path, " of ", slot.address, " rots at byte ", pos.value());
  if (story_->timeline().on()) {
    story_->timeline().OnNode(MarkKind::kRot, node, absl::StrCat(path, " at byte ", pos.value()));
  }
}

void World::RotSomewhere() {
  for (size_t node = 0; node < slots_.size(); ++node) {
    if (!up(node)) continue;
    std::vector<SealedSegment> segments;
    for (const GroupView& view : slots_[node]->node->Groups()) AppendSegments(view, segments);
    if (segments.empty()) continue;
    const uint64_t which =
        decisions_.Below(Site::kRotSegment, static_cast<uint32_t>(node), segments.size());
    RotAt(node, std::move(segments[which]));
  }
}

void World::RotUnderFaults(const Place& which) {
  const size_t node = decisions_.Below(which, slots_.size());
  story_->SetTime(scheduler_.now());
  if (!up(node) || !MayRot()) return;
  std::vector<SealedSegment> segments;
  for (const GroupView& view : slots_[node]->node->Groups()) {
    if (!IsShared(view, id(node))) continue;
    AppendSegments(view, segments);
  }
  std::erase_if(segments, [&](const SealedSegment& segment) {
    return !IsRepairable(node, {.segment = segment, .entry = segment.base_index, .frames = {}});
  });
  if (segments.empty()) return;
  const uint64_t chosen =
      decisions_.Below(Site::kRotSegment, static_cast<uint32_t>(node), segments.size());
  RotAt(node, std::move(segments[chosen]));
}

bool World::IsShared(const GroupView& view, NodeId self) {
  const raft::JointConfig& voters = view.raft->membership().voters;
  return view.failure == nullptr && !view.removing && voters.outgoing.voters().size() == 0 &&
         voters.incoming.voters().size() > 2 && voters.incoming.voters().Contains(self);
}

void World::TellDamage(size_t node, const FileId& file) { Deliver(node, DamageFound{file}); }

bool World::HoldsRot(size_t node) const {
  const Slot& slot = *slots_[node];
  if (!slot.rot.has_value() || slot.rot->repaired) return false;
  if (!slot.node.has_value()) return true;
  for (const GroupView& view : slot.node->Groups()) {
    // Retention may have been faster; while its file is changed nobody looks into it.
    if (view.group == slot.rot->segment.group) {
      return view.log->Holds(slot.rot->segment) || view.log->replacing();
    }
  }
  // Before its catalog is there a node does not speak of the group.
  return slot.disk.IsRotten(slot.rot->segment.file());
}

bool World::MayRot() {
  // A copy of everything is gone already.
  if (wiped_) return false;
  for (size_t node = 0; node < slots_.size(); ++node) {
    Slot& slot = *slots_[node];
    if (HoldsRot(node)) return false;
    if (!slot.lost_end.has_value()) continue;
    if (!up(node) || !HasRegained(slot, LocalNow(node))) return false;
  }
  return true;
}

bool World::HasRegained(Slot& slot, Now now) {
  const std::vector<GroupId> files = slot.disk.View()->Groups();
  // Before the catalog is there a node does not speak of the group.
  bool regained = std::find(files.begin(), files.end(), *slot.lost_end) == files.end();
  for (const GroupInfo& group : slot.node->Status(now).groups) {
    if (group.group != *slot.lost_end) continue;
    if (!group.repair.empty() || !group.failure.empty()) return false;
    regained = true;
  }
  if (!regained) return false;
  slot.lost_end.reset();
  coverage_.Hit(Probe::kLogEndRegained);
  return true;
}

void World::NoticeRepair(size_t node) {
  Slot& slot = *slots_[node];
  if (!slot.rot.has_value() || slot.rot->repaired) return;
  if (FramesOf(slot.disk, slot.rot->segment) == slot.rot->frames) slot.rot->repaired = true;
}

std::vector<World::Committed> World::LastCommitted(size_t node) const {
  std::vector<Committed> places;
  const Slot& slot = *slots_[node];
  const std::unique_ptr<DirectoryView> view = slot.disk.View();
  for (const GroupId group : view->Groups()) {
    if (!slot.shared.contains(group)) continue;
    const absl::StatusOr<RecoveredGroup> found = RecoverGroup(group, OptionsFor(node).log, *view);
    if (!found.ok() || found->removed()) continue;
    // Of what is known to be committed, and was not written by compaction, the last few entries.
    const LogIndex end = std::min(found->hard_state.commit, found->log->durable_index()) + 1;
    const LogIndex few(end.value() > kLogEndEntries ? end.value() - kLogEndEntries : 1);
    for (LogIndex at = std::max(found->log->compacted_end(), few); at < end; ++at) {
      places.push_back({found->log->RangeOf(at, 1), end - 1});
    }
  }
  return places;
}

void World::RotLogEnd(size_t node) {
  Slot& slot = *slots_[node];
  const uint32_t actor = static_cast<uint32_t>(node);
  const bool quietly = std::exchange(slot.restarts_quietly, false);
  if (calm_ && !quietly) return;
  if (slot.incarnation == 0 || scenario_->log_end_rots == 0) return;
  if (!decisions_.Fault(Site::kLogEndRots, actor, scenario_->log_end_rots)) return;
  if (!MayRot()) return;
  const std::vector<Committed> places = LastCommitted(node);
  if (places.empty()) return;
  const Committed& last = places[decisions_.Below(Site::kLogEndRotEntry, actor, places.size())];
  // What replaces an entry that a checkpoint stands for is repaired from another replica, of which
  // each compacts by itself.
  const bool kept_elsewhere = !scenario_->compact || last.place.file.group == kCatalogGroup;
  if (decisions_.Below(Site::kWriteMisdirected, actor, 2) == 1 && kept_elsewhere) {
    return MisdirectWrite(node, last, places);
  }
  const FileRange& place = last.place;
  const FilePos pos(place.pos.value() +
                    decisions_.Below(Site::kLogEndRotByte, actor, place.length));
  slot.disk.Rot(place.file, pos);
  if (!GivesUpEnd(node, place.file.group, last.committed)) {
    // A start does not read it: RotUnderFaults is about that.
    slot.disk.Unrot(place.file);
    return;
  }
  coverage_.Hit(Probe::kLogEndRotted);
  LosesEnd(node, place.file, absl::StrCat("has rotted at byte ", pos.value()));
}

// Where it should have gone is nothing, and it replaced what was elsewhere: another entry, whole in
// itself where the two are of one length, or the rest of it, of one sector or the other.
void World::MisdirectWrite(size_t node, const Committed& last,
                           const std::vector<Committed>& places) {
  Slot& slot = *slots_[node];
  const FileRange& place = last.place;
  FilePos begin = place.pos;
  uint64_t end = 0;
  for (const Committed& other : places) {
    if (other.place.file != place.file) continue;
    begin = std::min(begin, other.place.pos);
    end = std::max(end, other.place.pos.value() + other.place.length);
  }
  std::vector<FilePos> targets;
  for (const Committed& committed : places) {
    const FileRange& other = committed.place;
    if (other.file != place.file) continue;
    if (other.pos != place.pos) targets.push_back(other.pos);
    const uint64_t apart = place.pos.value() % scenario_->sector_bytes;
    const FilePos aligned(other.pos.value() - other.pos.value() % scenario_->sector_bytes + apart);
    if (aligned > begin && aligned != place.pos) targets.push_back(aligned);
  }
  std::erase_if(targets, [&](FilePos at) { return at.value() + place.length > end; });
  if (targets.empty()) return;
  const FilePos to = targets[decisions_.Below(Site::kWriteMisdirectedTo,
                                              static_cast<uint32_t>(node), targets.size())];
  slot.disk.Misdirect(place.file, place.pos, place.length, to);
  if (!GivesUpEnd(node, place.file.group, last.committed)) {
    slot.disk.Unrot(place.file);
    return;
  }
  coverage_.Hit(Probe::kWriteMisdirected);
  LosesEnd(node, place.file,
           absl::StrCat("has at byte ", to.value(), " what was written at ", place.pos.value()));
}

bool World::GivesUpEnd(size_t node, GroupId group, LogIndex committed) {
  const absl::StatusOr<RecoveredGroup> rotten =
      RecoverGroup(group, OptionsFor(node).log, *slots_[node]->disk.View());
  if (!rotten.ok() || !rotten->given_up.empty()) return true;
  if (rotten->log->durable_index() < committed) {
    verdict_.Fail("repair",
                  absl::StrCat("node ", id(node).value(), " starts as if its log ended at ",
                               rotten->log->durable_index().value(), ": it knew that ",
                               committed.value(), " was committed, and had it"));
  }
  return false;
}

void World::LosesEnd(size_t node, const FileId& file, const std::string& how) {
  Slot& slot = *slots_[node];
  slot.rotten_files.insert(PathOf(file));
  observer_.retention().OnRot(file.group, id(node));
  observer_.compaction().OnRot(file.group);
  slot.lost_end = file.group;
  story_->Tell(PathOf(file), " of ", slot.address, " ", how);
  story_->timeline().OnNode(MarkKind::kRot, node, PathOf(file));
}

bool World::IsRepairable(size_t node, const Rot& rot) const {
  if (rot.segment.sparse) return IsRefetchable(node, rot.segment.group);
  for (size_t other = 0; other < slots_.size(); ++other) {
    const Slot& slot = *slots_[other];
    if (other == node || !up(other)) continue;
    const bool same = slot.rot.has_value() && slot.rot->segment.group == rot.segment.group &&
                      slot.rot->entry == rot.entry && slot.rot->entry != LogIndex(0);
    for (const GroupView& view : slot.node->Groups()) {
      if (view.group == rot.segment.group && !same &&
          view.log->compacted_end() <= rot.segment.base_index &&
          std::min(view.raft->commit(), view.log->durable_index()) + 1 >= rot.segment.end_index) {
        return true;
      }
    }
  }
  return false;
}

// What compaction wrote nobody else has alike: all of the log comes anew from whoever leads, once
// all have what this one lets go of.
bool World::IsRefetchable(size_t node, GroupId group) const {
  for (size_t other = 0; other < slots_.size(); ++other) {
    const Slot& slot = *slots_[other];
    if (!up(other)) return false;
    if (other != node && slot.rot.has_value() && slot.rot->segment.group == group &&
        HoldsRot(other)) {
      return false;
    }
  }
  for (const GroupView& view : slots_[node]->node->Groups()) {
    if (view.group == group) return IsShared(view, id(node));
  }
  return false;
}

std::string World::RotLeft() const {
  for (size_t node = 0; node < slots_.size(); ++node) {
    const Slot& slot = *slots_[node];
    if (!up(node) || !HoldsRot(node)) continue;
    if (slot.rot->found && !IsRepairable(node, *slot.rot)) continue;
    return absl::StrCat("rot in ", PathOf(slot.rot->segment.file()), " of ", slot.address,
                        " is not ", slot.rot->found ? "repaired" : "found");
  }
  return "";
}

bool World::NamesRotten(const Slot& slot, const std::string& text) {
  return std::any_of(slot.rotten_files.begin(), slot.rotten_files.end(),
                     [&](const std::string& path) { return absl::StrContains(text, path); });
}

void World::OnRepaired(size_t node, const std::string& text) {
  Slot& slot = *slots_[node];
  if (!NamesRotten(slot, text)) {
    verdict_.Fail("repair",
                  absl::StrCat("node ", id(node).value(), " repairs what is whole:", text));
    return;
  }
  if (!slot.rot.has_value() || !absl::StrContains(text, PathOf(slot.rot->segment.file()))) return;
  const bool there = HoldsRot(node);  // retention may have been faster
  slot.rot->repaired = true;
  coverage_.Hit(Probe::kRotRepaired);
  if (!calm_) coverage_.Hit(Probe::kRepairUnderFaults);
  if (there && FramesOf(slot.disk, slot.rot->segment) != slot.rot->frames) {
    verdict_.Fail("repair", absl::StrCat("node ", id(node).value(),
                                         " has other frames than before they rotted:", text));
  }
}

void World::OnLogEndGivenUp(size_t node, const Note& note) {
  Slot& slot = *slots_[node];
  coverage_.Hit(Probe::kLogEndGivenUp);
  for (const auto& [key, value] : note.fields) {
    if (key != "damage" || NamesRotten(slot, value)) continue;
    verdict_.Fail("repair", absl::StrCat("node ", id(node).value(),
                                         " gives up the end of a log that is whole: ", value));
  }
  // A full segment that a restart had to read.
  if (!slot.lost_end.has_value() && slot.rot.has_value()) slot.lost_end = slot.rot->segment.group;
}

}  // namespace tidemark::sim
