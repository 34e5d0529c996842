#include "engine/log/verify.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "engine/log/found_header.h"
#include "engine/log/frame.h"
#include "engine/log/group_files.h"
#include "engine/log/sidecar_check.h"
#include "engine/log/sparse_scan.h"

namespace tidemark {
namespace {

class Verifier {
 public:
  Verifier(GroupId group, const DirectoryView& directory) : directory_(directory) {
    result_.group = group;
  }

  absl::StatusOr<GroupVerification> Run() {
    CheckHardState();
    if (result_.hard_state.start == kRemovedGroup) {
      // The next start goes on removing it, whatever is left.
      result_.leftover_files = directory_.List(result_.group).size();
      return std::move(result_);
    }
    TIDEMARK_ASSIGN_OR_RETURN(files_,
                              GroupFiles::Read(result_.group, result_.hard_state, directory_));
    result_.leftover_files = files_.leftovers.size();
    result_.known_committed = std::max(files_.committed, result_.hard_state.commit);
    result_.known_durable = std::max(files_.durable, result_.known_committed);
    for (size_t i = 0; i < files_.segments.size(); ++i) CheckSegment(i);
    for (const FileId& file : files_.orphans) {
      Add({.kind = FindingKind::kStaleSidecar,
           .file = file,
           .what = "the segment of this sidecar is gone: a crash interrupted its removal, or it "
                   "was lost before it was known durable",
           .remedy = "nothing needs to be done: the next start removes it"});
    }
    CheckEnd();
    if (cut_.has_value() && hard_state_whole_) FinishCut();
    return std::move(result_);
  }

 private:
  using Found = GroupFiles::Found;

  void Add(Finding finding) { result_.findings.push_back(std::move(finding)); }

  void CheckHardState() {
    const FileId file{.group = result_.group, .kind = FileKind::kHardState, .number = 0};
    const absl::StatusOr<std::string_view> contents = directory_.Contents(file);
    if (absl::IsNotFound(contents.status())) return;
    const std::string_view bytes = contents.ok() ? *contents : std::string_view();
    ++result_.files;
    result_.bytes += bytes.size();
    const absl::StatusOr<HardStateRecord> record = DecodeHardState(bytes);
    if (!contents.ok() || !record.ok()) {
      hard_state_whole_ = false;
      Add({.file = file,
           .end = FilePos(bytes.size()),
           .durable = true,
           .what = contents.ok() ? "no copy of the hard state (term, vote, commit) is whole: this "
                                   "replica does not know what it promised"
                                 : std::string(contents.status().message()),
           .remedy = absl::StrCat("it cannot be made up; ", std::string(kFromPeers),
                                  ". Without other replicas put the file back from a backup")});
      return;
    }
    result_.hard_state = *record;
    for (size_t i = 0; i < kHardStateCopies; ++i) {
      const size_t at = i * kHardStateCopyBytes;
      const std::string_view copy = bytes.substr(std::min(at, bytes.size()), kHardStateCopyBytes);
      const std::string_view used = copy.substr(0, kHardStateRecordBytes + kHardStateExtraBytes);
      if (DecodeHardStateCopy(copy).has_value()) continue;
      if (AllZeros(used) &&
          (i >= kHardStateCopies / 2 ? record->generation < 2 : record->generation == 0)) {
        continue;
      }
      Add({.file = file,
           .begin = FilePos(at),
           .end = FilePos(at + used.size()),
           .what = "this copy of the hard state is damaged; the newest whole one counts. A crash "
                   "that tears a write leaves both copies of one slot so, a bad sector one",
           .remedy = "nothing needs to be done: writes take turns and make it whole again"});
    }
  }

  // The header of the segment that continues segment `i`.
  const SegmentHeader* NextOf(size_t i) const {
    if (i + 1 >= files_.segments.size()) return nullptr;
    const Found& next = files_.segments[i + 1];
    const Found& found = files_.segments[i];
    return next.damage.empty() && next.header.previous_number == found.header.number &&
                   next.header.base_index == found.end
               ? &next.header
               : nullptr;
  }

