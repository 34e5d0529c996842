#include "engine/log/compaction_pass.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/base/status_macros.h"
#include "engine/log/digest.h"

namespace tidemark {
namespace {

// Segments end where those do that are read, not where the Compactor would end them.
CompactorOptions OptionsOf(const CompactionOptions& options) {
  return {.segment_bytes = kSegmentBytesMax,
          .keys_max = options.keys_max,
          .tombstone_retention = options.tombstone_retention,
          .seed = options.seed};
}

bool Fits(uint64_t distance) { return distance <= UINT32_MAX; }

}  // namespace

CompactionRange CompactionPass::RangeOf(const Log::Impl& log, const CompactionOptions& options,
                                        WallTime now) {
  const Segment& first = log.segments.front();
  const Offset dirty = std::max(log.compacted.clean_end, first.base_offset);
  const Offset settled = SettledEnd(log.compacted, now, options.tombstone_retention);
  return {.begin_index = first.base_index,
          .begin_offset = first.base_offset,
          .begins_at_log_start = true,
          .dirty_begin = dirty,
          .settled_end = std::min(settled, dirty)};
}

CompactionPass::CompactionPass(Log::Impl* log, const CompactionOptions& options, LogIndex end,
                               WallTime now)
    : log_(log),
      options_(options),
      compactor_(OptionsOf(options), RangeOf(*log, options, now)),
      dirty_begin_(RangeOf(*log, options, now).dirty_begin),
      end_(end),
      checkpoint_(log->compacted) {
  // The first segment with something that no pass has seen.
  const auto dirty =
      std::find_if(log->segments.begin(), log->segments.end(),
                   [&](const Segment& each) { return each.end() > log->compacted.clean_end; });
  TIDEMARK_CHECK(dirty != log->segments.end());
  TIDEMARK_CHECK_LT(dirty->base_index, end);
  at_ = dirty->base_index;
}

const Segment& CompactionPass::Input() const { return log_->segments[log_->SegmentAt(at_)]; }

void CompactionPass::OpenInput() {
  const Segment& input = Input();
  TIDEMARK_CHECK_EQ(input.base_index, at_);
  opened_ = true;
  buffer_.clear();
  buffer_begin_ = 0;
  next_index_ = input.base_index;
  digest_ = input.base_digest;
  run_time_ = WallTime();
  runs_ = {};
  next_run_ = 0;
  // The first reading needs neither exact indexes nor times.
  in_sidecar_ = stage_ == Stage::kRewriting && input.coarse && input.has_index;
  if (stage_ == Stage::kRewriting) runs_ = input.runs;
  frame_pos_ = kSegmentHeaderBytes;
  read_pos_ = in_sidecar_ ? 0 : kSegmentHeaderBytes;
  wanted_ = in_sidecar_ ? input.index_bytes : std::min<uint64_t>(1, input.size - frame_pos_);
}

void CompactionPass::CloseInput() {
  at_ = Input().end_index();
  opened_ = false;
}

std::optional<FileRange> CompactionPass::NextRead() const {
  if (stage_ == Stage::kOver || !opened_ || WaitsForDisk() ||
      buffer_.size() - buffer_begin_ >= wanted_) {
    return std::nullopt;
  }
  const Segment& input = Input();
  const uint64_t size = in_sidecar_ ? input.index_bytes : input.size;
  if (read_pos_ >= size) return std::nullopt;
  return FileRange{
      .file = in_sidecar_ ? log_->IndexFile(input) : log_->SegmentFile(input),
      .pos = FilePos(read_pos_),
      .length = static_cast<uint32_t>(std::min<uint64_t>(kCompactionPieceBytes, size - read_pos_)),
      .first_index = input.base_index,
      .first_offset = input.base_offset};
}

void CompactionPass::OnRead(const FileRange& range, const Bytes& bytes) {
  if (NextRead() != range) return;
  const bool short_read = bytes.size() != range.length;
  cut_short_ = short_read && !in_sidecar_;
  if (cut_short_) return;
  buffer_.erase(0, std::exchange(buffer_begin_, 0));
  buffer_.append(bytes.view());
  // The end of a sidecar may be staged yet. Without it the few runs in memory do.
  if (short_read) wanted_ = buffer_.size();
  read_pos_ += range.length;
}

absl::StatusOr<std::optional<CompactionFrame>> CompactionPass::NextFrame() {
  const Segment& input = Input();
  const auto damaged = [&](absl::string_view what) {
    return absl::DataLossError(absl::StrCat(PathOf(log_->SegmentFile(input)),
                                            " cannot be compacted: at byte ", frame_pos_, ", ",
                                            what));
  };
  const std::string_view rest = std::string_view(buffer_).substr(buffer_begin_);
  const uint64_t left = input.size - frame_pos_;
  if (left < kBatchHeaderBytes) return damaged("no frame fits");
  wanted_ = kBatchHeaderBytes;
  if (rest.size() < wanted_) return std::nullopt;
  const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(rest);
  if (!header.ok()) return damaged(header.status().message());
  wanted_ = header->total_bytes();
  if (wanted_ > left) return damaged("a frame reaches past the last one");
  if (rest.size() < wanted_) return std::nullopt;
  while (next_run_ < runs_.size() && runs_.at(next_run_).pos <= frame_pos_) {
    const FrameRun run = runs_.at(next_run_++);
    run_time_ = WallTime::FromMillis(run.append_time_ms);
    next_index_ = std::max(next_index_, input.base_index + run.first);
  }
  if (next_index_ >= input.end_index()) return damaged("there are too many frames");
  if (header->base_offset < input.base_offset ||
      header->base_offset + header->offset_span() > input.end()) {
    return damaged("a frame has an offset of another segment");
  }
  return CompactionFrame{
      .index = next_index_, .append_time = run_time_, .bytes = rest.substr(0, wanted_)};
}

absl::Status CompactionPass::Work(const CompactionContext& context, const CompactionFrame& frame,
                                  int64_t& budget) {
  using Progress = Compactor::Progress;
  Progress progress = Progress::kDone;
  if (stage_ == Stage::kRewriting) {
    TIDEMARK_ASSIGN_OR_RETURN(progress, compactor_.Rewrite(frame, context, *this, budget));
  } else {
    TIDEMARK_ASSIGN_OR_RETURN(const BatchHeader header, DecodeBatchHeader(frame.bytes));
    // The rest of a segment of which the last pass took a part.
    if (header.base_offset >= compactor_.clean_end()) {
      TIDEMARK_ASSIGN_OR_RETURN(progress, compactor_.FeedDirty(frame, budget));
    }
  }
  if (progress == Progress::kMore) return absl::OkStatus();
  if (progress == Progress::kFull) {
    // What begins behind what the table could take is left for another pass.
    end_ = frame.index > Input().base_index ? Input().end_index() : Input().base_index;
    clean_end_ = compactor_.clean_end();
    at_ = end_;
    opened_ = false;
    return absl::OkStatus();
  }
  digest_ = DigestFrame(digest_, frame.bytes);
  buffer_begin_ += frame.bytes.size();
  frame_pos_ += frame.bytes.size();
  next_index_ = frame.index + 1;
  const uint64_t left = Input().size - frame_pos_;
  wanted_ = std::min<uint64_t>(left, 1);
  if (left == 0) {
    TIDEMARK_RETURN_IF_ERROR(CheckInput());
    CloseInput();
  }
  return absl::OkStatus();
}

// A frame's checksum does not cover where in the log it belongs, nor its term. What is written
// vouches for what was read, which goes: a term that the disk has changed would be the term.
absl::Status CompactionPass::CheckInput() const {
  const Segment& input = Input();
  if (digest_ == (input.sparse ? input.sparse->digest : input.digest)) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(PathOf(log_->SegmentFile(input)),
                                          " cannot be compacted: its frames are intact, but not "
                                          "those of this log"));
}

