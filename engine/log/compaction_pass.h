#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "engine/log/compaction.h"
#include "engine/log/index.h"
#include "engine/log/log_impl.h"
#include "engine/log/run_index.h"
#include "engine/log/sparse_writer.h"

namespace tidemark {

// One pass of compaction over the segments of a log: between the Compactor, which decides, and the
// files. Turns the segments [the log's first one, end) into sparse ones (FORMAT.md section 2.1).
//
// Each sparse segment stands for one or several adjacent ones, as many as are sure to fit; it takes
// their place before the next one counts. Its steps, each durable before the next: the frames, the
// header and the runs; the footer, with which it counts; then the old files go.
class CompactionPass final : private CompactionSink {
 public:
  //   Checks  dies unless `end` is the end of a sealed, committed segment of `log`, and behind the
  //           log's checkpoint.
  CompactionPass(Log::Impl* log, const CompactionOptions& options, LogIndex end, WallTime now);

  // As the functions of Log.
  std::optional<FileRange> NextRead() const;
  void OnRead(const FileRange& range, const Bytes& bytes);
  absl::Status Step(const CompactionContext& context, WallTime now, int64_t budget);
  bool has_batch() const { return !outstanding_ && !staged_.sync.empty(); }
  FileBatch TakeBatch();
  void OnBatchDurable();
  // Cancels.
  void OnBatchFailed();

  // Nothing more will be read or staged. What was staged and not taken is dropped, what was begun
  // and not installed is abandoned.
  void Cancel();
  // It has ended, and no batch is outstanding.
  bool over() const { return stage_ == Stage::kOver && !outstanding_; }
  // What was abandoned; when it is over.
  std::vector<FileId> Files() const;
  // The segments below `first` are gone. False: the pass cannot go on without them.
  bool OnPrefixRemoved(LogIndex first);

 private:
  enum class Stage : uint8_t { kFeeding, kRewriting, kOver };
  // Of the sparse segment that is being made.
  enum class OutputStage : uint8_t { kOpen, kData, kFooter };

  void OnSegment(LogIndex begin_index, Offset begin_offset) override;
  void OnFrame(const CompactionFrame& frame, const BatchHeader& header, bool rewritten) override;

  static CompactionRange RangeOf(const Log::Impl& log, const CompactionOptions& options,
                                 WallTime now);
  const Segment& Input() const;
  void OpenInput();
  // Whether all frames of it, which were taken, are those of the log.
  absl::Status CheckInput() const;
  void CloseInput();
  void BeginRewrite(WallTime now);
  // The next frame of the input, if all of it was read; advances over its run.
  absl::StatusOr<std::optional<CompactionFrame>> NextFrame();
  absl::Status Work(const CompactionContext& context, const CompactionFrame& frame,
                    int64_t& budget);
  void OpenOutput();
  // Whether the input behind the one that was just read may join the output.
  bool NextFits() const;
  void CloseOutput(WallTime now);
  void StageFrames();
  // Whether it makes no sense to go on before the disk has done what it has to.
  bool WaitsForDisk() const;

  Log::Impl* const log_;
  const CompactionOptions options_;
  Compactor compactor_;
  Stage stage_ = Stage::kFeeding;
  Offset dirty_begin_;
  LogIndex end_;
  // What the pass makes clean; once all of it was fed, or the table was full.
  std::optional<Offset> clean_end_;

  // The input: the segment that begins at at_, first its sidecar where that is needed.
  LogIndex at_;
  bool opened_ = false;
  bool in_sidecar_ = false;
  uint64_t read_pos_ = 0;  // what was read of the file
  bool cut_short_ = false;
  std::string buffer_;  // what was read and not worked on yet, from buffer_begin_ on
  size_t buffer_begin_ = 0;
  uint64_t frame_pos_ = 0;  // where that is in the segment
  uint64_t wanted_ = 0;     // bytes that the next step needs
  RunIndex runs_;
  size_t next_run_ = 0;
  LogIndex next_index_;
  uint64_t digest_ = 0;  // of the input up to the last frame taken
  WallTime run_time_;

  std::optional<SparseWriter> output_;
  OutputStage output_stage_ = OutputStage::kOpen;
  uint64_t footer_bytes_ = 0;
  CompactionCheckpoint checkpoint_;  // when the output counts
  FileBatch staged_;
  bool outstanding_ = false;
  uint64_t removed_ = 0;  // records, that the log's totals have
};

}  // namespace tidemark