  void CheckSegment(size_t i) {
    Found& found = files_.segments[i];
    result_.files += found.has_index ? 2 : 1;
    ++result_.segments;
    if (!found.damage.empty()) {
      CheckHeaderless(found);
      return;
    }
    CheckContinues(i);
    if (found.header.sparse.has_value()) {
      CheckSparse(found);
      return;
    }
    // Where the next segment cannot tell where this one ends, the footer can: behind that may be
    // frames that were cut.
    if (NextOf(i) == nullptr && found.footer.has_value()) {
      found.end = std::min(found.end, found.header.base_index + found.footer->count);
    }
    const bool last = i + 1 == files_.segments.size();
    const SegmentWalk walk = WalkSegment(found, NextOf(i));
    Count(found, walk);
    if (ended_) return;
    index_ = found.header.base_index + walk.count;
    offset_ = found.header.base_offset + walk.end_offset;
    term_ = walk.frames.empty() ? found.header.previous_term : Term(walk.frames.back().term);
    number_ = chain_ = found.header.number;
    segment_end_ = walk.end;
    const size_t before = result_.findings.size();
    for (const WalkGap& gap : walk.gaps) CheckGap(found, gap);
    if (ended_) return;
    const SidecarCheck check = CheckSidecar(found, walk, found.sidecar_bytes, NextOf(i));
    digest_ = check.whole ? std::optional<uint64_t>(check.digest) : std::nullopt;
    if (!check.foreign.empty()) digest_.reset();
    for (const SidecarCheck::Foreign& foreign : check.foreign) AddForeign(found, walk, foreign);
    for (const SidecarCheck::Stale& stale : check.stale) AddStale(found, stale, last);
    // In the order of the log.
    std::stable_sort(result_.findings.begin() + static_cast<ptrdiff_t>(before),
                     result_.findings.end(), [](const Finding& a, const Finding& b) {
                       return std::pair(a.file.kind, a.begin) < std::pair(b.file.kind, b.begin);
                     });
    whole_ = walk.gaps.empty();
  }

  void Count(const Found& found, const SegmentWalk& walk) {
    result_.frames += walk.frames.size();
    for (const WalkedFrame& frame : walk.frames) result_.records += frame.span;
    CountSegment(found, walk.end, found.header.base_index + walk.count,
                 found.header.base_offset + walk.end_offset);
  }

  void CountSegment(const Found& found, uint64_t size, LogIndex end_index, Offset end_offset) {
    result_.bytes += size + found.sidecar_bytes.size();
    if (!begun_) {
      result_.first_index = found.header.base_index;
      result_.first_offset = found.header.base_offset;
      begun_ = true;
    }
    result_.end_index = std::max(result_.end_index, end_index);
    result_.end_offset = std::max(result_.end_offset, end_offset);
    used_.push_back({.file = found.file(), .begin = FilePos(0), .end = FilePos(size)});
  }

  // What compaction wrote was durable as a whole: it is as it was written, or lost from its first
  // entry on, as nothing but the frames and the sidecar together tell which entries it has.
  void CheckSparse(const Found& found) {
    const SegmentHeader& header = found.header;
    SparseWalk walk;
    if (IsWholeSparse(found)) {
      const uint64_t index_bytes =
          std::min<uint64_t>(found.footer->index_bytes, found.sidecar_bytes.size());
      walk =
          WalkSparse(found, SegmentOf(found), found.sidecar_bytes.substr(0, index_bytes), nullptr);
    } else {
      walk.what = "its footer is gone, and so are the segments that it replaced";
      walk.file = found.sidecar();
      walk.end = found.sidecar_bytes.size();
    }
    result_.frames += walk.frames;
    result_.records += walk.records;
    const uint64_t size = found.footer.has_value() ? found.footer->size : found.bytes.size();
    CountSegment(found, size, header.sparse->end_index, header.sparse->end_offset);
    if (ended_) return;
    if (!walk.what.empty()) {
      Add(DamagedFrames({.file = walk.file,
                         .begin = FilePos(walk.begin),
                         .end = FilePos(walk.end),
                         .first_index = header.base_index,
                         .end_index = header.sparse->end_index,
                         .first_offset = header.base_offset,
                         .end_offset = header.sparse->end_offset},
                        walk.what, /*durable=*/true));
      BeginCut(header.base_index, header.base_offset, number_, FilePos(segment_end_), found.file(),
               FilePos(0));
    }
    index_ = header.sparse->end_index;
    offset_ = header.sparse->end_offset;
    term_ = header.previous_term;
    if (found.footer.has_value() && !found.footer->terms.empty()) {
      term_ = Term(found.footer->terms.back().term);
    }
    number_ = header.number;
    chain_ = header.sparse->last_number;
    segment_end_ = size;
    digest_ = header.sparse->end_digest;
    whole_ = true;
  }

