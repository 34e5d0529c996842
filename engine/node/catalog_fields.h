#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/coding.h"
#include "engine/base/ids.h"
#include "engine/base/limits.h"

namespace tidemark {

// How the fields of the catalog's commands and of its encoded state are written: integers
// little-endian, texts and lists with a u32 length before them.

inline void AppendText(std::string& to, std::string_view text) {
  AppendLittle<uint32_t>(to, static_cast<uint32_t>(text.size()));
  to.append(text);
}

inline void AppendNodes(std::string& to, const std::vector<NodeId>& nodes) {
  AppendLittle<uint32_t>(to, static_cast<uint32_t>(nodes.size()));
  for (const NodeId node : nodes) AppendLittle<uint64_t>(to, node.value());
}

// Reads fields off the front; remembers that something was missing, so callers check once.
class CatalogReader {
 public:
  explicit CatalogReader(std::string_view bytes) : rest_(bytes) {}

  template <typename T>
  T Integer() {
    if (broken_ || rest_.size() < sizeof(T)) {
      broken_ = true;
      return 0;
    }
    const T value = LoadLittle<T>(rest_.data());
    rest_.remove_prefix(sizeof(T));
    return value;
  }

  std::string_view View(size_t length) {
    if (broken_ || length > rest_.size()) {
      broken_ = true;
      return {};
    }
    const std::string_view bytes = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return bytes;
  }

  std::string Text() { return std::string(View(Integer<uint32_t>())); }

  std::vector<NodeId> Nodes() {
    std::vector<NodeId> nodes;
    const uint32_t count = Integer<uint32_t>();
    if (count > kReplicasMax) broken_ = true;
    for (uint32_t i = 0; i < count && !broken_; ++i) nodes.push_back(NodeId(Integer<uint64_t>()));
    return nodes;
  }

  std::string_view Rest() { return View(rest_.size()); }

  bool done() const { return !broken_ && rest_.empty(); }
  bool broken() const { return broken_; }

 private:
  std::string_view rest_;
  bool broken_ = false;
};

}  // namespace tidemark
