#include "engine/log/segment.h"

#include "absl/strings/str_cat.h"
#include "engine/base/check.h"
#include "engine/base/coding.h"
#include "engine/base/crc32c.h"
#include "engine/base/limits.h"
#include "engine/log/frame.h"

namespace tidemark {
namespace {

constexpr std::string_view kMagic("TMLOG\0\1\0", 8);
constexpr size_t kHeaderFields = 8 + 2 + 6 + 9 * 8;  // and the checksum behind them
constexpr uint16_t kSparseFlag = 1;
// Of a sparse segment: its fields behind that checksum, and another one over all.
constexpr size_t kSparseFields = kHeaderFields + 4 + 4 * 8;

// Far below the overflow of any sum of an index or offset with what a segment can hold.
constexpr uint64_t kSane = uint64_t{1} << 62;

}  // namespace

std::string EncodeSegmentHeader(const SegmentHeader& header) {
  std::string out(kMagic);
  AppendLittle<uint16_t>(out, kFormatVersion);
  AppendLittle<uint16_t>(out, header.sparse.has_value() ? kSparseFlag : 0);
  out.append(4, '\0');
  AppendLittle<uint64_t>(out, header.group.value());
  AppendLittle<uint64_t>(out, header.number);
  AppendLittle<uint64_t>(out, header.base_index.value());
  AppendLittle<uint64_t>(out, header.base_offset.value());
  AppendLittle<uint64_t>(out, header.previous_term.value());
  AppendLittle<int64_t>(out, header.created.millis());
  AppendLittle<uint64_t>(out, header.durable.value());
  AppendLittle<uint64_t>(out, header.previous_number);
  AppendLittle<uint64_t>(out, header.previous_digest);
  TIDEMARK_CHECK_EQ(out.size(), kHeaderFields);
  AppendLittle<uint32_t>(out, Crc32c(out));
  if (header.sparse.has_value()) {
    AppendLittle<uint64_t>(out, header.sparse->end_index.value());
    AppendLittle<uint64_t>(out, header.sparse->end_offset.value());
    AppendLittle<uint64_t>(out, header.sparse->last_number);
    AppendLittle<uint64_t>(out, header.sparse->end_digest);
    TIDEMARK_CHECK_EQ(out.size(), kSparseFields);
    AppendLittle<uint32_t>(out, Crc32c(out));
  }
  out.resize(kSegmentHeaderBytes, '\0');
  return out;
}

absl::StatusOr<SegmentHeader> DecodeSegmentHeader(std::string_view file) {
  if (file.size() < kSegmentHeaderBytes || file.substr(0, kMagic.size()) != kMagic) {
    return absl::DataLossError("it does not begin like a segment");
  }
  const uint16_t version = LoadLittle<uint16_t>(file.data() + 8);
  const uint16_t flags = LoadLittle<uint16_t>(file.data() + 10);
  const bool sparse = flags == kSparseFlag;
  const size_t fields = sparse ? kSparseFields : kHeaderFields;
  const auto summed = [&](size_t to) {
    return Crc32c(file.substr(0, to)) == LoadLittle<uint32_t>(file.data() + to);
  };
  if (!summed(kHeaderFields) || !summed(fields) ||
      !AllZeros(file.substr(fields + 4, kSegmentHeaderBytes - fields - 4))) {
    return absl::DataLossError("the checksum of its header is wrong");
  }
  if (version != kFormatVersion) {
    return absl::FailedPreconditionError(absl::StrCat(
        "it has format version ", version, ", this program reads version ", kFormatVersion,
        version > kFormatVersion ? "; run a newer tidemark" : "; it was never released"));
  }
  const auto field = [&](size_t i) { return LoadLittle<uint64_t>(file.data() + 16 + 8 * i); };
  if ((flags != 0 && !sparse) || field(2) == 0 || field(2) > kSane || field(3) > kSane ||
      field(4) > kTermMax || field(6) >= field(2)) {
    return absl::DataLossError("its header makes no sense");
  }
  SegmentHeader header{.group = GroupId(field(0)),
                       .number = field(1),
                       .base_index = LogIndex(field(2)),
                       .base_offset = Offset(field(3)),
                       .previous_number = field(7),
                       .previous_term = Term(field(4)),
                       .previous_digest = field(8),
                       .created = WallTime::FromMillis(static_cast<int64_t>(field(5))),
                       .durable = LogIndex(field(6))};
  if (!sparse) return header;
  const auto extra = [&](size_t i) {
    return LoadLittle<uint64_t>(file.data() + kHeaderFields + 4 + 8 * i);
  };
  // Distances in a segment are 32 bits wide. One that was received stands for itself.
  if (extra(0) <= field(2) || extra(0) - field(2) > UINT32_MAX || extra(1) < field(3) ||
      extra(1) - field(3) > UINT32_MAX || extra(2) > header.number) {
    return absl::DataLossError("the range that its header names makes no sense");
  }
  header.sparse = {.end_index = LogIndex(extra(0)),
                   .end_offset = Offset(extra(1)),
                   .last_number = extra(2),
                   .end_digest = extra(3)};
  return header;
}

}  // namespace tidemark
