#include "engine/log/sparse_scan.h"

#include <algorithm>
#include <optional>
#include <string>

#include "engine/log/digest.h"
#include "engine/log/frame.h"
#include "engine/log/segment.h"

namespace tidemark {
namespace {

// One reading of a segment, from front to back.
class Reading {
 public:
  Reading(const FoundSegment& found, const Segment& segment, RecoveryObserver* observer,
          SparseWalk* walk)
      : found_(found),
        segment_(segment),
        observer_(observer),
        walk_(walk),
        pos_(kSegmentHeaderBytes),
        digest_(segment.base_digest),
        records_end_(segment.base_offset) {
    context_.next_offset = segment.base_offset;
    context_.gaps = true;
  }

  // False: what is damaged is noted.
  bool ReadRun(const IndexEntry& entry) {
    const uint64_t begin = pos_;
    for (uint32_t i = 0; i < entry.count; ++i) {
      if (!ReadFrame(entry, segment_.base_index + entry.first + i)) return false;
    }
    if (entry.pos != begin || pos_ - begin != entry.length || digest_ != entry.digest) {
      return Rot(begin, "its frames are not those the sidecar remembers");
    }
    return true;
  }

  bool Finish() {
    if (pos_ != segment_.size || records_end_ != segment_.frames_end() ||
        digest_ != segment_.sparse->digest) {
      return Rot(pos_, "its frames are not those its footer names");
    }
    return true;
  }

 private:
  bool Rot(uint64_t begin, std::string_view what) {
    walk_->what = what;
    walk_->file = found_.file();
    walk_->begin = begin;
    walk_->end = std::max<uint64_t>(begin, segment_.size);
    return false;
  }

  bool ReadFrame(const IndexEntry& entry, LogIndex index) {
    std::string_view wrong;
    const std::string_view rest =
        found_.bytes.substr(std::min<uint64_t>(pos_, found_.bytes.size()));
    const std::optional<BatchHeader> header = FrameAt(rest, context_, wrong);
    if (!header.has_value()) return Rot(pos_, wrong.empty() ? "no frame begins there" : wrong);
    const std::string_view frame = rest.substr(0, header->total_bytes());
    if (observer_ != nullptr) {
      observer_->OnFrame(Entry{.index = index,
                               .term = header->leader_epoch,
                               .kind = header->magic,
                               .base_offset = header->base_offset,
                               .offset_span = header->offset_span(),
                               .frame = {}},
                         *header, frame, WallTime::FromMillis(entry.append_time_ms));
    }
    digest_ = DigestFrame(digest_, frame);
    pos_ += frame.size();
    context_.next_offset = header->base_offset + header->offset_span();
    context_.term = header->leader_epoch;
    if (header->magic == EntryKind::kData) records_end_ = context_.next_offset;
    ++walk_->frames;
    walk_->records += header->offset_span();
    return true;
  }

  const FoundSegment& found_;
  const Segment& segment_;
  RecoveryObserver* const observer_;
  SparseWalk* const walk_;
  uint64_t pos_;
  uint64_t digest_;
  Offset records_end_;
  FrameContext context_;
};

}  // namespace

SparseWalk WalkSparse(const FoundSegment& found, const Segment& segment, std::string_view sidecar,
                      RecoveryObserver* observer) {
  SparseWalk walk;
  std::optional<RunIndex> runs = RunsIn(segment, sidecar);
  if (!runs.has_value()) {
    walk.what = "what it says of its segment is not what its footer says";
    walk.file = found.sidecar();
    walk.end = segment.index_bytes;
    return walk;
  }
  Reading reading(found, segment, observer, &walk);
  for (const DecodedIndexEntry& each : found.index) {
    if (!each.entry.is_checkpoint() && !reading.ReadRun(each.entry)) return walk;
  }
  if (reading.Finish()) walk.runs = *std::move(runs);
  return walk;
}

absl::StatusOr<RunIndex> ScanSparse(const FoundSegment& found, const Segment& segment,
                                    std::string_view sidecar, RecoveryObserver* observer) {
  SparseWalk walk = WalkSparse(found, segment, sidecar, observer);
  if (!walk.what.empty()) return RotError(walk.file, walk.begin, walk.end, walk.what);
  return std::move(walk.runs);
}

}  // namespace tidemark
