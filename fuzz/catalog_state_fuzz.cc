#include <cstddef>
#include <cstdint>
#include <string>

#include "engine/base/check.h"
#include "engine/base/coding.h"
#include "engine/base/crc32c.h"
#include "engine/node/catalog.h"
#include "engine/node/recovered_group.h"

namespace tidemark {
namespace {

// What decodes is what encodes to the same bytes.
void Reencode(const std::string& bytes) {
  const absl::StatusOr<Catalog> catalog = Catalog::Decode(bytes);
  if (!catalog.ok()) return;
  TIDEMARK_CHECK(catalog->Encode() == bytes);
  // And it is a catalog that can be used.
  for (const auto& [name, topic] : catalog->topics()) {
    for (const CatalogPartition& place : topic.partitions) {
      TIDEMARK_CHECK(catalog->PlaceOf(place.group) != nullptr);
    }
  }
}

}  // namespace
}  // namespace tidemark

// Any bytes as a state of the catalog, with and without a right checksum, and as a checkpoint of
// its log.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tidemark;
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  Reencode(bytes);
  std::string sealed = bytes.substr(0, size < 4 ? 0 : size - 4);
  AppendLittle<uint32_t>(sealed, Crc32c(sealed));
  Reencode(sealed);
  static_cast<void>(CatalogSnapshotIn(bytes));
  // The same state in an otherwise empty checkpoint.
  RecoveredGroup group = EmptyGroup(kCatalogGroup, LogOptions());
  const absl::StatusOr<Catalog> catalog = Catalog::Decode(sealed);
  if (!catalog.ok()) return 0;
  std::string checkpoint;
  TIDEMARK_CHECK(AppendCatalogGroupState({.producers = group.producers,
                                          .members = group.members,
                                          .applied = LogIndex(3),
                                          .catalog = *catalog,
                                          .pending = {},
                                          .last = LogIndex(3)},
                                         checkpoint)
                     .has_value());
  const std::optional<CatalogSnapshot> snapshot = CatalogSnapshotIn(checkpoint);
  TIDEMARK_CHECK(snapshot.has_value() && snapshot->catalog == *catalog);
  TIDEMARK_CHECK(snapshot->applied == LogIndex(3) && snapshot->at == LogIndex(4));
  return 0;
}
