#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/ids.h"
#include "engine/raft/raft.h"

namespace tidemark::sim::explore {

// A log in memory that knows what of it still has to be written: what engine/log is to a replica,
// without files. An entry names its index, its term and who made it, so two that were made apart
// never look alike.
class DiskLog final : public raft::RaftLog {
 public:
  // One step of a write.
  struct Op {
    LogIndex cut;  // non-zero: everything from here on goes
    Entry entry;   // else this comes behind the last one
  };

  // `self` makes entries; `disk` is what recovery found.
  DiskLog(NodeId self, std::vector<Entry> disk);

  LogIndex first_index() const override { return LogIndex{1}; }
  LogIndex last_index() const override { return LogIndex{entries_.size()}; }
  Term last_term() const override;
  std::optional<Term> TermAt(LogIndex index) const override;
  LogIndex durable_index() const override { return durable_; }
  void Append(const Entry& entry) override;
  void TruncateSuffix(LogIndex from) override;
  void AppendNoop(Term term) override;
  void AppendConfChange(Term term, const raft::ConfChange& change) override;
  std::optional<raft::ConfChange> ConfChangeAt(LogIndex index) const override;
  EntryList Entries(LogIndex first, uint64_t max_bytes, size_t max_entries) override;
  void ReadAsync(NodeId to, LogIndex first, uint64_t max_bytes) override;

  // A client's record.
  void AppendRecord(Term term);

  bool has_staged() const { return !staged_.empty(); }
  // What the next write carries. WriteDone when it is durable; cuts since do not count.
  std::vector<Op> TakeStaged();
  void WriteDone();

  const std::vector<Entry>& entries() const { return entries_; }
  void AppendFingerprint(std::string& out) const;

 private:
  void Make(Term term, EntryKind kind, uint32_t span, std::string frame);

  NodeId self_;
  std::vector<Entry> entries_;
  LogIndex durable_;
  LogIndex writing_;
  std::vector<Op> staged_;
};

// The first `count` of `ops`, done to `disk`.
void Replay(const std::vector<DiskLog::Op>& ops, size_t count, std::vector<Entry>& disk);

void AppendFingerprint(const Entry& entry, std::string& out);
void AppendFingerprint(const std::vector<DiskLog::Op>& ops, std::string& out);

// 64 bits that two entries share only if they are the same: for comparing logs.
uint64_t CodeOf(const Entry& entry);
inline uint64_t TermOfCode(uint64_t code) { return code >> 32; }

}  // namespace tidemark::sim::explore
