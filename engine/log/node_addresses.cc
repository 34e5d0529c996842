#include "engine/log/node_addresses.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "engine/base/check.h"
#include "engine/base/coding.h"
#include "engine/base/crc32c.h"
#include "engine/base/limits.h"
#include "engine/log/node_meta.h"

namespace tidemark {
namespace {

constexpr size_t kHeadBytes = 8 + 2;
constexpr size_t kEachBytes = 8 + 2 + 1;
static_assert(kHeadBytes + kNodesMax * (kEachBytes + kRememberedHostBytesMax) + 4 <=
              kNodeAddressesSlotBytes);

FilePos SlotOf(uint64_t generation) {
  return FilePos(kNodeAddressesPos + generation % 2 * kNodeAddressesSlotBytes);
}

std::string Encode(const NodeAddresses& addresses) {
  std::string out;
  AppendLittle<uint64_t>(out, addresses.generation);
  AppendLittle<uint16_t>(out, static_cast<uint16_t>(addresses.of.size()));
  for (const auto& [node, endpoint] : addresses.of) {
    AppendLittle<uint64_t>(out, node.value());
    AppendLittle<uint16_t>(out, endpoint.port);
    AppendLittle<uint8_t>(out, static_cast<uint8_t>(endpoint.host.size()));
    out += endpoint.host;
  }
  AppendLittle<uint32_t>(out, Crc32c(out));
  return out;
}

// nullopt: damaged, or never written.
std::optional<NodeAddresses> Decode(std::string_view slot) {
  if (slot.size() < kHeadBytes + 4) return std::nullopt;
  NodeAddresses addresses{.generation = LoadLittle<uint64_t>(slot.data()), .of = {}};
  const size_t count = LoadLittle<uint16_t>(slot.data() + 8);
  if (addresses.generation == 0 || count > kNodesMax) return std::nullopt;
  size_t at = kHeadBytes;
  for (size_t i = 0; i < count; ++i) {
    if (slot.size() - at < kEachBytes) return std::nullopt;
    const NodeId node(LoadLittle<uint64_t>(slot.data() + at));
    const uint16_t port = LoadLittle<uint16_t>(slot.data() + at + 8);
    const size_t length = static_cast<uint8_t>(slot[at + 10]);
    at += kEachBytes;
    if (slot.size() - at < length) return std::nullopt;
    addresses.of[node] = {.host = std::string(slot.substr(at, length)), .port = port};
    at += length;
  }
  if (slot.size() - at < 4 ||
      Crc32c(slot.substr(0, at)) != LoadLittle<uint32_t>(slot.data() + at)) {
    return std::nullopt;
  }
  return addresses;
}

}  // namespace

NodeAddresses ReadAddresses(const DirectoryView& directory) {
  NodeAddresses newest;
  const absl::StatusOr<std::string_view> file = directory.Contents(kNodeMetaFile);
  if (!file.ok()) return newest;
  for (const uint64_t parity : {0, 1}) {
    const size_t at = SlotOf(parity).value();
    if (at >= file->size()) continue;
    std::optional<NodeAddresses> slot = Decode(file->substr(at, kNodeAddressesSlotBytes));
    if (slot.has_value() && slot->generation > newest.generation) newest = *std::move(slot);
  }
  return newest;
}

void AppendAddresses(const NodeAddresses& addresses, FileBatch& batch) {
  TIDEMARK_CHECK_GT(addresses.generation, 0u);
  TIDEMARK_CHECK_LE(addresses.of.size(), kNodesMax);
  for (const auto& [node, endpoint] : addresses.of) {
    TIDEMARK_CHECK_LE(endpoint.host.size(), kRememberedHostBytesMax);
  }
  AppendNodeMeta(SlotOf(addresses.generation), Encode(addresses), batch);
}

}  // namespace tidemark
