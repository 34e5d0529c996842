#include "engine/log/segment_replacement.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/log/digest.h"

namespace tidemark {
namespace {

// As the first one was written, but for what only it knew.
SegmentHeader HeaderOf(const SealedSegment& segment, WallTime created) {
  SegmentHeader header{.group = segment.group,
                       .number = segment.number,
                       .base_index = segment.base_index,
                       .base_offset = segment.base_offset,
                       .previous_number = segment.previous_number.value_or(0),
                       .previous_term = segment.previous_term,
                       .previous_digest = segment.base_digest,
                       .created = created,
                       .durable = segment.base_index - 1};
  if (segment.sparse) {
    header.sparse = {.end_index = segment.end_index,
                     .end_offset = segment.end_offset,
                     .last_number = segment.last_number,
                     .end_digest = segment.end_digest};
  }
  return header;
}

}  // namespace

SegmentReplacement::SegmentReplacement(Log::Impl* log, SealedSegment segment,
                                       const ReplacementFiles& files)
    : log_(log),
      segment_(std::move(segment)),
      files_(files),
      times_(Target().runs),
      frames_(segment_),
      staged_pos_(kSegmentHeaderBytes),
      digest_(segment_.base_digest) {
  if (files_.segment) {
    new_segment_ = NewTemporary();
    // The first frame begins a segment.
    const WallTime created =
        times_.empty() ? Target().last_append : WallTime::FromMillis(times_.at(0).append_time_ms);
    staged_.ops.push_back(CreateFile{*new_segment_, segment_.size});
    staged_.ops.push_back(
        WriteFile{*new_segment_,
                  FilePos(0),
                  {Bytes::From(EncodeSegmentHeader(HeaderOf(segment_, created)))}});
    staged_.sync = {*new_segment_};
  }
  complete_ = frames_.at_end();
  Advance();
}

Segment& SegmentReplacement::Target() const {
  Segment& target = log_->segments[log_->SegmentAt(segment_.base_index)];
  TIDEMARK_CHECK_EQ(target.number, segment_.number);
  return target;
}

FileId SegmentReplacement::NewTemporary() {
  return {segment_.group, FileKind::kTemporary, log_->next_number++};
}

size_t SegmentReplacement::room() const {
  if (stage_ != Stage::kFrames || complete_ || pending_.size() >= kReplacementPieceBytes) return 0;
  return std::min<uint64_t>(kReplacementPieceBytes, segment_.size - frames_.end());
}

absl::Status SegmentReplacement::Feed(std::string_view frames) {
  frames_.Add(frames);
  while (!frames_.at_end()) {
    const SealedFrames::Step step = frames_.Look();
    if (step == SealedFrames::Step::kMore) break;
    if (step == SealedFrames::Step::kWrong) {
      return absl::DataLossError(absl::StrCat("what was given for ", PathOf(segment_.file()),
                                              " is refused: at byte ", frames_.pos(), ", ",
                                              std::string(frames_.wrong())));
    }
    if (files_.segment) pending_.append(frames_.frame());
    if (files_.sidecar) AddToSidecar();
    frames_.Pass();
    ++ordinal_;
  }
  if (frames_.at_end()) {
    if (!IsAllOf(segment_, frames_)) {
      return absl::DataLossError(
          absl::StrCat("what was given for ", PathOf(segment_.file()),
                       " is refused: the frames are intact, but not those of this log"));
    }
    complete_ = true;
  }
  Advance();
  return absl::OkStatus();
}

void SegmentReplacement::AddToSidecar() {
  const BatchHeader& header = frames_.header();
  const uint64_t interval = std::max<uint64_t>(log_->options.index_interval_bytes, 1);
  if (run_.count > 0 && (header.leader_epoch != Term(run_.term) || run_.length >= interval)) {
    EndRun();
  }
  if (run_.count == 0) {
    run_ = {.pos = static_cast<uint32_t>(frames_.pos()),
            .first = ordinal_,
            .first_offset = static_cast<uint32_t>(header.base_offset - segment_.base_offset),
            .term = static_cast<uint32_t>(header.leader_epoch.value())};
    run_.append_time_ms = times_.at(times_.FindPos(run_.pos)).append_time_ms;
  }
  ++run_.count;
  run_.length += static_cast<uint32_t>(header.total_bytes());
  digest_ = DigestFrame(digest_, frames_.frame());
}

void SegmentReplacement::EndRun() {
  if (run_.count == 0) return;
  run_.durable = static_cast<uint32_t>(segment_.end_index - segment_.base_index);
  run_.committed = run_.durable;
  run_.digest = digest_;
  AppendIndexEntry(run_, {}, chain_, sidecar_);
  run_ = {};
}

void SegmentReplacement::StagePiece() {
  const uint64_t pos = std::exchange(staged_pos_, staged_pos_ + pending_.size());
  staged_.ops.push_back(
      WriteFile{*new_segment_, FilePos(pos), {Bytes::From(std::exchange(pending_, {}))}});
  staged_.sync = {*new_segment_};
}

void SegmentReplacement::Advance() {
  if (outstanding_) return;
  if (stage_ == Stage::kFrames) {
    const bool piece =
        pending_.size() >= kReplacementPieceBytes || (complete_ && !pending_.empty());
    // What creates the file takes the first piece along.
    if (piece && (staged_.empty() || staged_pos_ == kSegmentHeaderBytes)) StagePiece();
    if (!complete_ || !staged_.empty()) return;
    if (files_.segment) {
      staged_.ops.push_back(RenameFile{*new_segment_, segment_.file()});
      stage_ = Stage::kNameSegment;
    } else {
      StageSidecar();
    }
  }
}

void SegmentReplacement::StageSidecar() {
  if (!files_.sidecar || cancelled_) {
    stage_ = Stage::kOver;
    return;
  }
  EndRun();
  stage_ = Stage::kSidecar;
  new_sidecar_ = NewTemporary();
  std::string bytes(IndexFileHeader());
  bytes += sidecar_;
  sidecar_ = {};
  SegmentFooter footer = log_->FooterOf(Target());
  index_bytes_ = bytes.size();
  footer.index_bytes = static_cast<uint32_t>(index_bytes_);
  const std::string encoded = EncodeFooter(footer);
  footer_bytes_ = encoded.size();
  bytes += encoded;
  staged_.ops.push_back(CreateFile{*new_sidecar_, 0});
  staged_.ops.push_back(WriteFile{*new_sidecar_, FilePos(0), {Bytes::From(std::move(bytes))}});
  staged_.sync = {*new_sidecar_};
}

FileBatch SegmentReplacement::TakeBatch() {
  TIDEMARK_CHECK(has_batch());
  outstanding_ = true;
  return std::exchange(staged_, {});
}

void SegmentReplacement::OnBatchDurable() {
  TIDEMARK_CHECK(outstanding_);
  outstanding_ = false;
  switch (stage_) {
    case Stage::kFrames:
      Advance();
      return;
    case Stage::kNameSegment:
      new_segment_.reset();
      // It has no room for more frames.
      if (!removed_) Target().capacity = segment_.size;
      StageSidecar();
      return;
    case Stage::kSidecar:
      staged_.ops.push_back(RenameFile{*new_sidecar_, segment_.sidecar()});
      stage_ = Stage::kNameSidecar;
      return;
    case Stage::kNameSidecar:
      new_sidecar_.reset();
      if (!removed_) InstallSidecar();
      stage_ = Stage::kOver;
      return;
    case Stage::kOver:
      return;
  }
}

void SegmentReplacement::InstallSidecar() {
  Segment& target = Target();
  if (!target.coarse) log_->table_bytes -= target.runs.bytes();
  target.runs = target.runs.Coarser(kFooterRunsMax);
  target.coarse = true;
  target.marks = {};
  target.index_bytes = index_bytes_;
  target.index_chain = chain_;
  target.footer_bytes = footer_bytes_;
}

void SegmentReplacement::Cancel() {
  cancelled_ = true;
  if (outstanding_ && renaming()) return;
  stage_ = Stage::kOver;
  staged_ = {};
  pending_ = {};
}

void SegmentReplacement::OnSegmentRemoved() {
  removed_ = true;
  Cancel();
}

std::vector<FileId> SegmentReplacement::Files() const {
  std::vector<FileId> files;
  for (const auto& file : {new_segment_, new_sidecar_}) {
    if (file.has_value()) files.push_back(*file);
  }
  // The removal may have come before the name.
  if (removed_) {
    files.push_back(segment_.file());
    files.push_back(segment_.sidecar());
  }
  return files;
}

}  // namespace tidemark
