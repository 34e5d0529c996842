#include "engine/log/index.h"

#include <algorithm>

#include "engine/base/check.h"
#include "engine/base/coding.h"
#include "engine/base/crc32c.h"
#include "engine/base/limits.h"
#include "engine/log/segment.h"

namespace tidemark {
namespace {

constexpr std::string_view kIndexMagic("TMIDX\0\2\0", kIndexHeaderBytes);
static_assert(kFormatVersion == 2, "the version stands in the magic, too");
constexpr std::string_view kFooterMagic("TMFOOT\2\0", 8);

constexpr size_t kFooterFields = 7 * 4 + 8 + 8 + 2 * 4;
constexpr size_t kTermBytes = 8;
constexpr size_t kRunBytes = 20;
constexpr size_t kCompactionBytes = 4 * 8;
constexpr size_t kTrailerBytes = 4 + 4 + 8;  // length, checksum, magic
static_assert(kFooterFields + kSegmentTermsMax * kTermBytes + kFooterRunsMax * kRunBytes +
                  kCompactionBytes + kTrailerBytes <=
              kFooterBytesMax);

IndexEntry LoadEntry(const char* from) {
  return {.pos = LoadLittle<uint32_t>(from),
          .length = LoadLittle<uint32_t>(from + 4),
          .first = LoadLittle<uint32_t>(from + 8),
          .count = LoadLittle<uint32_t>(from + 12),
          .first_offset = LoadLittle<uint32_t>(from + 16),
          .term = LoadLittle<uint32_t>(from + 20),
          .append_time_ms = LoadLittle<int64_t>(from + 24),
          .append_span_ms = LoadLittle<uint32_t>(from + 48),
          .durable = LoadLittle<uint32_t>(from + 32),
          .committed = LoadLittle<uint32_t>(from + 36),
          .digest = LoadLittle<uint64_t>(from + 40)};
}

}  // namespace

std::string_view IndexFileHeader() { return kIndexMagic; }

void AppendIndexEntry(const IndexEntry& entry, std::string_view state, uint32_t& chain,
                      std::string& out) {
  TIDEMARK_CHECK_EQ(entry.is_checkpoint() ? entry.length : 0, state.size());
  char bytes[kIndexEntryBytes] = {};
  StoreLittle(bytes, entry.pos);
  StoreLittle(bytes + 4, entry.length);
  StoreLittle(bytes + 8, entry.first);
  StoreLittle(bytes + 12, entry.count);
  StoreLittle(bytes + 16, entry.first_offset);
  StoreLittle(bytes + 20, entry.term);
  StoreLittle(bytes + 24, entry.append_time_ms);
  StoreLittle(bytes + 32, entry.durable);
  StoreLittle(bytes + 36, entry.committed);
  StoreLittle(bytes + 40, entry.digest);
  StoreLittle(bytes + 48, entry.append_span_ms);
  chain = Crc32c(std::string_view(bytes, kIndexEntryBytes - 4), chain);
  chain = Crc32c(state, chain);
  StoreLittle(bytes + kIndexEntryBytes - 4, chain);
  out.append(bytes, sizeof(bytes));
  out.append(state);
}

std::vector<DecodedIndexEntry> DecodeIndex(std::string_view file) {
  std::vector<DecodedIndexEntry> entries;
  IndexReader reader;
  IndexEntry entry;
  for (std::string_view rest = file; reader.Next(rest, entry) == IndexReader::Step::kEntry;) {
    const size_t state_bytes = entry.is_checkpoint() ? entry.length : 0;
    entries.push_back({.entry = entry,
                       .state = file.substr(reader.end() - state_bytes, state_bytes),
                       .end = reader.end(),
                       .chain = reader.chain()});
  }
  return entries;
}

IndexReader::Step IndexReader::Next(std::string_view& bytes, IndexEntry& entry) {
  const auto fill_head = [&](size_t size) {
    const size_t missing = std::min(size - head_.size(), bytes.size());
    head_.append(bytes.substr(0, missing));
    bytes.remove_prefix(missing);
    return head_.size() == size;
  };
  if (end_ == 0) {
    if (!fill_head(kIndexHeaderBytes)) return Step::kMore;
    if (head_ != kIndexMagic) return Step::kWrong;
    end_ = kIndexHeaderBytes;
    head_.clear();
  }
  if (!in_state_) {
    if (!fill_head(kIndexEntryBytes)) return Step::kMore;
    entry_ = LoadEntry(head_.data());
    expected_ = LoadLittle<uint32_t>(head_.data() + kIndexEntryBytes - 4);
    sum_ = Crc32c(std::string_view(head_).substr(0, kIndexEntryBytes - 4), chain_);
    state_left_ = entry_.is_checkpoint() ? entry_.length : 0;
    in_state_ = true;
  }
  const std::string_view state = bytes.substr(0, std::min<uint64_t>(state_left_, bytes.size()));
  bytes.remove_prefix(state.size());
  sum_ = Crc32c(state, sum_);
  state_left_ -= state.size();
  if (state_left_ > 0) return Step::kMore;
  // A hole of zeros has a valid checksum only by chance, and then begins before any frame.
  if (sum_ != expected_ || entry_.pos == 0) return Step::kWrong;
  in_state_ = false;
  head_.clear();
  chain_ = sum_;
  end_ += kIndexEntryBytes + (entry_.is_checkpoint() ? entry_.length : 0);
  entry = entry_;
  return Step::kEntry;
}

std::string EncodeFooter(const SegmentFooter& footer) {
  TIDEMARK_CHECK_LE(footer.terms.size(), kSegmentTermsMax);
  TIDEMARK_CHECK_LE(footer.runs.size(), kFooterRunsMax);
  std::string out;
  for (const uint32_t field : {footer.count, footer.size, footer.end_offset, footer.committed,
                               footer.index_bytes, footer.stride.bytes, footer.stride.records}) {
    AppendLittle<uint32_t>(out, field);
  }
  AppendLittle<int64_t>(out, footer.append_time_ms);
  AppendLittle<uint64_t>(out, footer.digest);
  AppendLittle<uint32_t>(out, static_cast<uint32_t>(footer.terms.size()));
  AppendLittle<uint32_t>(out, static_cast<uint32_t>(footer.runs.size()));
  for (const SegmentFooter::TermRun& run : footer.terms) {
    AppendLittle<uint32_t>(out, run.first);
    AppendLittle<uint32_t>(out, run.term);
  }
  for (const FrameRun& run : footer.runs) {
    AppendLittle<uint32_t>(out, run.pos);
    AppendLittle<uint32_t>(out, run.first);
    AppendLittle<uint32_t>(out, run.first_offset);
    AppendLittle<int64_t>(out, run.append_time_ms);
  }
  if (footer.compaction.has_value()) {
    AppendLittle<uint64_t>(out, footer.compaction->clean_end.value());
    AppendLittle<uint64_t>(out, footer.compaction->settled_end.value());
    AppendLittle<uint64_t>(out, footer.compaction->pending_end.value());
    AppendLittle<int64_t>(out, footer.compaction->pending_since.millis());
  }
  AppendLittle<uint32_t>(out, static_cast<uint32_t>(out.size()));
  AppendLittle<uint32_t>(out, Crc32c(out));
  out.append(kFooterMagic);
  return out;
}

namespace {

// What it says of its stride.
bool Fits(const SegmentFooter& footer, bool sparse) {
  const FrameStride& stride = footer.stride;
  if (!stride.even()) return stride.bytes == 0;
  return !sparse && uint64_t{footer.count} * stride.records == footer.end_offset &&
         uint64_t{footer.count} * stride.bytes + kSegmentHeaderBytes == footer.size;
}

}  // namespace

std::optional<SegmentFooter> DecodeFooter(std::string_view tail) {
  if (tail.size() < kFooterFields + kTrailerBytes || !tail.ends_with(kFooterMagic)) {
    return std::nullopt;
  }
  const std::string_view trailer = tail.substr(tail.size() - kTrailerBytes);
  const uint32_t length = LoadLittle<uint32_t>(trailer.data());
  if (length > tail.size() - kTrailerBytes || length < kFooterFields) return std::nullopt;
  const std::string_view summed = tail.substr(tail.size() - kTrailerBytes - length, length + 4);
  if (Crc32c(summed) != LoadLittle<uint32_t>(trailer.data() + 4)) return std::nullopt;
  const auto u32 = [&](size_t at) { return LoadLittle<uint32_t>(summed.data() + at); };
  SegmentFooter footer{.count = u32(0),
                       .size = u32(4),
                       .end_offset = u32(8),
                       .committed = u32(12),
                       .index_bytes = u32(16),
                       .stride = {.bytes = u32(20), .records = u32(24)},
                       .append_time_ms = LoadLittle<int64_t>(summed.data() + 28),
                       .digest = LoadLittle<uint64_t>(summed.data() + 36),
                       .terms = {},
                       .runs = {}};
  const uint32_t terms = u32(44);
  const uint32_t runs = u32(48);
  if (terms > kSegmentTermsMax || runs > kFooterRunsMax) return std::nullopt;
  const size_t dense_length = kFooterFields + terms * kTermBytes + runs * kRunBytes;
  const bool sparse = length == dense_length + kCompactionBytes;
  if (length != dense_length && !sparse) return std::nullopt;
  size_t at = kFooterFields;
  for (uint32_t i = 0; i < terms; ++i, at += kTermBytes) {
    footer.terms.push_back({.first = u32(at), .term = u32(at + 4)});
    if (footer.terms[i].first >= footer.count || footer.terms[i].term > kTermMax ||
        (i > 0 && (footer.terms[i].first <= footer.terms[i - 1].first ||
                   footer.terms[i].term <= footer.terms[i - 1].term))) {
      return std::nullopt;
    }
  }
  for (uint32_t i = 0; i < runs; ++i, at += kRunBytes) {
    footer.runs.push_back({.pos = u32(at),
                           .first = u32(at + 4),
                           .first_offset = u32(at + 8),
                           .append_time_ms = LoadLittle<int64_t>(summed.data() + at + 12)});
    const FrameRun& run = footer.runs[i];
    const bool begins =
        run.pos == kSegmentHeaderBytes && (sparse || (run.first == 0 && run.first_offset == 0));
    if (i == 0 ? !begins
               : run.pos <= footer.runs[i - 1].pos || run.first <= footer.runs[i - 1].first ||
                     run.first_offset < footer.runs[i - 1].first_offset ||
                     run.append_time_ms < footer.runs[i - 1].append_time_ms) {
      return std::nullopt;
    }
    if (run.pos >= footer.size || run.first >= footer.count ||
        run.first_offset > footer.end_offset || run.append_time_ms > footer.append_time_ms) {
      return std::nullopt;
    }
  }
  if (footer.committed > footer.count || footer.size < kSegmentHeaderBytes ||
      (sparse ? footer.size > kSegmentHeaderBytes : footer.count > 0) != (runs > 0) ||
      !Fits(footer, sparse)) {
    return std::nullopt;
  }
  if (!sparse) return footer;
  const auto u64 = [&](size_t i) { return LoadLittle<uint64_t>(summed.data() + at + 8 * i); };
  footer.compaction = {.clean_end = Offset(u64(0)),
                       .settled_end = Offset(u64(1)),
                       .pending_end = Offset(u64(2)),
                       .pending_since = WallTime::FromMillis(static_cast<int64_t>(u64(3)))};
  if (footer.compaction->settled_end > footer.compaction->clean_end ||
      footer.compaction->pending_end > footer.compaction->clean_end) {
    return std::nullopt;
  }
  return footer;
}

}  // namespace tidemark
