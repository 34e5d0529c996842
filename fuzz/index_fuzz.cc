#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "engine/base/check.h"
#include "engine/base/coding.h"
#include "engine/base/crc32c.h"
#include "engine/log/hard_state.h"
#include "engine/log/index.h"
#include "engine/log/segment.h"

namespace tidemark {
namespace {

// What decodes is what encodes to the same bytes.
void Reencode(const std::string& file) {
  std::string again(IndexFileHeader());
  uint32_t chain = 0;
  uint64_t end = 0;
  for (const DecodedIndexEntry& each : DecodeIndex(file)) {
    AppendIndexEntry(each.entry, each.state, chain, again);
    TIDEMARK_CHECK_EQ(chain, each.chain);
    end = each.end;
  }
  if (end > 0) TIDEMARK_CHECK(file.compare(0, end, again) == 0);
}

}  // namespace
}  // namespace tidemark

// Any bytes as a sidecar, a segment's header and a hard state. What decodes is what encodes to the
// same bytes.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tidemark;
  const std::string file(reinterpret_cast<const char*>(data), size);
  Reencode(file);

  // Right checksums let the fuzzer behind them.
  std::string chained = std::string(IndexFileHeader()) + file;
  uint32_t chain = 0;
  for (size_t at = kIndexHeaderBytes; at + kIndexEntryBytes <= chained.size();) {
    const std::string_view head = std::string_view(chained).substr(at, kIndexEntryBytes);
    size_t state = 0;
    if (LoadLittle<uint32_t>(head.data() + 12) == 0) {
      state = LoadLittle<uint32_t>(head.data() + 4) % 64;
      state = std::min(state, chained.size() - at - kIndexEntryBytes);
      StoreLittle(chained.data() + at + 4, static_cast<uint32_t>(state));
    }
    chain = Crc32c(head.substr(0, kIndexEntryBytes - 4), chain);
    chain = Crc32c(std::string_view(chained).substr(at + kIndexEntryBytes, state), chain);
    StoreLittle(chained.data() + at + kIndexEntryBytes - 4, chain);
    at += kIndexEntryBytes + state;
  }
  Reencode(chained);

  const auto footer = DecodeFooter(file);
  if (footer.has_value()) TIDEMARK_CHECK(DecodeFooter(EncodeFooter(*footer)) == footer);
  // The same with a right trailer.
  std::string sealed = file.substr(0, 4000);
  AppendLittle<uint32_t>(sealed, static_cast<uint32_t>(sealed.size()));
  AppendLittle<uint32_t>(sealed, Crc32c(sealed));
  sealed += EncodeFooter({}).substr(EncodeFooter({}).size() - 8);
  const auto made = DecodeFooter(sealed);
  if (made.has_value()) TIDEMARK_CHECK(EncodeFooter(*made) == sealed);

  std::string header = file;
  header.resize(kSegmentHeaderBytes, '\0');
  static_cast<void>(DecodeSegmentHeader(header).ok());
  StoreLittle(header.data() + 88, Crc32c(std::string_view(header).substr(0, 88)));
  std::fill(header.begin() + 92, header.end(), '\0');
  const auto decoded = DecodeSegmentHeader(header);
  if (decoded.ok()) TIDEMARK_CHECK(DecodeSegmentHeader(EncodeSegmentHeader(*decoded)).ok());

  static_cast<void>(DecodeHardState(file).ok());
  return 0;
}