void CompactionPass::BeginRewrite(WallTime now) {
  compactor_.BeginRewrite(now);
  stage_ = Stage::kRewriting;
  at_ = log_->segments.front().base_index;
  // A removed prefix took all of it.
  if (at_ >= end_) {
    stage_ = Stage::kOver;
    return;
  }
  if (!clean_end_.has_value()) clean_end_ = log_->segments[log_->SegmentAt(end_ - 1)].end();
  // The table was full before it had taken a batch.
  if (*clean_end_ <= dirty_begin_) stage_ = Stage::kOver;
}

absl::Status CompactionPass::Step(const CompactionContext& context, WallTime now, int64_t budget) {
  if (cut_short_ && stage_ != Stage::kOver) {
    return absl::DataLossError(absl::StrCat("segment ", Input().number, " of group ",
                                            log_->group.value(),
                                            " cannot be compacted: it is cut short"));
  }
  while (budget > 0 && stage_ != Stage::kOver && !WaitsForDisk()) {
    if (!opened_ && at_ >= end_) {
      if (stage_ == Stage::kFeeding) {
        BeginRewrite(now);
      } else {
        stage_ = Stage::kOver;
      }
      continue;
    }
    if (!opened_) {
      OpenInput();
      if (stage_ == Stage::kRewriting && !output_.has_value()) OpenOutput();
      if (Input().size == kSegmentHeaderBytes) CloseInput();
    } else if (buffer_.size() - buffer_begin_ < wanted_) {
      return absl::OkStatus();
    } else if (in_sidecar_) {
      std::optional<RunIndex> runs = RunsIn(Input(), buffer_);
      if (!runs.has_value() && Input().sparse.has_value()) {
        return absl::DataLossError(absl::StrCat(PathOf(log_->IndexFile(Input())),
                                                " is damaged: without it its segment ",
                                                "cannot be compacted again"));
      }
      if (runs.has_value()) runs_ = *std::move(runs);
      in_sidecar_ = false;
      buffer_.clear();
      read_pos_ = kSegmentHeaderBytes;
      wanted_ = std::min<uint64_t>(1, Input().size - frame_pos_);
    } else {
      TIDEMARK_ASSIGN_OR_RETURN(const std::optional<CompactionFrame> frame, NextFrame());
      if (!frame.has_value()) return absl::OkStatus();
      TIDEMARK_RETURN_IF_ERROR(Work(context, *frame, budget));
    }
    if (!opened_ && output_.has_value() && !NextFits()) CloseOutput(now);
    if (output_.has_value() && output_->pending_bytes() >= kCompactionPieceBytes) StageFrames();
  }
  return absl::OkStatus();
}

