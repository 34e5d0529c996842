#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/log/batch.h"
#include "engine/log/hard_state.h"
#include "engine/log/log.h"
#include "engine/log/recovery.h"
#include "tests/engine/log/memory_disk.h"

namespace tidemark {

inline constexpr GroupId kModelGroup{7};

// A log on a MemoryDisk with the simplest possible model beside it: the list of its entries, how
// many of them the disk has promised to keep, and what the log was before it was cut. The model
// knows the contracts of engine/log/log.h and nothing of files; tests that damage or crash the disk
// ask it what may be left.
class LogModel : private CheckpointSource {
 public:
  struct Item {
    std::string frame;
    Term term;
    EntryKind kind = EntryKind::kData;
    uint32_t span = 0;
    Offset end;           // first offset behind it
    int64_t wall_ms = 0;  // as the caller's clock said, which may go back
  };
  using ItemPtr = std::shared_ptr<const Item>;
  // Entries 1, 2, ... of a log.
  using Version = std::vector<ItemPtr>;

  // What recovery made of some files.
  struct Recovered {
    absl::Status status;
    std::optional<Log> log;
    HardStateRecord hard;
    Version version;
    // What is wrong with it, if anything is. A refusal is in `status`, and is not wrong by itself.
    std::string wrong;
  };

  // What must be left, as lengths of the current version.
  struct Promise {
    size_t kept = 0;         // no less than this is found
    size_t vouched_max = 0;  // no more than this is called durable, unless it was in a former state
    size_t vouched_min = 0;  // no less than this is known to be durable
    // The disk was damaged: entries that were replaced may be there again, where nobody vouched for
    // what replaced them; and a hard state may be gone that was found, but never reported durable.
    bool damaged = false;
  };

  explicit LogModel(const LogOptions& options);
  LogModel(LogModel&&) = default;
  LogModel& operator=(LogModel&&) = default;

  // --- The log's life. Each may be called at any time its comment allows.

  // `records` 0: a control frame.
  void Append(uint32_t records, size_t value_bytes, Term term, int64_t wall_ms);
  // Above committed() only.
  void Cut(LogIndex from);
  // Raft decided that entries up to `index` are committed; it is durable before it says so.
  void Commit(LogIndex index);
  // A new term or vote must be durable with the next flush, which carries the commit index along.
  void ChangeHardState(Term term, NodeId vote);
  // Wants entries below `first_kept` (at most committed()) removed: once the hard state says so.
  void CutPrefix(LogIndex first_kept);

  bool flushing() const { return batch_.has_value(); }
  bool can_flush() const {
    return !flushing() && (log_->has_staged() || unsaved_.has_value() || start_unsaved_);
  }
  // Takes a flush's batch; nothing of it is executed yet.
  void BeginFlush();
  // Executes the next operation of the flush under way; false: there is none left.
  bool ApplyNext();
  // Executes what is left, syncs and reports completion.
  void CompleteFlush();
  // Completion after the caller has executed and synced all of batch().
  void ReportDurable();
  const FileBatch& batch() const { return *batch_; }
  void FlushAll();

  // --- Ends of a life.

  // What survives when the process dies, or the machine does.
  Promise AfterProcessDeath() const {
    return {.kept = applied_, .vouched_max = durable_, .vouched_min = vouched_};
  }
  Promise AfterPowerLoss() const { return {.kept = durable_, .vouched_max = SIZE_MAX}; }
  // Recovers a log from `image` and compares it with what may be left. Changes nothing here.
  Recovered Judge(const DiskImage& image, const Promise& promise) const;
  // Goes on as `recovered` found things on the disk, which holds them for good if `power_lost`.
  void Adopt(Recovered recovered, bool power_lost);
  // The model of a node that restarts with `image` after a power loss.
  LogModel Restarted(const DiskImage& image, Recovered recovered) const;

