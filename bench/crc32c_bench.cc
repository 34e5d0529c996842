#include <benchmark/benchmark.h>

#include <cstdint>
#include <string>

#include "engine/base/crc32c.h"
#include "engine/base/prng.h"

// Every byte that a producer sends is summed at the client, at the leader and at each follower.

namespace tidemark {
namespace {

std::string RandomBytes(size_t count) {
  Prng prng(1);
  std::string bytes(count, '\0');
  for (char& byte : bytes) byte = static_cast<char>(prng.Next());
  return bytes;
}

// From one record's header to the largest frame that streams through (about one append message).
void BM_Crc32c(benchmark::State& state) {
  const std::string bytes = RandomBytes(static_cast<size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(Crc32c(bytes));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Crc32c)->Arg(61)->Arg(256)->Arg(1 << 10)->Arg(4 << 10)->Arg(64 << 10)->Arg(1 << 20);

// A start that is not on a word boundary, as in a frame: the sum begins at its byte 21.
void BM_Crc32cUnaligned(benchmark::State& state) {
  const std::string bytes = RandomBytes(static_cast<size_t>(state.range(0)) + 21);
  const std::string_view view = std::string_view(bytes).substr(21);
  for (auto _ : state) benchmark::DoNotOptimize(Crc32c(view));
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Crc32cUnaligned)->Arg(1 << 10)->Arg(64 << 10);

}  // namespace
}  // namespace tidemark