void CompactionPass::OnSegment(LogIndex, Offset) {}

void CompactionPass::OnFrame(const CompactionFrame& frame, const BatchHeader& header, bool) {
  output_->Add(frame, header);
}

void CompactionPass::OpenOutput() {
  output_.emplace(log_->next_number++, Input(),
                  std::max<uint64_t>(log_->options.index_interval_bytes, 1));
  output_stage_ = OutputStage::kOpen;
  staged_.ops.push_back(CreateFile{log_->SegmentFile(output_->segment()), 0});
  staged_.ops.push_back(CreateFile{log_->IndexFile(output_->segment()), 0});
}

bool CompactionPass::NextFits() const {
  if (at_ >= end_) return false;
  const Segment& next = Input();
  return output_->size() + next.size - kSegmentHeaderBytes <= log_->options.segment_bytes &&
         Fits(next.end_index() - output_->base_index()) &&
         Fits(next.end() - output_->base_offset()) &&
         log_->TermsIn(output_->base_index(), next.end_index()).size() <= kSegmentTermsMax;
}

void CompactionPass::StageFrames() {
  SparseWriter::Piece piece = output_->TakePiece();
  if (piece.bytes.empty()) return;
  const FileId file = log_->SegmentFile(output_->segment());
  staged_.ops.push_back(WriteFile{file, piece.pos, {Bytes::From(std::move(piece.bytes))}});
  staged_.sync = {file};
}

