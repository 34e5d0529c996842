#include "engine/log/segment_walk.h"

#include <algorithm>
#include <utility>

#include "engine/base/limits.h"

namespace tidemark {
namespace {

class Walker {
 public:
  Walker(const FoundSegment& found, const SegmentHeader* next)
      : found_(found), runs_(found.index.begin(), found.index.begin() + found.ConsistentEntries()) {
    std::erase_if(runs_, [](const DecodedIndexEntry& each) { return each.entry.is_checkpoint(); });
    limit_ = std::min<uint64_t>(found.end.value() - found.header.base_index.value(), UINT32_MAX);
    next_ = next;
    bytes_ = found.bytes.substr(0, UINT32_MAX);
    if (found.footer.has_value() && found.footer->count == limit_) {
      bytes_ = bytes_.substr(0, found.footer->size);
    }
    term_ = found.header.previous_term;
  }

  SegmentWalk Run() && {
    while (walk_.count < limit_ && Step()) {
    }
    return std::move(walk_);
  }

 private:
  std::string_view rest() const { return bytes_.substr(std::min(walk_.end, bytes_.size())); }
  Offset base() const { return found_.header.base_offset; }
  FrameContext context() const { return {.next_offset = base() + walk_.end_offset, .term = term_}; }

  // The run of the sidecar that has frame `ordinal`.
  const IndexEntry* RunOf(uint64_t ordinal) const {
    auto at = std::upper_bound(
        runs_.begin(), runs_.end(), ordinal,
        [](uint64_t value, const DecodedIndexEntry& each) { return value < each.entry.first; });
    if (at == runs_.begin()) return nullptr;
    --at;
    return ordinal < uint64_t{at->entry.first} + at->entry.count ? &at->entry : nullptr;
  }

  // Which frame begins at `pos`, if the sidecar or the footer knows.
  std::optional<uint64_t> OrdinalAt(uint64_t pos) const {
    const auto at = std::lower_bound(
        runs_.begin(), runs_.end(), pos,
        [](const DecodedIndexEntry& each, uint64_t value) { return each.entry.pos < value; });
    if (at != runs_.end() && at->entry.pos == pos) return at->entry.first;
    if (!runs_.empty()) {
      const IndexEntry& last = runs_.back().entry;
      if (pos == uint64_t{last.pos} + last.length) return uint64_t{last.first} + last.count;
    }
    if (found_.footer.has_value() && pos == found_.footer->size) return found_.footer->count;
    return std::nullopt;
  }

  bool Step() {
    std::string_view wrong;
    const std::optional<BatchHeader> header = FrameAt(rest(), context(), wrong);
    if (!header.has_value())
      return wrong == "a frame has a term that went back" && TermsBefore()
                 ? true
                 : Gap(wrong.empty() ? "no frame begins there" : wrong);
    if (next_ != nullptr && header->base_offset > next_->base_offset) return false;
    const IndexEntry* const run = RunOf(walk_.count);
    if (run != nullptr && header->leader_epoch.value() != run->term) {
      const bool more = Gap("a frame's term is not the one the sidecar remembers");
      walk_.gaps.back().contradicted = true;
      return more;
    }
    if (walk_.end > UINT32_MAX || walk_.end_offset > UINT32_MAX) return false;
    walk_.frames.push_back({.pos = static_cast<uint32_t>(walk_.end),
                            .length = static_cast<uint32_t>(header->total_bytes()),
                            .ordinal = walk_.count,
                            .first_offset = static_cast<uint32_t>(walk_.end_offset),
                            .span = header->offset_span(),
                            .term = static_cast<uint32_t>(header->leader_epoch.value())});
    walk_.end += header->total_bytes();
    walk_.end_offset += header->offset_span();
    term_ = header->leader_epoch;
    ++walk_.count;
    return true;
  }

