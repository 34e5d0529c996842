#include "engine/log/sidecar_check.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "engine/base/check.h"
#include "engine/base/limits.h"
#include "engine/log/digest.h"

namespace tidemark {
namespace {

// The digest after `count` frames from `first` on; nullopt if they are not all intact.
std::optional<uint64_t> Fold(const FoundSegment& found, const SegmentWalk& walk, uint32_t first,
                             uint32_t count, uint64_t digest) {
  if (count == 0) return digest;
  const WalkedFrame* frame = walk.Find(first);
  for (uint32_t i = 0; i < count; ++i, ++frame) {
    if (frame == nullptr || frame == walk.frames.data() + walk.frames.size() ||
        frame->ordinal != first + i) {
      return std::nullopt;
    }
    digest = DigestFrame(digest, found.bytes.substr(frame->pos, frame->length));
  }
  return digest;
}

FrameStride StrideOf(const SegmentWalk& walk) {
  if (walk.frames.empty()) return {};
  const FrameStride stride{.bytes = walk.frames[0].length, .records = walk.frames[0].span};
  const bool even =
      stride.even() &&
      std::all_of(walk.frames.begin(), walk.frames.end(), [&](const WalkedFrame& frame) {
        return frame.length == stride.bytes && frame.span == stride.records;
      });
  return even ? stride : FrameStride();
}

class Checker {
 public:
  Checker(const FoundSegment& found, const SegmentWalk& walk, std::string_view sidecar,
          const SegmentHeader* next)
      : found_(found), walk_(walk), sidecar_(sidecar), next_(next) {
    limit_ = std::min<uint64_t>(found.end.value() - found.header.base_index.value(), UINT32_MAX);
    if (walk.gaps.empty()) {
      const auto digest = Fold(found, walk, 0, walk.count, found.header.previous_digest);
      TIDEMARK_CHECK(digest.has_value());
      check_.whole = true;
      check_.digest = *digest;
    }
  }

  SidecarCheck Run() && {
    CheckBytes();
    CheckRuns();
    Judge();
    CheckFooter();
    return std::move(check_);
  }

 private:
  struct OddRun {
    uint64_t begin = 0;  // of its entry in the sidecar
    const DecodedIndexEntry* each = nullptr;
  };

  uint64_t BeginOf(size_t entry) const {
    return entry == 0 ? kIndexHeaderBytes : found_.index[entry - 1].end;
  }

  // What can be read of the file.
  void CheckBytes() {
    if (!found_.has_index) {
      if (walk_.count > 0) check_.stale.push_back({.what = "the sidecar is missing"});
      return;
    }
    uint64_t readable = 0;
    if (!found_.index.empty()) {
      readable = found_.index.back().end;
    } else if (sidecar_.substr(0, kIndexHeaderBytes) == IndexFileHeader()) {
      readable = kIndexHeaderBytes;
    }
    const uint64_t end =
        found_.footer.has_value()
            ? sidecar_.size() -
                  std::min<uint64_t>(sidecar_.size(), EncodeFooter(*found_.footer).size())
            : sidecar_.size();
    if (readable != end || (found_.footer.has_value() && found_.footer->index_bytes != end)) {
      check_.stale.push_back({.begin = std::min(readable, end),
                              .end = std::max(readable, end),
                              .what = "the sidecar's entries cannot be read from there on"});
    }
    consistent_ = found_.ConsistentEntries();
    if (consistent_ == found_.index.size()) return;
    // What a cut left behind is no contradiction, nor what the data has not caught up with.
    const IndexEntry& odd = found_.index[consistent_].entry;
    if (uint64_t{odd.first} + odd.count <= limit_ &&
        uint64_t{odd.pos} + (odd.is_checkpoint() ? 0 : odd.length) <= found_.file_bytes) {
      check_.stale.push_back({.begin = BeginOf(consistent_),
                              .end = readable,
                              .what = "the sidecar contradicts itself"});
    }
  }

