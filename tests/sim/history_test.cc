#include "sim/history.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "engine/log/batch.h"
#include "sim/checkers/entry_fact.h"

namespace tidemark::sim {
namespace {

TEST(History, EveryOperationIsInvokedAndAnsweredOnce) {
  char* text = nullptr;
  size_t size = 0;
  std::FILE* const out = ::open_memstream(&text, &size);
  History history(out, 3);
  const Record record{.key = "k", .value = "v", .headers = {}, .timestamp_ms = 0};
  std::string frame =
      *EncodeBatch(std::span(&record, 1), {.producer_id = 9, .epoch = 0, .base_sequence = 4});
  history.OnConsume(Instant::FromNanos(1), 16, GroupId{1}, Offset{17});
  history.OnProduce(Instant::FromNanos(2), 8, GroupId{1}, frame);
  history.OnProduced(Instant::FromNanos(3), BatchId(9, 0, 4), Offset{17});
  PatchBatch(frame.data(), Offset{17}, Term{1});
  history.OnConsumed(Instant::FromNanos(4), 16, frame, 0);
  history.OnLeftBehind(Instant::FromNanos(5), 16, Offset{30});
  history.OnConsume(Instant::FromNanos(6), 16, GroupId{1}, Offset{30});
  history.OnRead(Instant::FromNanos(7), 9, GroupId{1}, Consistency::kLinearizable);
  history.OnReadAnswered(Instant::FromNanos(8), 9, Offset{18}, Duration());
  history.OnRead(Instant::FromNanos(9), 9, GroupId{1}, Consistency::kBounded);
  history.OnReadRefused(Instant::FromNanos(10), 9, "TOO_STALE");
  history.OnRead(Instant::FromNanos(11), 9, GroupId{1}, Consistency::kLinearizable);
  history.OnReadLost(Instant::FromNanos(12), 9);
  history.OnEnd(Instant::FromNanos(13), "");
  std::fclose(out);
  const std::string written(text, size);
  std::free(text);
  EXPECT_EQ(
      written,
      "{\"seed\":3,\"time_ns\":1,\"op\":1,\"process\":16,\"type\":\"invoke\",\"group\":1,"
      "\"f\":\"consume\",\"position\":17}\n"
      "{\"seed\":3,\"time_ns\":2,\"op\":2,\"process\":8,\"type\":\"invoke\",\"group\":1,"
      "\"f\":\"produce\",\"producer\":\"9\",\"sequence\":4,\"records\":1,\"keys\":[\"k\"]}\n"
      "{\"seed\":3,\"time_ns\":3,\"op\":2,\"process\":8,\"type\":\"ok\",\"group\":1,"
      "\"f\":\"produce\",\"producer\":\"9\",\"sequence\":4,\"records\":1,\"offset\":17}\n"
      "{\"seed\":3,\"time_ns\":4,\"op\":1,\"process\":16,\"type\":\"ok\",\"group\":1,"
      "\"f\":\"consume\",\"position\":17,\"producer\":\"9\",\"sequence\":4,\"base_offset\":17,"
      "\"offsets\":[17],\"keys\":[\"k\"]}\n"
      "{\"seed\":3,\"time_ns\":4,\"op\":3,\"process\":16,\"type\":\"invoke\",\"group\":1,"
      "\"f\":\"consume\",\"position\":18}\n"
      "{\"seed\":3,\"time_ns\":5,\"op\":3,\"process\":16,\"type\":\"fail\",\"group\":1,"
      "\"f\":\"consume\",\"position\":18,\"error\":\"removed\",\"start\":30}\n"
      "{\"seed\":3,\"time_ns\":6,\"op\":4,\"process\":16,\"type\":\"invoke\",\"group\":1,"
      "\"f\":\"consume\",\"position\":30}\n"
      "{\"seed\":3,\"time_ns\":7,\"op\":5,\"process\":9,\"type\":\"invoke\",\"group\":1,"
      "\"f\":\"read\",\"consistency\":\"linearizable\"}\n"
      "{\"seed\":3,\"time_ns\":8,\"op\":5,\"process\":9,\"type\":\"ok\",\"group\":1,"
      "\"f\":\"read\",\"consistency\":\"linearizable\",\"end\":18,\"age_ns\":0}\n"
      "{\"seed\":3,\"time_ns\":9,\"op\":6,\"process\":9,\"type\":\"invoke\",\"group\":1,"
      "\"f\":\"read\",\"consistency\":\"bounded\"}\n"
      "{\"seed\":3,\"time_ns\":10,\"op\":6,\"process\":9,\"type\":\"fail\",\"group\":1,"
      "\"f\":\"read\",\"consistency\":\"bounded\",\"error\":\"TOO_STALE\"}\n"
      "{\"seed\":3,\"time_ns\":11,\"op\":7,\"process\":9,\"type\":\"invoke\",\"group\":1,"
      "\"f\":\"read\",\"consistency\":\"linearizable\"}\n"
      "{\"seed\":3,\"time_ns\":12,\"op\":7,\"process\":9,\"type\":\"info\",\"group\":1,"
      "\"f\":\"read\",\"consistency\":\"linearizable\"}\n"
      "{\"seed\":3,\"time_ns\":13,\"op\":4,\"process\":16,\"type\":\"info\",\"group\":1,"
      "\"f\":\"consume\",\"position\":30}\n"
      "{\"seed\":3,\"type\":\"end\",\"oracle\":\"\"}\n");
}

}  // namespace
}  // namespace tidemark::sim