  // An intact frame whose term is lower than that of the one before: if the next frame has the
  // lower term, too, it is the ones before whose term changed. True if so, and they are a gap now.
  bool TermsBefore() {
    const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(rest());
    if (!header.ok() || !BatchChecksumMatches(rest().substr(0, header->total_bytes())))
      return false;
    // Frames in runs were held against the sidecar's word.
    if (RunOf(walk_.count) != nullptr) return false;
    const absl::StatusOr<BatchHeader> next =
        DecodeBatchHeader(rest().substr(header->total_bytes()));
    if (!next.ok() || next->leader_epoch >= term_) return false;
    size_t keep = walk_.frames.size();
    while (keep > 0 && walk_.frames[keep - 1].term > header->leader_epoch.value() &&
           (walk_.gaps.empty() || walk_.frames[keep - 1].pos >= walk_.gaps.back().end)) {
      --keep;
    }
    if (keep == walk_.frames.size()) return false;
    const WalkedFrame& first = walk_.frames[keep];
    walk_.gaps.push_back({.begin = first.pos,
                          .end = walk_.end,
                          .first = first.ordinal,
                          .end_ordinal = walk_.count,
                          .first_offset = first.first_offset,
                          .end_offset = walk_.end_offset,
                          .wrong = "a frame has a term above that of the frames behind it",
                          .frame_follows = true});
    walk_.frames.resize(keep);
    term_ = keep > 0 ? Term(walk_.frames.back().term) : found_.header.previous_term;
    term_ = std::min(term_, header->leader_epoch);
    return true;
  }

  // Whether what is at `pos` can be a later frame of this log.
  bool LaterFrameAt(uint64_t pos) const {
    const std::string_view at = bytes_.substr(std::min(pos, bytes_.size()));
    const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(at);
    return header.ok() && header->total_bytes() <= at.size() && IsPlausible(pos, *header) &&
           header->base_offset >= context().next_offset && header->leader_epoch >= term_ &&
           BatchChecksumMatches(at.substr(0, header->total_bytes()));
  }

  // No checksum covers a frame's offset, which what was written over the frame before it may have
  // reached: whether it is not beyond what the segment can have, and the sidecar knows.
  bool IsPlausible(uint64_t pos, const BatchHeader& header) const {
    if (header.base_offset < base() || header.base_offset - base() > UINT32_MAX) return false;
    const auto at = std::lower_bound(
        runs_.begin(), runs_.end(), pos,
        [](const DecodedIndexEntry& each, uint64_t value) { return each.entry.pos < value; });
    if (at == runs_.end()) return true;
    const uint64_t offset = header.base_offset - base();
    return at->entry.pos == pos ? offset == at->entry.first_offset
                                : offset <= at->entry.first_offset;
  }

  // The first frame at `begin` or behind it that can be a later one of this log.
  std::optional<uint64_t> FindLater(uint64_t begin, bool& gave_up) const {
    while (const std::optional<size_t> at = FindLaterFrame(bytes_, begin, context(), gave_up)) {
      if (gave_up || LaterFrameAt(*at)) return at;
      begin = *at + 1;
    }
    return std::nullopt;
  }

  // Where the damaged frame at the current position ends, if its header is believable: something
  // known begins there.
  std::optional<uint64_t> OwnEnd() const {
    const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(rest());
    if (!header.ok() || header->total_bytes() > rest().size()) return std::nullopt;
    const uint64_t end = walk_.end + header->total_bytes();
    const Offset next = context().next_offset + header->offset_span();
    if ((LaterFrameAt(end) && DecodeBatchHeader(bytes_.substr(end))->base_offset == next) ||
        OrdinalAt(end) == uint64_t{walk_.count} + 1) {
      return end;
    }
    return std::nullopt;
  }

  // Notes the gap at the current position; true if frames follow.
  bool Gap(std::string_view wrong) {
    WalkGap gap{.begin = walk_.end,
                .first = walk_.count,
                .first_offset = walk_.end_offset,
                .wrong = std::string(wrong)};
    std::optional<uint64_t> next = OwnEnd();
    bool own = next.has_value();
    // What was written over it may reach into the frame behind it.
    if (!own || !LaterFrameAt(*next)) {
      bool gave_up = false;
      const std::optional<uint64_t> later = FindLater(own ? *next : walk_.end + 1, gave_up);
      if (gave_up) gap.wrong = "it cannot be told from rot";
      if (later.has_value() || !own) {
        next = later;
        own = false;
      }
    }
    gap.frame_follows = next.has_value() && LaterFrameAt(*next);
    if (!next.has_value()) {
      size_t end = bytes_.find_last_not_of('\0');
      end = end == std::string_view::npos ? 0 : end + 1;
      if (end <= walk_.end && !Expected()) return false;
      next = std::max<uint64_t>(end, walk_.end);
      // The last frame, if its own length says so.
      const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(rest());
      if (header.ok() && header->total_bytes() <= rest().size() &&
          walk_.end + header->total_bytes() >= *next) {
        next = walk_.end + header->total_bytes();
        own = true;
      }
      if (found_.footer.has_value() && found_.footer->count <= limit_) {
        next = std::max<uint64_t>(*next, found_.footer->size);
      }
    }
    gap.end = *next;
    gap.lost_sector = LostSectorIn(bytes_, gap.begin, gap.end);
    Measure(gap, own);
    walk_.end = gap.end;
    walk_.count = gap.end_ordinal;
    walk_.end_offset = gap.end_offset;
    walk_.gaps.push_back(std::move(gap));
    return walk_.gaps.back().frame_follows;
  }

