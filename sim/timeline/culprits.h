#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tidemark::sim {

// Something that an oracle's sentence names.
struct Culprit {
  // "group", "index", "offset", "term", "node", "producer", "consumer" or "batch".
  std::string what;
  uint64_t number = 0;
  friend bool operator==(const Culprit&, const Culprit&) = default;
};

// What the sentence of a verdict names, in its order, each once: oracles write "group 3", "index
// 17", "nodes 1 and 2". A page marks what has to do with it.
std::vector<Culprit> CulpritsIn(std::string_view sentence);

}  // namespace tidemark::sim