  void CheckHeaderless(const Found& found) {
    Finding finding{
        .file = found.file(),
        .end = FilePos(std::min<uint64_t>(found.bytes.size(), kSegmentHeaderBytes)),
        .first_index = index_,
        .end_index = index_,
        .first_offset = offset_,
        .end_offset = offset_,
        .durable = true,
        .what = absl::StrCat(found.damage, ": which entries the segment holds is not known"),
        .remedy = std::string(kFromPeers)};
    used_.push_back(
        {.file = found.file(), .begin = FilePos(0), .end = FilePos(found.bytes.size())});
    result_.bytes += found.bytes.size() + found.sidecar_bytes.size();
    if (!ended_)
      BeginCut(index_, offset_, number_, FilePos(segment_end_), finding.file, FilePos(0));
    Add(std::move(finding));
    // Its frames are held against each other all the same.
    FoundSegment alone = found;
    const absl::StatusOr<BatchHeader> first = DecodeBatchHeader(
        found.bytes.substr(std::min<size_t>(kSegmentHeaderBytes, found.bytes.size())));
    if (first.ok()) {
      alone.header.base_index = LogIndex(1);
      alone.header.base_offset = first->base_offset;
      alone.header.previous_term = Term(0);
      alone.footer.reset();
      alone.index.clear();
      for (const WalkGap& gap : WalkSegment(alone, nullptr).gaps) {
        Add({.file = found.file(),
             .begin = FilePos(gap.begin),
             .end = FilePos(gap.end),
             .first_index = index_,
             .end_index = index_,
             .first_offset = offset_,
             .end_offset = offset_,
             .durable = true,
             .what = absl::StrCat(gap.wrong, " (in a segment whose header is damaged)"),
             .remedy = std::string(kFromPeers)});
      }
    }
    unknown_ = true;
    digest_.reset();
  }

  void CheckContinues(size_t i) {
    const Found& found = files_.segments[i];
    const SegmentHeader& header = found.header;
    if (std::exchange(unknown_, false) || ended_) return;
    if (i == 0 && header.base_index > LogIndex(1) &&
        header.base_index <= result_.hard_state.start) {
      return;
    }
    const uint64_t previous = i == 0 ? 0 : chain_;
    if (header.base_index == index_ && header.previous_number == previous) {
      const bool offsets = header.base_offset == offset_ && header.previous_term == term_;
      const bool digests = !digest_.has_value() || header.previous_digest == *digest_;
      if (i > 0 && !whole_) return;
      if (offsets && digests) return;
      Add({.file = found.file(),
           .end = FilePos(kSegmentHeaderBytes),
           .first_index = header.base_index,
           .end_index = header.base_index,
           .first_offset = header.base_offset,
           .end_offset = header.base_offset,
           .durable = true,
           .what = "the segment does not continue the log before it: one of the two is not the "
                   "one that was written here",
           .remedy = std::string(kFromPeers)});
      BeginCut(index_, offset_, number_, FilePos(segment_end_), found.file(), FilePos(0));
      return;
    }
    if (i > 0 && !whole_ && header.previous_number == previous) return;
    Missing(found.header.previous_number, index_, header.base_index, offset_, header.base_offset,
            found.file());
  }

