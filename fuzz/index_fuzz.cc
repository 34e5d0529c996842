#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "engine/base/check.h"
#include "engine/base/coding.h"
#include "engine/base/crc32c.h"
#include "engine/log/hard_state.h"
#include "engine/log/segment.h"

// Any bytes as a sidecar, a segment's header and a hard state. What decodes is what encodes to the
// same bytes.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tidemark;
  const std::string file(reinterpret_cast<const char*>(data), size);
  uint32_t chain = 0;
  std::string again;
  uint32_t chain_again = 0;
  for (const IndexEntry& entry : DecodeIndex(file, chain)) {
    again += EncodeIndexEntry(entry, chain_again);
  }
  TIDEMARK_CHECK_EQ(chain, chain_again);
  TIDEMARK_CHECK(file.compare(0, again.size(), again) == 0);

  // Right checksums let the fuzzer behind them.
  std::string chained = file.substr(0, file.size() / kIndexEntryBytes * kIndexEntryBytes);
  chain = 0;
  for (size_t at = 0; at < chained.size(); at += kIndexEntryBytes) {
    chain = Crc32c(std::string_view(chained).substr(at, kIndexEntryBytes - 4), chain);
    StoreLittle(chained.data() + at + kIndexEntryBytes - 4, chain);
  }
  DecodeIndex(chained, chain);

  std::string header = file;
  header.resize(kSegmentHeaderBytes, '\0');
  static_cast<void>(DecodeSegmentHeader(header).ok());
  StoreLittle(header.data() + 80, Crc32c(std::string_view(header).substr(0, 80)));
  std::fill(header.begin() + 84, header.end(), '\0');
  const auto decoded = DecodeSegmentHeader(header);
  if (decoded.ok()) TIDEMARK_CHECK(DecodeSegmentHeader(EncodeSegmentHeader(*decoded)).ok());

  static_cast<void>(DecodeHardState(file).ok());
  return 0;
}