  void CheckRuns() {
    uint64_t digest = found_.header.previous_digest;
    for (size_t i = 0; i < consistent_; ++i) {
      const IndexEntry& entry = found_.index[i].entry;
      if (entry.is_checkpoint()) continue;
      const uint64_t before = std::exchange(digest, entry.digest);
      const uint64_t end = uint64_t{entry.first} + entry.count;
      if (check_.whole && end > walk_.count) {
        check_.stale.push_back({.begin = BeginOf(i),
                                .end = found_.index[consistent_ - 1].end,
                                .what = "the sidecar is ahead of the frames"});
        return;
      }
      covered_ = static_cast<uint32_t>(end);
      const auto folded = Fold(found_, walk_, entry.first, entry.count, before);
      if (!folded.has_value()) continue;
      const WalkedFrame* const first = walk_.Find(entry.first);
      const WalkedFrame* const last = walk_.Find(static_cast<uint32_t>(end - 1));
      if (*folded != entry.digest || first->pos != entry.pos ||
          first->first_offset != entry.first_offset ||
          last->end() != entry.pos + uint64_t{entry.length}) {
        odd_.push_back({.begin = BeginOf(i), .each = &found_.index[i]});
      }
    }
  }

  bool NextAgrees() const {
    return check_.whole && next_ != nullptr && next_->previous_digest == check_.digest;
  }

  // Where frames and runs disagree, the segment behind decides; without it the sidecar, whose
  // chained checksums are right.
  void Judge() {
    for (const OddRun& run : odd_) {
      if (NextAgrees()) {
        check_.stale.push_back({.begin = run.begin,
                                .end = run.each->end,
                                .what = "the sidecar is not that of these frames"});
      } else {
        const IndexEntry& entry = run.each->entry;
        AddForeign(entry.first, entry.first + entry.count,
                   "the frames are intact, but not those the sidecar remembers");
      }
    }
    if (odd_.empty() && check_.whole && next_ != nullptr && !NextAgrees() &&
        covered_ < walk_.count) {
      AddForeign(covered_, walk_.count,
                 "the frames are intact, but not those the next segment remembers");
    }
  }

  void AddForeign(uint32_t first, uint32_t end, std::string what) {
    check_.foreign.push_back({.begin = walk_.Find(first)->pos,
                              .end = walk_.Find(end - 1)->end(),
                              .first = first,
                              .end_ordinal = end,
                              .what = std::move(what)});
  }

  void CheckFooter() {
    if (!found_.footer.has_value() || !check_.whole || found_.footer->count > limit_) return;
    const SegmentFooter& footer = *found_.footer;
    bool agrees = footer.count == walk_.count && footer.size == walk_.end &&
                  footer.end_offset == walk_.end_offset && footer.digest == check_.digest &&
                  (!footer.stride.even() || footer.stride == StrideOf(walk_));
    for (const FrameRun& run : footer.runs) {
      const WalkedFrame* const frame = walk_.Find(run.first);
      agrees = agrees && frame != nullptr && frame->pos == run.pos &&
               frame->first_offset == run.first_offset;
    }
    for (const SegmentFooter::TermRun& run : footer.terms) {
      const WalkedFrame* const frame = walk_.Find(run.first);
      agrees = agrees && frame != nullptr && frame->term == run.term;
    }
    if (agrees || !check_.foreign.empty()) return;
    if (NextAgrees() || covered_ == walk_.count) {
      check_.stale.push_back({.begin = std::min<uint64_t>(footer.index_bytes, sidecar_.size()),
                              .end = sidecar_.size(),
                              .what = "the footer is not that of these frames"});
    } else {
      AddForeign(covered_, walk_.count,
                 "the frames are intact, but not those the footer remembers");
    }
  }

  const FoundSegment& found_;
  const SegmentWalk& walk_;
  const std::string_view sidecar_;
  const SegmentHeader* const next_;
  uint64_t limit_ = 0;
  size_t consistent_ = 0;
  uint32_t covered_ = 0;  // frames that are in runs
  std::vector<OddRun> odd_;
  SidecarCheck check_;
};

// Writes the entries of a sidecar, one run after the other.
class Builder {
 public:
  Builder(const FoundSegment& found, const SegmentWalk& walk, uint32_t durable, uint32_t committed)
      : found_(found),
        walk_(walk),
        durable_(durable),
        committed_(committed),
        digest_(found.header.previous_digest),
        time_ms_(found.header.created.millis()),
        out_(IndexFileHeader()) {}

  std::string Run(bool sealed) && {
    Keep();
    while (covered_ < walk_.count) AddRun();
    if (sealed) AddFooter();
    return std::move(out_);
  }