  // What recovery makes of damage to a disk that this model was just restarted with.
  enum class Damage { kRefused, kCostEntries, kHarmless };
  // Entries that recovery knew to be durable are refused or served right; of the others a beginning
  // is. What is accepted can be built upon. Empty, or what is wrong.
  std::string JudgeDamage(const DiskImage& damaged, Damage& outcome) const;

  // --- Judgements. Empty, or what is wrong.

  // Everything that can be asked about the log, and every durable byte of it.
  std::string Check() const;
  std::string CheckRead(LogIndex first, uint64_t max_bytes) const;
  std::string CheckReadOffset(Offset offset, LogIndex limit, uint64_t max_bytes) const;
  std::string CheckTime(int64_t wall_ms) const;
  std::string CheckCache(LogIndex first, uint64_t max_bytes, size_t max_entries) const;

  MemoryDisk& disk() { return disk_; }
  const MemoryDisk& disk() const { return disk_; }
  Log& log() { return *log_; }
  const Log& log() const { return *log_; }
  const Version& version() const { return current_; }
  size_t durable() const { return durable_; }
  LogIndex committed() const { return committed_; }
  LogIndex last() const { return LogIndex(current_.size()); }
  Term term() const { return current_.empty() ? Term(0) : current_.back()->term; }
  const HardStateRecord& hard_state() const { return hard_; }

 private:
  // A state the log was in, and how much of it was durable then.
  struct Former {
    Version version;
    size_t durable = 0;
    bool possible = true;  // not durably replaced since
  };

  // The version that begins with what recovery found, cut to that length.
  std::optional<Version> Match(LogIndex first, const std::vector<std::string_view>& frames,
                               bool also_impossible) const;
  // How many entries of `version` the disk has promised to keep.
  size_t DurableIn(const Version& version) const;
  std::string JudgeRecovered(const DiskImage& image, const Promise& promise,
                             const Recovered& recovered) const;
  void BatchApplied();
  void ForgetImpossible();

  LogOptions options_;
  MemoryDisk disk_;
  void RemovePrefix();
  void AppendState(std::string& out) const override;

  std::optional<Log> log_;
  Version current_;
  // What the log was before it was cut or lost its end.
  std::vector<Former> former_;
  // Lengths of `current_`: what the disk keeps whatever happens; what the page cache holds; what
  // the log knows to be durable; what the flush under way makes so; what recovery found.
  size_t durable_ = 0;
  size_t applied_ = 0;
  size_t claimed_ = 0;
  size_t taken_ = 0;
  size_t recovered_ = 0;
  // What was known to be durable at the last append: the flush that carries it writes that down
  // for the segment it is in, and from its completion on recovery knows.
  size_t known_at_append_ = 0;
  size_t appended_ = 0;  // entries appended since the last flush began
  size_t taken_vouch_ = 0;
  size_t vouched_ = 0;
  LogIndex committed_;
  LogIndex first_kept_{1};
  bool start_unsaved_ = false;

  std::optional<FileBatch> batch_;
  size_t applied_ops_ = 0;
  bool batch_has_log_ = false;
  std::optional<std::pair<Term, NodeId>> unsaved_;
  HardStateRecord hard_;                       // what a crash leaves at least
  HardStateRecord hard_reported_;              // in the last flush that completed
  std::vector<HardStateRecord> hard_written_;  // in flushes that have not completed
  uint64_t serial_ = 0;                        // makes every frame different
  std::optional<int64_t> last_wall_;
  bool clock_went_back_ = false;  // latest that was ever given
};

// Whether all that differs between two states of the disk are terms in headers of frames. The
// frames' checksums leave them out; what contradicts a raised one is the sidecar, if it is there,
// and the frame behind it, if that must be there.
bool OnlyTermsDiffer(const DiskImage& before, const DiskImage& after);

// Whether a segment no longer looks like one, but like a file that is not written yet.
bool LosesAHeader(const DiskImage& before, const DiskImage& after);

}  // namespace tidemark