// Its header is written last: what ended before is a file that begins with zeros.
void CompactionPass::CloseOutput(WallTime now) {
  StageFrames();
  const Segment& last = log_->segments[log_->SegmentAt(at_ - 1)];
  const Segment& done = output_->Finish(last);
  const size_t first = log_->SegmentAt(done.base_index);
  const SegmentHeader header{
      .group = log_->group,
      .number = done.number,
      .base_index = done.base_index,
      .base_offset = done.base_offset,
      .previous_number = first == 0 ? 0 : log_->segments[first - 1].chain_number(),
      .previous_term = log_->TermBefore(done.base_index),
      .previous_digest = done.base_digest,
      .created = now,
      .durable = done.base_index - 1,
      .sparse = SegmentHeader::Sparse{.end_index = done.end_index(),
                                      .end_offset = done.end(),
                                      .last_number = done.sparse->last_number,
                                      .end_digest = done.digest}};
  const FileId file = log_->SegmentFile(done);
  const FileId sidecar = log_->IndexFile(done);
  staged_.ops.push_back(WriteFile{file, FilePos(0), {Bytes::From(EncodeSegmentHeader(header))}});
  staged_.ops.push_back(WriteFile{sidecar, FilePos(0), {Bytes::From(output_->TakeIndex())}});
  staged_.sync = {file, sidecar};
  output_stage_ = OutputStage::kData;
  // The last segment of a pass tells what it has achieved, the others what was true before it.
  if (at_ >= end_) {
    checkpoint_ = AfterPass(checkpoint_, *clean_end_, now, options_.tombstone_retention);
  }
}

bool CompactionPass::WaitsForDisk() const {
  if (!output_.has_value()) return false;
  return output_stage_ != OutputStage::kOpen ||
         (!staged_.sync.empty() && output_->pending_bytes() >= kCompactionPieceBytes / 2);
}

FileBatch CompactionPass::TakeBatch() {
  TIDEMARK_CHECK(has_batch());
  outstanding_ = true;
  return std::exchange(staged_, {});
}

void CompactionPass::OnBatchDurable() {
  TIDEMARK_CHECK(outstanding_);
  outstanding_ = false;
  if (stage_ == Stage::kOver || !staged_.empty() || !output_.has_value()) return;
  if (output_stage_ == OutputStage::kData) {
    const Segment& done = output_->segment();
    SegmentFooter footer = log_->FooterOf(done);
    footer.end_offset = done.sparse->frames_end;
    footer.digest = done.sparse->digest;
    footer.compaction = checkpoint_;
    const FileId sidecar = log_->IndexFile(done);
    std::string encoded = EncodeFooter(footer);
    footer_bytes_ = encoded.size();
    staged_.ops.push_back(
        WriteFile{sidecar, FilePos(done.index_bytes), {Bytes::From(std::move(encoded))}});
    staged_.sync = {sidecar};
    output_stage_ = OutputStage::kFooter;
  } else if (output_stage_ == OutputStage::kFooter) {
    Segment done = output_->segment();
    done.footer_bytes = footer_bytes_;
    log_->Install(std::move(done));
    log_->compacted = checkpoint_;
    output_.reset();
    const uint64_t removed = compactor_.stats().records_in - compactor_.stats().records_out;
    log_->totals.records_removed += removed - std::exchange(removed_, removed);
    if (at_ >= end_) {
      stage_ = Stage::kOver;
      ++log_->totals.passes;
    }
  }
}

void CompactionPass::OnBatchFailed() {
  TIDEMARK_CHECK(outstanding_);
  outstanding_ = false;
  Cancel();
}

void CompactionPass::Cancel() {
  stage_ = Stage::kOver;
  staged_ = {};
  buffer_ = {};
}

std::vector<FileId> CompactionPass::Files() const {
  if (!output_.has_value()) return {};
  return {log_->SegmentFile(output_->segment()), log_->IndexFile(output_->segment())};
}

bool CompactionPass::OnPrefixRemoved(LogIndex first) {
  // What the output stands for, or what is read for the first time.
  return (output_.has_value() ? output_->base_index() : at_) >= first;
}

}  // namespace tidemark
