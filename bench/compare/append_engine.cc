#include "bench/compare/append_engine.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "engine/base/coding.h"
#include "engine/log/batch.h"

namespace tidemark::compare {
namespace {

Load LoadOf(size_t record_bytes, uint32_t records) {
  Load load;
  load.records = records;
  // Text-like, the same for everybody; nobody compresses.
  for (size_t i = 0; i < record_bytes; ++i) load.value.push_back(static_cast<char>('a' + i % 23));
  BatchBuilder builder;
  for (uint32_t i = 0; i < records; ++i) builder.Add(std::nullopt, load.value, 1'700'000'000'000);
  load.frame = builder.Finish();
  return load;
}

}  // namespace

Load MakeLoad(size_t record_bytes, size_t batch_bytes) {
  // As many as keep the frame, headers included, within the size asked for.
  auto records = static_cast<uint32_t>(batch_bytes / record_bytes);
  for (;;) {
    Load load = LoadOf(record_bytes, records);
    if (load.frame.size() <= batch_bytes || records == 1) return load;
    const size_t over = load.frame.size() - batch_bytes;
    records -= static_cast<uint32_t>(std::clamp<size_t>(over / record_bytes, 1, records - 1));
  }
}

Load MakeSingleRecord(size_t record_bytes) { return LoadOf(record_bytes, 1); }

const std::vector<EngineKind>& EngineKinds() {
  static const std::vector<EngineKind> kinds = [] {
    std::vector<EngineKind> all;
    AddTidemark(all);
    AddFiles(all);
    AddRocksDb(all);
    AddLevelDb(all);
    AddSqlite(all);
    AddLmdb(all);
    return all;
  }();
  return kinds;
}

void Fail(std::string_view what) {
  std::fprintf(stderr, "bench_compare: %.*s\n", static_cast<int>(what.size()), what.data());
  std::fflush(stderr);
  ::_exit(1);
}

std::string_view KeyOf(uint64_t number, char (&buffer)[8]) {
  StoreBig<uint64_t>(buffer, number);
  return {buffer, sizeof(buffer)};
}

}  // namespace tidemark::compare