  // Entries [first, end) are in no file.
  void Missing(uint64_t number, LogIndex first, LogIndex end, Offset first_offset,
               Offset end_offset, const FileId& seen) {
    const bool durable = first <= result_.known_durable;
    Finding finding{
        .kind = durable ? FindingKind::kMissingFile : FindingKind::kTornTail,
        .file = durable && number != 0
                    ? FileId{.group = result_.group, .kind = FileKind::kSegment, .number = number}
                    : seen,
        .first_index = first,
        .end_index = std::max(first, end),
        .first_offset = first_offset,
        .end_offset = std::max(first_offset, end_offset),
        .durable = durable};
    finding.what = absl::StrCat(
        "before ", PathOf(seen), " the log ends at index ", (first - 1).value(),
        durable ? ", and what comes between was durable: a file is missing, or an older state of "
                  "it was put back"
                : "; a crash interrupted the flush that began both");
    finding.remedy = durable ? absl::StrCat("put the file back, or, ", std::string(kFromPeers))
                             : "nothing needs to be done: the next start ends the log there";
    BeginCut(first, first_offset, number_, FilePos(segment_end_), seen, FilePos(0));
    if (!durable) ended_ = true;
    Add(std::move(finding));
  }

  void CheckGap(const Found& found, const WalkGap& gap) {
    if (ended_) return;
    const LogIndex index = found.header.base_index + gap.first;
    const bool durable = index <= result_.known_durable || gap.contradicted ||
                         (gap.frame_follows && !gap.lost_sector) ||
                         gap.wrong == "it cannot be told from rot";
    Finding finding = DamagedFrames({.file = found.file(),
                                     .begin = FilePos(gap.begin),
                                     .end = FilePos(gap.end),
                                     .first_index = index,
                                     .end_index = found.header.base_index + gap.end_ordinal,
                                     .first_offset = found.header.base_offset + gap.first_offset,
                                     .end_offset = found.header.base_offset + gap.end_offset},
                                    gap.wrong, durable);
    BeginCut(finding.first_index, finding.first_offset, found.header.number, finding.begin,
             found.file(), finding.begin);
    if (!durable) {
      // What lies behind goes with it.
      finding.end = FilePos(std::max<uint64_t>(gap.end, LastByte(found.bytes)));
      ended_ = true;
      index_ = finding.first_index;
      offset_ = finding.first_offset;
    }
    Add(std::move(finding));
  }

  static uint64_t LastByte(std::string_view bytes) {
    const size_t last = bytes.find_last_not_of('\0');
    return last == std::string_view::npos ? 0 : last + 1;
  }

  void AddForeign(const Found& found, const SegmentWalk& walk,
                  const SidecarCheck::Foreign& foreign) {
    const WalkedFrame& first = *walk.Find(foreign.first);
    const WalkedFrame& last = *walk.Find(foreign.end_ordinal - 1);
    Finding finding =
        ForeignFrames({.file = found.file(),
                       .begin = FilePos(foreign.begin),
                       .end = FilePos(foreign.end),
                       .first_index = found.header.base_index + foreign.first,
                       .end_index = found.header.base_index + foreign.end_ordinal,
                       .first_offset = found.header.base_offset + first.first_offset,
                       .end_offset = found.header.base_offset + last.first_offset + last.span},
                      foreign.what);
    BeginCut(finding.first_index, finding.first_offset, found.header.number, finding.begin,
             found.file(), finding.begin);
    Add(std::move(finding));
  }

  void AddStale(const Found& found, const SidecarCheck::Stale& stale, bool last) {
    Finding finding = StaleSidecar({.file = found.sidecar(),
                                    .begin = FilePos(stale.begin),
                                    .end = FilePos(stale.end),
                                    .first_index = found.header.base_index,
                                    .end_index = found.header.base_index,
                                    .first_offset = found.header.base_offset,
                                    .end_offset = found.header.base_offset},
                                   stale.what);
    if (last) finding.what += " (after a crash this is usual)";
    Add(std::move(finding));
  }