 private:
  // Entries that are true of the frames stay: their times, and checkpoints, are told nowhere else.
  void Keep() {
    const size_t consistent = found_.ConsistentEntries();
    for (size_t i = 0; i < consistent; ++i) {
      const DecodedIndexEntry& each = found_.index[i];
      const IndexEntry& entry = each.entry;
      const uint64_t end = uint64_t{entry.first} + entry.count;
      if (end > walk_.count) return;
      if (!entry.is_checkpoint()) {
        const WalkedFrame* const first = walk_.Find(entry.first);
        const WalkedFrame* const last = walk_.Find(static_cast<uint32_t>(end - 1));
        const auto digest = Fold(found_, walk_, entry.first, entry.count, digest_);
        if (digest != entry.digest || first->pos != entry.pos ||
            first->first_offset != entry.first_offset ||
            last->end() != entry.pos + uint64_t{entry.length}) {
          return;
        }
        runs_.Add({.pos = entry.pos,
                   .first = entry.first,
                   .first_offset = entry.first_offset,
                   .append_time_ms = entry.append_time_ms});
      }
      IndexEntry kept = entry;
      kept.durable = std::min(entry.durable, durable_);
      kept.committed = std::min(entry.committed, committed_);
      AppendIndexEntry(kept, each.state, chain_, out_);
      covered_ = static_cast<uint32_t>(end);
      digest_ = entry.digest;
      time_ms_ = std::max(time_ms_, entry.append_time_ms);
    }
  }

  void AddRun() {
    constexpr uint64_t kRunBytes = 4096;
    const WalkedFrame* const first = walk_.Find(covered_);
    uint32_t end = covered_;
    uint64_t end_pos = first->pos;
    for (const WalkedFrame* frame = first; end < walk_.count && frame->term == first->term &&
                                           (end == covered_ || end_pos - first->pos < kRunBytes);
         ++frame, ++end) {
      digest_ = DigestFrame(digest_, found_.bytes.substr(frame->pos, frame->length));
      end_pos = frame->end();
    }
    const IndexEntry entry{.pos = first->pos,
                           .length = static_cast<uint32_t>(end_pos - first->pos),
                           .first = covered_,
                           .count = end - covered_,
                           .first_offset = first->first_offset,
                           .term = first->term,
                           .append_time_ms = time_ms_,
                           .durable = durable_,
                           .committed = committed_,
                           .digest = digest_};
    AppendIndexEntry(entry, {}, chain_, out_);
    runs_.Add({.pos = entry.pos,
               .first = entry.first,
               .first_offset = entry.first_offset,
               .append_time_ms = entry.append_time_ms});
    covered_ = end;
  }

  void AddFooter() {
    SegmentFooter footer{.count = walk_.count,
                         .size = static_cast<uint32_t>(walk_.end),
                         .end_offset = static_cast<uint32_t>(walk_.end_offset),
                         .committed = committed_,
                         .index_bytes = static_cast<uint32_t>(out_.size()),
                         .stride = StrideOf(walk_),
                         .append_time_ms = time_ms_,
                         .digest = digest_,
                         .terms = {},
                         .runs = {}};
    for (const WalkedFrame& frame : walk_.frames) {
      if (footer.terms.empty() || footer.terms.back().term != frame.term) {
        footer.terms.push_back({.first = frame.ordinal, .term = frame.term});
      }
    }
    if (footer.terms.size() > kSegmentTermsMax) return;  // appending never gets there
    const RunIndex some = runs_.Coarser(kFooterRunsMax);
    for (size_t i = 0; i < some.size(); ++i) footer.runs.push_back(some.at(i));
    out_ += EncodeFooter(footer);
  }

  const FoundSegment& found_;
  const SegmentWalk& walk_;
  const uint32_t durable_;
  const uint32_t committed_;
  uint64_t digest_;
  int64_t time_ms_;
  uint32_t covered_ = 0;
  uint32_t chain_ = 0;
  RunIndex runs_;
  std::string out_;
};

}  // namespace

SidecarCheck CheckSidecar(const FoundSegment& found, const SegmentWalk& walk,
                          std::string_view sidecar, const SegmentHeader* next) {
  return Checker(found, walk, sidecar, next).Run();
}

std::string RebuildSidecar(const FoundSegment& found, const SegmentWalk& walk, bool sealed,
                           uint32_t durable, uint32_t committed) {
  TIDEMARK_CHECK(walk.gaps.empty());
  return Builder(found, walk, std::min(durable, walk.count), std::min(committed, walk.count))
      .Run(sealed);
}

}  // namespace tidemark
