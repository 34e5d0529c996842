#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/base/bytes.h"
#include "engine/base/ids.h"
#include "engine/base/time.h"
#include "engine/log/log.h"
#include "engine/log/segment_scrub.h"

// Reading again and again what was written long ago: a disk tells of damage only to whoever reads,
// and while the other replicas are still whole is the time to know.

namespace tidemark {

struct ScrubOptions {
  // At most so many bytes are read on average. 0: there are no passes, and what LookAt names is
  // read at this default.
  uint64_t bytes_per_second = 4u << 20;
  // From the end of one pass to the beginning of the next.
  Duration pause = Duration::Seconds(3600);
};

// The logs that a scrubber looks after.
class ScrubLogs {
 public:
  virtual ~ScrubLogs() = default;
  // The first group behind `group`, of all of them if there is none given; nullopt: no more.
  virtual std::optional<GroupId> After(std::optional<GroupId> group) const = 0;
  // Its log; null if it is gone, or not to be looked at now.
  virtual const Log* Find(GroupId group) const = 0;
};

struct ScrubProgress {
  // Passes that went through all logs, and how long the last one took.
  uint64_t passes = 0;
  Duration last_pass;
  // Of the pass under way, or the last one in a pause: bytes looked at, those there were at its
  // beginning, segments with findings.
  uint64_t pass_bytes = 0;
  uint64_t pass_bytes_total = 0;
  uint64_t damaged_segments = 0;
  // Since the scrubber was made.
  uint64_t bytes = 0;
  uint64_t findings = 0;
  // What is being looked at; file.number 0 in a pause.
  FileId file;
  FilePos pos;
};

// Goes through the full segments of all logs, group by group, from the oldest to the newest, one
// read at a time and never faster than it is told, and begins anew after a pause. Segments that go
// meanwhile (retention, compaction) are passed over. Damage is reported again in each pass.
class Scrubber {
 public:
  Scrubber(const ScrubOptions& options, Instant now);

  // What to read now, if it is time; answered by OnRead before the next one is given. Reads are
  // full: DataLoss stands for a file that ends before.
  std::optional<ScrubRead> TakeRead(Instant now, const ScrubLogs& logs);
  // Somebody has seen damage that may be of `segment`: it is next, in a pause as well. No more
  // than kScrubSuspectsMax wait; who saw it will see it again.
  void LookAt(const SealedSegment& segment);
  void OnRead(Instant now, const ScrubLogs& logs, const absl::StatusOr<Bytes>& bytes);
  // When to ask again; never while a read is under way.
  Instant next_deadline() const;

  // How long reading so much may take at least.
  Duration CostOf(uint64_t bytes) const;

  const ScrubProgress& progress() const { return progress_; }
  // Since the last call.
  std::vector<Finding> TakeFindings();

 private:
  void BeginPass(Instant now, const ScrubLogs& logs);
  void EndPass(Instant now);
  // Makes segment_ one that somebody named; false: nobody did.
  bool FindSuspect(const ScrubLogs& logs);
  // Makes segment_ the next one; false: there are no more in this pass.
  bool FindSegment(const ScrubLogs& logs);
  // Whether segment_ is still part of its log.
  bool IsThere(const ScrubLogs& logs) const;
  void CloseSegment();

  ScrubOptions options_;
  Instant next_;     // no read before
  Instant pass_at_;  // no pass before
  bool in_pass_ = false;
  Instant pass_begun_;
  std::optional<GroupId> group_;
  LogIndex after_;  // of the group: entries up to here are done
  std::optional<SegmentScrub> segment_;
  bool suspected_ = false;  // segment_ is not the pass's
  std::vector<SealedSegment> suspects_;
  std::optional<ScrubRead> outstanding_;
  int tries_ = 0;
  ScrubProgress progress_;
  std::vector<Finding> findings_;
};

}  // namespace tidemark