  // What was durable must be there.
  void CheckEnd() {
    if (ended_ || unknown_ || files_.segments.empty()) return CheckEmpty();
    // A segment gets its footer when the one that continues it is durable.
    const bool continued = files_.segments.back().footer.has_value();
    if (!continued && index_ > result_.known_durable) return;
    if (!whole_ && cut_.has_value()) return;
    MissingEnd();
  }

  void CheckEmpty() {
    if (files_.segments.empty() && index_ <= result_.known_durable) MissingEnd();
  }

  void MissingEnd() {
    Add({.kind = FindingKind::kMissingFile,
         .file = {.group = result_.group, .kind = FileKind::kSegment, .number = number_ + 1},
         .first_index = index_,
         .end_index = std::max(index_ + 1, result_.known_durable + 1),
         .first_offset = offset_,
         .end_offset = offset_,
         .durable = true,
         .what = absl::StrCat("the log ends at index ", (index_ - 1).value(), ", but ",
                              EntriesText(index_, std::max(index_ + 1, result_.known_durable + 1)),
                              " were durable: files are missing, or older ones were put back (the "
                              "number of the file is a guess)"),
         .remedy = absl::StrCat("put the files back, or, ", std::string(kFromPeers))});
    BeginCut(index_, offset_, number_, FilePos(segment_end_), result_.findings.back().file,
             FilePos(0));
  }

  // Where the log would have to end: at the first damage of all.
  void BeginCut(LogIndex index, Offset offset, uint64_t keep_number, FilePos keep_end,
                const FileId& lost, FilePos lost_begin) {
    if (cut_.has_value()) return;
    cut_used_ = used_.size();
    if (!used_.empty() && used_.back().file == lost) --cut_used_;
    cut_ = LogCut{.index = index,
                  .end_index = index,
                  .offset = offset,
                  .end_offset = offset,
                  .ranges = {{.file = lost, .begin = lost_begin, .end = lost_begin}},
                  .keep_number = keep_number,
                  .keep_end = keep_end};
  }

  void FinishCut() {
    LostRange first = cut_->ranges.front();
    cut_->ranges.clear();
    for (size_t i = cut_used_; i < used_.size(); ++i) {
      const LostRange& used = used_[i];
      cut_->ranges.push_back(used);
      if (used.file == first.file) {
        cut_->ranges.back().begin = first.begin;
        for (const Finding& finding : result_.findings) {
          if (finding.file == first.file) {
            cut_->ranges.back().end = std::max(cut_->ranges.back().end, finding.end);
          }
        }
      }
    }
    if (cut_->ranges.empty()) cut_->ranges.push_back(first);
    cut_->end_index = std::max({cut_->index, result_.end_index, result_.known_durable + 1});
    cut_->end_offset = std::max(cut_->offset, result_.end_offset);
    result_.cut = std::move(cut_);
  }

  const DirectoryView& directory_;
  GroupVerification result_;
  GroupFiles files_;
  bool hard_state_whole_ = true;
  std::vector<LostRange> used_;
  std::optional<LogCut> cut_;
  size_t cut_used_ = 0;  // from which of `used_` on there are bytes that it loses
  // The log before the segment under way.
  LogIndex index_{1};
  Offset offset_;
  Term term_;
  uint64_t number_ = 0;
  uint64_t chain_ = 0;  // what the segment behind names as the one it continues
  uint64_t segment_end_ = 0;
  std::optional<uint64_t> digest_ = 0;
  bool begun_ = false;
  bool whole_ = true;     // the segment before has no gaps
  bool unknown_ = false;  // the header of the segment before is damaged
  bool ended_ = false;    // a torn tail: nothing behind it counts
};

}  // namespace

bool GroupVerification::refuses() const {
  return std::any_of(findings.begin(), findings.end(), [](const Finding& f) { return f.durable; });
}

absl::StatusOr<GroupVerification> VerifyGroup(GroupId group, const DirectoryView& directory) {
  return Verifier(group, directory).Run();
}

}  // namespace tidemark
