#include <benchmark/benchmark.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/crc32c.h"
#include "engine/log/batch.h"
#include "proto/journal/codec.h"
#include "proto/journal/frame.h"

// What a recorder adds to a step on the loop's thread: the events as bytes, a digest of the
// effects. Beside it the copy and the checksum alone of as many bytes.

namespace tidemark {
namespace {

std::string BatchOf(size_t bytes) {
  BatchBuilder builder;
  builder.Add(std::nullopt, std::string(bytes, 'v'), 1'700'000'000'000);
  return builder.Finish();
}

// A leader's step: a batch came, it goes to two followers and to the disk.
struct LeaderStep {
  explicit LeaderStep(size_t bytes) {
    const std::string batch = BatchOf(bytes);
    events.push_back(
        RequestReceived{RequestId(1), "alice", ProduceRequest{.topic = "topic", .batch = batch}});
    const Entry entry = *EntryOf(LogIndex(5), Bytes::Copy(batch));
    for (const uint64_t to : {2, 3}) {
      SendPeer send{.to = NodeId(to), .message = {.group = GroupId(1), .message = {}}};
      send.message.message.from = NodeId(1);
      send.message.message.to = NodeId(to);
      send.message.message.term = Term(1);
      raft::AppendRequest append;
      append.prev_index = LogIndex(4);
      append.entries = {entry};
      send.message.message.body = append;
      effects.push_back(send);
    }
    effects.push_back(
        Flush{.token = IoToken(1),
              .group = GroupId(1),
              .batch = {.ops = {WriteFile{.file = {}, .pos = FilePos(1), .data = {entry.frame}}}}});
  }
  std::vector<Event> events;
  Effects effects;
};

// Argument: bytes of a batch.
void BM_RecordLeaderStep(benchmark::State& state) {
  const LeaderStep step(static_cast<size_t>(state.range(0)));
  std::string out;
  for (auto _ : state) {
    out.clear();
    journal::AppendTold(out, {}, step.events, {});
    journal::AppendEffects(out, step.effects, Instant::Never());
    benchmark::DoNotOptimize(out.data());
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_RecordLeaderStep)->Arg(100)->Arg(16 << 10)->Arg(1 << 20);

// What cannot be saved: one copy of the batch, and three times its checksum.
void BM_CopyOnceChecksumThrice(benchmark::State& state) {
  const std::string batch = BatchOf(static_cast<size_t>(state.range(0)));
  std::string out;
  for (auto _ : state) {
    out.clear();
    out.append(batch);
    for (int i = 0; i < 3; ++i) benchmark::DoNotOptimize(Crc32c(batch));
    benchmark::DoNotOptimize(out.data());
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_CopyOnceChecksumThrice)->Arg(100)->Arg(16 << 10)->Arg(1 << 20);

// A step of a timer: nothing told, nothing decided.
void BM_RecordIdleStep(benchmark::State& state) {
  std::string out;
  for (auto _ : state) {
    out.clear();
    journal::AppendTold(out, {}, {}, {});
    journal::AppendEffects(out, {}, Instant::Never());
    benchmark::DoNotOptimize(out.data());
  }
}
BENCHMARK(BM_RecordIdleStep);

}  // namespace
}  // namespace tidemark
