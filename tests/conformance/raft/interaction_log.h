#pragma once

#include <optional>
#include <span>
#include <vector>

#include "engine/base/ids.h"
#include "engine/log/entry.h"
#include "engine/raft/raft.h"
#include "engine/raft/types.h"
#include "tests/conformance/raft/wire.h"

namespace tidemark::conformance {

// The log of one node of an interaction script, in two parts as etcd-io/raft has it: entries that
// are not known to be stored, of which a Ready has handed out some, and the storage behind them.
// Both matter: `raft-log` prints the storage alone.
//   Source  etcd-io/raft v3.6, log_unstable.go, storage.go (MemoryStorage).
class InteractionLog final : public raft::RaftLog {
 public:
  // Begins behind `snapshot`, which is stored; index 0: empty.
  explicit InteractionLog(raft::SnapshotMeta snapshot);

  LogIndex first_index() const override;
  LogIndex last_index() const override { return offset_ + unstable_.size() - 1; }
  Term last_term() const override { return *TermAt(last_index()); }
  std::optional<Term> TermAt(LogIndex index) const override;
  LogIndex durable_index() const override { return durable_; }
  void Append(const Entry& entry) override;
  void TruncateSuffix(LogIndex from) override;
  void AppendNoop(Term term) override { AppendNew(term, Payload{}); }
  void AppendConfChange(Term term, const raft::ConfChange& change) override;
  std::optional<raft::ConfChange> ConfChangeAt(LogIndex index) const override;
  std::optional<raft::SnapshotMeta> Snapshot() const override { return applied_state_; }
  EntryList Entries(LogIndex first, uint64_t max_bytes, size_t max_entries) override;
  // Everything is in memory.
  void ReadAsync(NodeId to, LogIndex first, uint64_t max_bytes) override;

  // Adds an entry of a leader's own at the end.
  void AppendNew(Term term, Payload payload);
  // How the next change of members is written.
  void set_conf_change_kind(Payload::Kind kind) { conf_change_kind_ = kind; }
  // Entries that a leader appended by itself (AppendNew, AppendNoop, AppendConfChange) so far.
  size_t own_appends() const { return own_appends_; }
  const Entry& At(LogIndex index) const;

  // The unstable part.
  LogIndex unstable_offset() const { return offset_; }
  bool has_unstable() const { return !unstable_.empty(); }
  std::vector<Entry> NextUnstable() const;
  // The first entry that no Ready has handed out.
  LogIndex next_unstable() const { return in_progress_; }
  bool has_next_unstable() const { return in_progress_ <= last_index(); }
  bool has_snapshot() const { return snapshot_.has_value(); }
  // A snapshot that no Ready has handed out.
  std::optional<raft::SnapshotMeta> NextSnapshot() const;
  // A Ready hands out all that is new.
  void AcceptUnstable();
  // The entries up to this one are stored; nothing happens if it is not the one that is here.
  void StableTo(LogIndex index, uint64_t shown_term);
  void SnapshotStableTo(LogIndex index);
  // Replaces everything.
  void Restore(const raft::SnapshotMeta& snapshot);

  // The storage.
  void Store(std::span<const Entry> entries);
  void StoreSnapshot(const raft::SnapshotMeta& snapshot);
  // Forgets the entries up to `to`; false if they are gone already.
  //   Checks  dies behind the end.
  bool Compact(LogIndex to);
  std::span<const Entry> stored() const { return stored_; }
  LogIndex stored_first() const { return before_stored_ + 1; }
  LogIndex stored_last() const { return before_stored_ + stored_.size(); }

  // What the engine may count as durable.
  void set_durable(LogIndex index) { durable_ = index; }
  // What a snapshot made now would hold.
  void set_applied_state(raft::SnapshotMeta meta) { applied_state_ = std::move(meta); }

 private:
  // The entry before stored_.front(), or where the storage begins.
  LogIndex before_stored_;
  Term before_stored_term_;
  std::vector<Entry> stored_;

  // unstable_ begins at offset_; a Ready has handed out what is below in_progress_.
  LogIndex offset_;
  LogIndex in_progress_;
  std::vector<Entry> unstable_;
  std::optional<raft::SnapshotMeta> snapshot_;
  bool snapshot_in_progress_ = false;

  LogIndex durable_;
  std::optional<raft::SnapshotMeta> applied_state_;
  Payload::Kind conf_change_kind_ = Payload::Kind::kConfChangeV2;
  size_t own_appends_ = 0;
};

}  // namespace tidemark::conformance
