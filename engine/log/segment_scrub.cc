#include "engine/log/segment_scrub.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/log/digest.h"
#include "engine/log/segment.h"

namespace tidemark {
namespace {

constexpr std::string_view kUnreadableEntries =
    "the sidecar's entries cannot be read from there on";

// What of a header is not as the log knows the segment; empty: nothing.
std::string_view Contradiction(const SealedSegment& segment, const SegmentHeader& header) {
  if (header.group != segment.group || header.number != segment.number) {
    return "its header is that of another segment";
  }
  if (header.base_index != segment.base_index || header.base_offset != segment.base_offset ||
      header.previous_term != segment.previous_term ||
      header.previous_digest != segment.base_digest ||
      header.previous_number != segment.previous_number.value_or(header.previous_number)) {
    return "the segment does not continue the log before it";
  }
  if (header.sparse.has_value() != segment.sparse ||
      (segment.sparse && (header.sparse->end_index != segment.end_index ||
                          header.sparse->end_offset != segment.end_offset ||
                          header.sparse->last_number != segment.last_number ||
                          header.sparse->end_digest != segment.end_digest))) {
    return "its header names other entries than those that it stands for";
  }
  return {};
}

}  // namespace

SegmentScrub::SegmentScrub(SealedSegment segment)
    : segment_(std::move(segment)),
      runs_end_(kSegmentHeaderBytes),
      frames_(segment_),
      run_digest_(segment_.base_digest),
      covered_(kSegmentHeaderBytes) {
  last_run_.digest = segment_.base_digest;
  last_run_.append_time_ms = INT64_MIN;
}

std::optional<ScrubRead> SegmentScrub::NextRead() const {
  const auto piece = [](const FileId& file, uint64_t pos, uint64_t end) {
    return ScrubRead{
        .file = file,
        .pos = FilePos(pos),
        .length = static_cast<uint32_t>(std::min<uint64_t>(end - pos, kScrubReadBytes))};
  };
  switch (stage_) {
    case Stage::kFooter:
      return piece(segment_.sidecar(), segment_.index_bytes, segment_.sidecar_bytes);
    case Stage::kHeader:
      return piece(segment_.file(), 0, kSegmentHeaderBytes);
    case Stage::kFrames:
      return wants_sidecar_ ? piece(segment_.sidecar(), sidecar_pos_, segment_.index_bytes)
                            : piece(segment_.file(), frames_.end(), segment_.size);
    case Stage::kOver:
      break;
  }
  return std::nullopt;
}

void SegmentScrub::OnRead(std::string_view bytes) {
  const std::optional<ScrubRead> read = NextRead();
  TIDEMARK_CHECK(read.has_value());
  bytes = bytes.substr(0, read->length);
  switch (stage_) {
    case Stage::kFooter:
      CheckFooter(bytes);
      stage_ = Stage::kHeader;
      return;
    case Stage::kHeader:
      CheckHeader(bytes);
      stage_ = Stage::kFrames;
      break;
    case Stage::kFrames:
      if (wants_sidecar_) {
        wants_sidecar_ = false;
        piece_.assign(bytes);
        piece_begin_ = 0;
        sidecar_pos_ += read->length;
        if (bytes.size() < read->length) sidecar_pos_ = segment_.index_bytes;
      } else {
        frames_.Add(bytes);
        cut_short_ = bytes.size() < read->length;
      }
      break;
    case Stage::kOver:
      break;
  }
  Work();
}

void SegmentScrub::OnUnreadable(std::string_view why) {
  const std::optional<ScrubRead> read = NextRead();
  TIDEMARK_CHECK(read.has_value());
  const std::string wrong = absl::StrCat("the disk cannot read it (", std::string(why), ")");
  const uint64_t end = read->pos.value() + read->length;
  switch (stage_) {
    case Stage::kFooter:
      DamagedSidecar(read->pos.value(), end, wrong);
      stage_ = Stage::kHeader;
      return;
    case Stage::kHeader:
      findings_.push_back(DamagedFrames(At({.end = kSegmentHeaderBytes}), wrong, true));
      stage_ = Stage::kFrames;
      break;
    case Stage::kFrames:
      if (wants_sidecar_) {
        wants_sidecar_ = false;
        DamagedSidecar(reader_.end(), segment_.index_bytes, wrong);
        LeaveSidecar();
        break;
      }
      if (!damage_.has_value()) {
        damage_ = Damage{{.begin = frames_.pos(),
                          .first = ordinal_,
                          .first_offset = frames_.context().next_offset},
                         wrong};
      }
      whole_ = false;
      lost_ = true;
      run_.reset();
      frames_.SkipTo(end, frames_.context());
      break;
    case Stage::kOver:
      break;
  }
  Work();
}

void SegmentScrub::OnMissing() {
  const std::optional<ScrubRead> read = NextRead();
  TIDEMARK_CHECK(read.has_value());
  if (read->file == segment_.sidecar()) {
    DamagedSidecar(0, 0, "the sidecar is missing");
    if (stage_ == Stage::kFooter) stage_ = Stage::kHeader;
    wants_sidecar_ = false;
    LeaveSidecar();
    if (stage_ == Stage::kFrames) Work();
    return;
  }
  Finding finding =
      At({.end_ordinal = static_cast<uint32_t>(segment_.end_index - segment_.base_index),
          .first_offset = segment_.base_offset,
          .end_offset = segment_.frames_end});
  finding.kind = FindingKind::kMissingFile;
  finding.durable = true;
  finding.what = absl::StrCat(
      "the file is missing: ", EntriesText(finding.first_index, finding.end_index), " with ",
      RecordsText(finding.first_offset, finding.end_offset), " were durable");
  finding.remedy = absl::StrCat("put the file back, or, ", std::string(kFromPeers));
  findings_.push_back(std::move(finding));
  stage_ = Stage::kOver;
}

Finding SegmentScrub::At(const Stretch& stretch) const {
  return {.file = segment_.file(),
          .begin = FilePos(stretch.begin),
          .end = FilePos(stretch.end),
          .first_index = segment_.base_index + stretch.first,
          .end_index = segment_.base_index + std::max(stretch.first, stretch.end_ordinal),
          .first_offset = std::max(stretch.first_offset, segment_.base_offset),
          .end_offset = std::max({stretch.end_offset, stretch.first_offset, segment_.base_offset})};
}

void SegmentScrub::DamagedSidecar(uint64_t begin, uint64_t end, std::string_view what) {
  Finding finding = At({});
  finding.file = segment_.sidecar();
  finding.begin = FilePos(std::min(begin, end));
  finding.end = FilePos(end);
  if (!segment_.sparse) {
    findings_.push_back(StaleSidecar(std::move(finding), what));
    return;
  }
  // Nothing else tells the indexes of its frames.
  finding.durable = true;
  finding.what = absl::StrCat(std::string(what), "; without it its segment cannot be read again");
  finding.remedy = std::string(kFromPeers);
  findings_.push_back(std::move(finding));
}

void SegmentScrub::CheckFooter(std::string_view tail) {
  const std::optional<SegmentFooter> footer = DecodeFooter(tail);
  const uint64_t count = segment_.end_index - segment_.base_index;
  if (footer.has_value() && EncodeFooter(*footer).size() == tail.size() && footer->count == count &&
      footer->size == segment_.size && footer->index_bytes == segment_.index_bytes &&
      footer->digest == segment_.digest &&
      segment_.base_offset + footer->end_offset == segment_.frames_end) {
    return;
  }
  DamagedSidecar(
      segment_.index_bytes, segment_.sidecar_bytes,
      footer.has_value() ? "the footer is not that of these frames" : "the footer is damaged");
}

void SegmentScrub::CheckHeader(std::string_view head) {
  const absl::StatusOr<SegmentHeader> header = DecodeSegmentHeader(head);
  std::string wrong;
  if (head.size() < kSegmentHeaderBytes) {
    wrong = "the file is cut short";
  } else if (!header.ok()) {
    wrong = std::string(header.status().message());
  } else {
    wrong = std::string(Contradiction(segment_, *header));
  }
  if (wrong.empty()) return;
  Finding finding = At({.end = kSegmentHeaderBytes});
  finding.durable = true;
  finding.what = absl::StrCat(wrong, ": a restart does not know which entries the segment holds");
  finding.remedy = std::string(kFromPeers);
  findings_.push_back(std::move(finding));
}

void SegmentScrub::Work() {
  while (stage_ == Stage::kFrames) {
    if (in_sidecar_ && !run_.has_value()) {
      if (!NextRun()) return;
    } else if (lost_) {
      ResumeWithoutRun();
    } else if (frames_.at_end()) {
      Finish();
    } else if (!NextFrame()) {
      return;
    }
  }
}

bool SegmentScrub::NextRun() {
  const uint64_t begin = reader_.end();
  std::string_view bytes = std::string_view(piece_).substr(piece_begin_);
  IndexEntry entry;
  const IndexReader::Step step = reader_.Next(bytes, entry);
  piece_begin_ = piece_.size() - bytes.size();
  if (step == IndexReader::Step::kMore) {
    if (sidecar_pos_ < segment_.index_bytes) {
      wants_sidecar_ = true;
      return false;
    }
    if (reader_.end() != segment_.index_bytes) {
      DamagedSidecar(reader_.end(), segment_.index_bytes, kUnreadableEntries);
    } else if (runs_end_ != segment_.size) {
      DamagedSidecar(reader_.end(), segment_.index_bytes, "the sidecar lacks frames");
    }
    LeaveSidecar();
    return true;
  }
  if (step == IndexReader::Step::kWrong) {
    DamagedSidecar(begin, segment_.index_bytes, kUnreadableEntries);
    LeaveSidecar();
    return true;
  }
  if (entry.is_checkpoint()) return true;
  const uint64_t frames = uint64_t{entry.first} + entry.count;
  if (entry.pos != runs_end_ || entry.first < runs_frames_ ||
      (!segment_.sparse && entry.first != runs_frames_) ||
      entry.first_offset < last_run_.first_offset || entry.term < last_run_.term ||
      entry.append_time_ms < last_run_.append_time_ms ||
      entry.length < entry.count * uint64_t{kBatchHeaderBytes} ||
      entry.length > segment_.size - entry.pos ||
      frames > segment_.end_index - segment_.base_index) {
    DamagedSidecar(begin, segment_.index_bytes, "the sidecar contradicts itself");
    LeaveSidecar();
    return true;
  }
  runs_end_ += entry.length;
  runs_frames_ = frames;
  // Runs that lie before what could be read are passed over.
  if (entry.pos >= frames_.pos()) {
    BeginRun(entry);
  } else {
    last_run_ = entry;
  }
  return true;
}

void SegmentScrub::BeginRun(const IndexEntry& entry) {
  run_ = entry;
  run_frames_ = 0;
  run_digest_ = last_run_.digest;
  run_whole_ = true;
  if (entry.pos > frames_.pos() || lost_) {
    Resume(entry.pos, entry.first, segment_.base_offset + entry.first_offset);
  }
  if (segment_.sparse) ordinal_ = entry.first;
  run_offset_ = frames_.context().next_offset;
}

void SegmentScrub::Resume(uint64_t pos, uint32_t ordinal, Offset offset) {
  frames_.SkipTo(pos, {.next_offset = offset, .term = Term(0), .gaps = frames_.context().gaps});
  ordinal_ = ordinal;
  lost_ = false;
}

// Without a sidecar: where the next run begins that the footer has.
void SegmentScrub::ResumeWithoutRun() {
  const RunIndex& runs = segment_.runs;
  for (size_t i = 0; i < runs.size(); ++i) {
    const FrameRun run = runs.at(i);
    if (run.pos < frames_.pos()) continue;
    Resume(run.pos, run.first, segment_.base_offset + run.first_offset);
    return;
  }
  Resume(segment_.size, static_cast<uint32_t>(segment_.end_index - segment_.base_index),
         segment_.frames_end);
}

bool SegmentScrub::NextFrame() {
  const SealedFrames::Step step = frames_.Look();
  if (step == SealedFrames::Step::kMore) {
    if (!cut_short_) return false;
    return OnDamage("the file is cut short");
  }
  if (step == SealedFrames::Step::kWrong) return OnDamage(frames_.wrong());
  if (run_.has_value() && frames_.header().leader_epoch != Term(run_->term)) {
    return OnDamage("a frame's term is not the one the sidecar remembers");
  }
  CloseDamage();
  run_digest_ = DigestFrame(run_digest_, frames_.frame());
  frames_.Pass();
  ++ordinal_;
  ++run_frames_;
  if (run_.has_value() && frames_.pos() >= uint64_t{run_->pos} + run_->length) EndRun();
  return true;
}

bool SegmentScrub::OnDamage(std::string_view wrong) {
  const uint64_t begin = frames_.pos();
  const FrameContext context = frames_.context();
  const uint64_t run_end = run_.has_value() ? uint64_t{run_->pos} + run_->length : 0;
  const uint64_t search_end = std::min(run_end, begin + kScrubSearchBytes);
  if (frames_.end() < search_end && !cut_short_) return false;
  if (!damage_.has_value()) {
    damage_ = Damage{{.begin = begin, .first = ordinal_, .first_offset = context.next_offset},
                     std::string(wrong)};
  }
  whole_ = false;
  run_whole_ = false;
  if (cut_short_) {
    run_.reset();
    LeaveSidecar();
    Resume(segment_.size, static_cast<uint32_t>(segment_.end_index - segment_.base_index),
           segment_.frames_end);
    return true;
  }
  if (run_.has_value()) {
    const std::string_view rest = frames_.rest().substr(0, search_end - begin);
    bool gave_up = false;
    const std::optional<size_t> next = FindLaterFrame(rest, 1, context, gave_up);
    if (next.has_value()) {
      // From the end of the run, whose frames are counted, back.
      uint32_t behind = 0;
      for (std::string_view at = rest.substr(*next); !at.empty(); ++behind) {
        const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(at);
        if (!header.ok()) break;
        at.remove_prefix(std::min<size_t>(at.size(), header->total_bytes()));
      }
      const uint64_t frames = uint64_t{run_->first} + run_->count;
      const uint64_t ordinal =
          std::max<uint64_t>(uint64_t{ordinal_} + 1, frames - std::min<uint64_t>(frames, behind));
      const Offset offset = DecodeBatchHeader(rest.substr(*next))->base_offset;
      Resume(begin + *next, static_cast<uint32_t>(std::min(ordinal, frames)), offset);
      return true;
    }
    last_run_ = *std::exchange(run_, std::nullopt);
    ordinal_ = last_run_.first + last_run_.count;
    frames_.SkipTo(run_end, context);
  } else {
    frames_.SkipTo(begin + 1, context);
  }
  lost_ = true;
  return true;
}

void SegmentScrub::EndRun() {
  const IndexEntry run = *std::exchange(run_, std::nullopt);
  const uint64_t end = uint64_t{run.pos} + run.length;
  last_run_ = run;
  if (!run_whole_) return;
  const bool offset = segment_.sparse || run_offset_ == segment_.base_offset + run.first_offset;
  if (offset && frames_.pos() == end && run_frames_ == run.count && run_digest_ == run.digest) {
    if (covered_ == run.pos) covered_ = end;
    return;
  }
  OddRun odd{{.begin = run.pos,
              .end = frames_.pos(),
              .first = run.first,
              .end_ordinal = run.first + run.count,
              .first_offset = run_offset_,
              .end_offset = frames_.context().next_offset},
             reader_.end() - kIndexEntryBytes,
             reader_.end()};
  if (!odd_.empty() && (odd_.back().end == odd.begin || odd_.size() >= kScrubFindingsMax)) {
    OddRun& last = odd_.back();
    last.end = odd.end;
    last.end_ordinal = odd.end_ordinal;
    last.end_offset = odd.end_offset;
    last.sidecar_end = odd.sidecar_end;
  } else {
    odd_.push_back(odd);
  }
  // From here on the two do not speak of the same frames.
  if (frames_.pos() != end || run_frames_ != run.count) LeaveSidecar();
}

void SegmentScrub::CloseDamage() {
  if (!damage_.has_value()) return;
  Damage damage = *std::exchange(damage_, std::nullopt);
  damage.end = frames_.pos();
  damage.end_ordinal = std::max(ordinal_, damage.first + 1);
  damage.end_offset = std::max(damage.first_offset, frames_.context().next_offset);
  if (findings_.size() < kScrubFindingsMax) {
    findings_.push_back(DamagedFrames(At(damage), damage.wrong, true));
    return;
  }
  Finding at = At(damage);
  at.begin = findings_.back().begin;
  at.first_index = findings_.back().first_index;
  at.first_offset = findings_.back().first_offset;
  findings_.back() = DamagedFrames(std::move(at), "several stretches are damaged", true);
}

void SegmentScrub::Finish() {
  CloseDamage();
  const bool all = whole_ && IsAllOf(segment_, frames_);
  for (const OddRun& odd : odd_) {
    if (all) {
      DamagedSidecar(odd.sidecar_begin, odd.sidecar_end, "the sidecar is not that of these frames");
    } else {
      findings_.push_back(
          ForeignFrames(At(odd), "the frames are intact, but not those the sidecar remembers"));
    }
  }
  if (whole_ && !all && odd_.empty()) {
    findings_.push_back(ForeignFrames(
        At({.begin = covered_ < segment_.size ? covered_ : kSegmentHeaderBytes,
            .end = segment_.size,
            .first = 0,
            .end_ordinal = static_cast<uint32_t>(segment_.end_index - segment_.base_index),
            .first_offset = segment_.base_offset,
            .end_offset = segment_.frames_end}),
        "the frames are intact, but not those the footer remembers"));
  }
  std::stable_sort(findings_.begin(), findings_.end(), [](const Finding& a, const Finding& b) {
    return std::pair(a.file.kind, a.begin) < std::pair(b.file.kind, b.begin);
  });
  stage_ = Stage::kOver;
}

std::vector<Finding> SegmentScrub::TakeFindings() { return std::exchange(findings_, {}); }

}  // namespace tidemark
