#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "engine/log/index.h"
#include "engine/log/log_impl.h"
#include "engine/log/sealed_frames.h"

namespace tidemark {

// The replacement of one full segment's files (Log::BeginReplacement). What is made has another
// name until it is durable, and then takes the place of the old file in one step: the segment
// first, then the sidecar. Each batch is durable before the next.
//   Memory  the sidecar, two pieces (kReplacementPieceBytes) and a frame that has come in part.
class SegmentReplacement {
 public:
  SegmentReplacement(Log::Impl* log, SealedSegment segment, const ReplacementFiles& files);

  uint64_t number() const { return segment_.number; }
  // As the functions of Log.
  uint64_t pos() const { return frames_.end(); }
  size_t room() const;
  absl::Status Feed(std::string_view frames);
  bool has_batch() const { return !outstanding_ && !staged_.empty(); }
  FileBatch TakeBatch();
  void OnBatchDurable();

  // Nothing more is begun. A file that is about to get its name gets it.
  void Cancel();
  // The segment is no longer part of the log.
  void OnSegmentRemoved();
  // It has ended, and no batch is outstanding.
  bool over() const { return stage_ == Stage::kOver && !outstanding_; }
  // Whether a name may be changing, so that readers find the old or the new file.
  bool renaming() const { return stage_ == Stage::kNameSegment || stage_ == Stage::kNameSidecar; }
  // Files that are not part of the log, or will not be.
  std::vector<FileId> Files() const;

 private:
  enum class Stage : uint8_t { kFrames, kNameSegment, kSidecar, kNameSidecar, kOver };

  FileId NewTemporary();
  void AddToSidecar();
  void EndRun();
  void StagePiece();
  // Stages what comes next, if nothing is staged or outstanding.
  void Advance();
  void StageSidecar();
  void InstallSidecar();
  // The segment in the log, which must still be there.
  Segment& Target() const;

  Log::Impl* const log_;
  const SealedSegment segment_;
  const ReplacementFiles files_;
  const RunIndex times_;  // when its frames were appended
  Stage stage_ = Stage::kFrames;
  bool cancelled_ = false;
  bool removed_ = false;
  SealedFrames frames_;
  bool complete_ = false;
  std::string pending_;  // verified frames, not staged yet
  uint64_t staged_pos_;  // where they belong

  std::optional<FileId> new_segment_;
  std::optional<FileId> new_sidecar_;
  IndexEntry run_;  // under way; count 0: none is
  uint64_t digest_;
  uint32_t ordinal_ = 0;
  uint32_t chain_ = 0;
  std::string sidecar_;
  uint64_t footer_bytes_ = 0;
  uint64_t index_bytes_ = 0;

  FileBatch staged_;
  bool outstanding_ = false;
};

}  // namespace tidemark
