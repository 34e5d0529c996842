#include "engine/log/found_header.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "engine/base/limits.h"
#include "engine/base/status_macros.h"
#include "engine/log/frame.h"
#include "engine/log/segment.h"

namespace tidemark {
namespace {

// Whether the sidecar knows that the file was a segment once.
bool IsVouchedFor(const FoundSegment& found) {
  return found.footer.has_value() ||
         std::any_of(found.index.begin(), found.index.end(),
                     [](const DecodedIndexEntry& each) { return each.entry.durable > 0; });
}

WallTime CreatedBefore(const SegmentFooter& footer) {
  return WallTime::FromMillis(footer.runs.empty() ? footer.append_time_ms
                                                  : footer.runs.front().append_time_ms);
}

// What a full segment leaves behind it, where its header and footer tell.
struct End {
  LogIndex index = LogIndex(1);
  Offset offset;
  uint64_t chain_number = 0;
  Term term;
  uint64_t digest = 0;
};

std::optional<End> EndOf(const FoundSegment& found) {
  if (!found.footer.has_value() || found.footer->terms.empty()) return std::nullopt;
  const SegmentFooter& footer = *found.footer;
  const SegmentHeader& header = found.header;
  End end{.index = header.base_index + footer.count,
          .offset = header.base_offset + footer.end_offset,
          .chain_number = header.number,
          .term = Term(footer.terms.back().term),
          .digest = footer.digest};
  if (header.sparse.has_value()) {
    end.offset = header.sparse->end_offset;
    end.chain_number = header.sparse->last_number;
    end.digest = header.sparse->end_digest;
  }
  return end;
}

// From the footer and the segment of `others` that names it as the one before; of the entry before
// it from the checkpoint that its sidecar begins with.
bool RestoreHeader(const std::vector<FoundSegment>& others, FoundSegment& lost) {
  if (!lost.footer.has_value() || lost.footer->compaction.has_value() ||
      lost.footer->terms.empty()) {
    return false;
  }
  const SegmentFooter& footer = *lost.footer;
  const auto continues_it = [&](const FoundSegment& each) {
    const SegmentHeader& next = each.header;
    // Of one that was restored itself the checkpoint tells what it continues, not the number.
    const bool named =
        next.previous_number == lost.header.number || (!each.damage.empty() && each.previous_known);
    return named && next.previous_digest == footer.digest &&
           next.previous_term == Term(footer.terms.back().term) &&
           next.base_index > LogIndex(footer.count) &&
           next.base_offset >= Offset(footer.end_offset);
  };
  const auto next = std::find_if(others.begin(), others.end(), continues_it);
  if (next == others.end()) return false;
  SegmentHeader& header = lost.header;
  header.base_index = LogIndex(next->header.base_index.value() - footer.count);
  header.base_offset = Offset(next->header.base_offset.value() - footer.end_offset);
  header.created = CreatedBefore(footer);
  header.durable = header.base_index - 1;
  lost.previous_known = header.base_index == LogIndex(1);
  if (!lost.previous_known && !lost.index.empty()) {
    const IndexEntry& first = lost.index.front().entry;
    if (first.is_checkpoint() && first.pos == kSegmentHeaderBytes && first.first == 0) {
      header.previous_term = Term(first.term);
      header.previous_digest = first.digest;
      lost.previous_known = true;
    }
  }
  return true;
}

}  // namespace

void ReadFooterOf(const DirectoryView& directory, FoundSegment& found) {
  if (!found.has_index) return;
  const absl::StatusOr<uint64_t> size = directory.Size(found.sidecar());
  if (!size.ok()) return;
  found.index_file_bytes = *size;
  const uint64_t length = std::min<uint64_t>(*size, kFooterBytesMax);
  const absl::StatusOr<std::string> tail =
      directory.ReadAt(found.sidecar(), FilePos(*size - length), static_cast<uint32_t>(length));
  if (tail.ok()) found.footer = DecodeFooter(*tail);
}

void ReadIndexOf(const DirectoryView& directory, FoundSegment& found) {
  if (!found.has_index || !found.index.empty()) return;
  const absl::StatusOr<std::string_view> index = directory.Contents(found.sidecar());
  if (index.ok()) found.index = DecodeIndex(*index);
}

absl::StatusOr<std::optional<BatchHeader>> FirstFrameOf(const DirectoryView& directory,
                                                        const FileId& file) {
  TIDEMARK_ASSIGN_OR_RETURN(const std::string head,
                            directory.ReadAt(file, FilePos(kSegmentHeaderBytes), kBatchBytesMax));
  const absl::StatusOr<BatchHeader> first = DecodeBatchHeader(head);
  if (!first.ok() || first->total_bytes() > head.size() ||
      !BatchChecksumMatches(std::string_view(head).substr(0, first->total_bytes()))) {
    return std::nullopt;
  }
  return *first;
}

bool IsWholeSparse(const FoundSegment& found) {
  const SegmentHeader& header = found.header;
  const std::optional<SegmentFooter>& footer = found.footer;
  return footer.has_value() && footer->compaction.has_value() &&
         footer->count == header.sparse->end_index - header.base_index &&
         footer->committed == footer->count &&
         header.base_offset + footer->end_offset <= header.sparse->end_offset;
}

absl::StatusOr<HeaderVerdict> JudgeHeader(const absl::StatusOr<std::string>& head,
                                          FoundSegment& found) {
  if (!head.ok()) {
    if (!absl::IsDataLoss(head.status())) return head.status();
    return HeaderVerdict{HeaderState::kLost, std::string(head.status().message())};
  }
  const absl::StatusOr<SegmentHeader> header = DecodeSegmentHeader(*head);
  if (absl::IsFailedPrecondition(header.status())) {
    return absl::FailedPreconditionError(
        absl::StrCat(PathOf(found.file()), ": ", header.status().message()));
  }
  if (!header.ok()) {
    // All fields lie in the first sector: it is as it was written, or it never was.
    const bool written = head->size() >= kSegmentHeaderBytes &&
                         !AllZeros(std::string_view(*head).substr(0, kSectorBytes));
    return HeaderVerdict{
        written || IsVouchedFor(found) ? HeaderState::kLost : HeaderState::kNeverWhole,
        std::string(header.status().message())};
  }
  if (header->group != found.header.group || header->number != found.header.number) {
    return absl::FailedPreconditionError(absl::StrCat(
        PathOf(found.file()), " is segment ", header->number, " of group ", header->group.value(),
        ": it was copied or renamed; put it back where it belongs"));
  }
  found.header = *header;
  return HeaderVerdict{};
}

void RestoreHeaders(std::vector<FoundSegment>& found, std::vector<FoundSegment>& lost) {
  // The youngest first: each is told by one that continues it.
  for (size_t i = lost.size(); i-- > 0;) {
    if (!RestoreHeader(found, lost[i])) continue;
    const auto at = std::upper_bound(
        found.begin(), found.end(), lost[i].header.number,
        [](uint64_t number, const FoundSegment& each) { return number < each.header.number; });
    found.insert(at, std::move(lost[i]));
    lost.erase(lost.begin() + static_cast<ptrdiff_t>(i));
  }
}

bool RestoreSparseHeader(const std::vector<FoundSegment>& live, FoundSegment& lost) {
  if (!lost.footer.has_value() || !lost.footer->compaction.has_value()) return false;
  const SegmentFooter& footer = *lost.footer;
  for (size_t i = 0; i < live.size(); ++i) {
    const SegmentHeader& next = live[i].header;
    // Behind nothing it begins the log, or what was before it is gone and nothing tells of it.
    const std::optional<End> before = i == 0 ? End{} : EndOf(live[i - 1]);
    if (!before.has_value() || next.base_index <= before->index ||
        next.base_index - before->index != footer.count ||
        before->offset + footer.end_offset > next.base_offset) {
      continue;
    }
    lost.header.base_index = before->index;
    lost.header.base_offset = before->offset;
    lost.header.previous_number = before->chain_number;
    lost.header.previous_term = before->term;
    lost.header.previous_digest = before->digest;
    lost.header.created = CreatedBefore(footer);
    lost.header.durable = before->index - 1;
    lost.header.sparse = {.end_index = next.base_index,
                          .end_offset = next.base_offset,
                          .last_number = next.previous_number,
                          .end_digest = next.previous_digest};
    return IsWholeSparse(lost);
  }
  return false;
}

}  // namespace tidemark