  // Whether somebody says that there is another frame.
  bool Expected() const {
    return walk_.count < limit_ &&
           (next_ != nullptr || (found_.footer.has_value() && found_.footer->count > walk_.count));
  }

  // Which entries and offsets the gap holds.
  void Measure(WalkGap& gap, bool own) {
    uint64_t end = uint64_t{gap.first} + 1;
    gap.end_offset = gap.first_offset;
    if (gap.frame_follows) {
      const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(bytes_.substr(gap.end));
      gap.end_offset = std::max<uint64_t>(gap.first_offset, header->base_offset - base());
      if (!own) end = CountBack(gap.end).value_or(end);
      // Terms of what is lost are not known; that of the next frame is.
      term_ = header->leader_epoch;
      if (const IndexEntry* run = RunOf(end); run != nullptr) term_ = Term(run->term);
    } else {
      end = OrdinalAt(gap.end).value_or(next_ != nullptr ? limit_ : end);
      if (next_ != nullptr && end >= limit_ && next_->base_offset > base()) {
        gap.end_offset = std::max<uint64_t>(gap.end_offset, next_->base_offset - base());
      } else if (const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(rest());
                 own && header.ok()) {
        gap.end_offset += header->offset_span();
      }
    }
    gap.end_ordinal = static_cast<uint32_t>(std::clamp<uint64_t>(end, gap.first, limit_));
    if (gap.end_ordinal == gap.first && gap.first < limit_) ++gap.end_ordinal;
  }

  // Which frame begins at `pos`: from the next position that the sidecar knows, counted back over
  // the frames between.
  std::optional<uint64_t> CountBack(uint64_t pos) const {
    uint64_t hops = 0;
    for (;; ++hops) {
      if (const std::optional<uint64_t> known = OrdinalAt(pos)) {
        if (*known < hops || *known - hops <= walk_.count) return std::nullopt;
        return *known - hops;
      }
      if (pos >= bytes_.size()) return std::nullopt;
      const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(bytes_.substr(pos));
      if (!header.ok()) return std::nullopt;
      pos += header->total_bytes();
    }
  }

  const FoundSegment& found_;
  std::vector<DecodedIndexEntry> runs_;
  std::string_view bytes_;
  uint64_t limit_ = 0;
  const SegmentHeader* next_ = nullptr;
  Term term_;
  SegmentWalk walk_;
};

}  // namespace

const WalkedFrame* SegmentWalk::Find(uint32_t ordinal) const {
  const auto at = std::lower_bound(
      frames.begin(), frames.end(), ordinal,
      [](const WalkedFrame& each, uint32_t value) { return each.ordinal < value; });
  return at != frames.end() && at->ordinal == ordinal ? &*at : nullptr;
}

SegmentWalk WalkSegment(const FoundSegment& found, const SegmentHeader* next) {
  return Walker(found, next).Run();
}

uint64_t EntriesAtMost(const FoundSegment& found, const SegmentWalk& walk) {
  uint64_t described = kSegmentHeaderBytes;
  uint64_t told = 0;
  for (const DecodedIndexEntry& each : found.index) {
    if (each.entry.is_checkpoint()) continue;
    described = uint64_t{each.entry.pos} + each.entry.length;
    told = uint64_t{each.entry.first} + each.entry.count;
  }
  uint64_t entries = walk.count;
  for (const WalkGap& gap : walk.gaps) {
    if (gap.end <= described) continue;
    entries += (gap.end - gap.begin) / kBatchHeaderBytes;
    told += (gap.end - std::max(gap.begin, described)) / kBatchHeaderBytes;
  }
  told += static_cast<uint64_t>(
      std::count_if(walk.frames.begin(), walk.frames.end(),
                    [&](const WalkedFrame& frame) { return frame.pos >= described; }));
  // Where nothing follows the damage the walk counts one entry: the sidecar may tell of more.
  return std::max(entries, told);
}

}  // namespace tidemark
