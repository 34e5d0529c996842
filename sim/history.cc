#include "sim/history.h"

#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "engine/base/check.h"
#include "engine/log/batch.h"
#include "sim/checkers/entry_fact.h"
#include "sim/json.h"

namespace tidemark::sim {
namespace {

std::string KeysOf(const std::vector<DecodedRecord>& records, uint64_t first) {
  std::string keys;
  for (const DecodedRecord& record : records) {
    if (record.offset.value() < first) continue;
    absl::StrAppend(&keys, keys.empty() ? "" : ",",
                    record.record.key.has_value() ? JsonString(*record.record.key) : "null");
  }
  return keys;
}

std::string OffsetsOf(const std::vector<DecodedRecord>& records, uint64_t first) {
  std::string offsets;
  for (const DecodedRecord& record : records) {
    if (record.offset.value() < first) continue;
    absl::StrAppend(&offsets, offsets.empty() ? "" : ",", record.offset.value());
  }
  return offsets;
}

// An epoch begins at sequence 0 again: it is another producer.
std::string ProducerOf(const BatchHeader& batch) {
  std::string producer = absl::StrCat(static_cast<uint64_t>(batch.producer_id));
  if (batch.producer_epoch != 0) absl::StrAppend(&producer, "/", batch.producer_epoch);
  return producer;
}

}  // namespace

void History::OnBegin(const Plan& plan) {
  const Scenario& s = plan.scenario;
  std::fprintf(out_,
               "{\"seed\":%llu,\"type\":\"begin\",\"profile\":%s,\"compacted\":%s,"
               "\"retention\":%s}\n",
               static_cast<unsigned long long>(seed_), JsonString(NameOf(plan.profile)).c_str(),
               s.compact ? "true" : "false",
               s.retention_bytes != 0 || s.retention_ms != 0 ? "true" : "false");
}

void History::Write(Instant now, const Operation& operation, std::string_view type,
                    std::string_view more) {
  std::fprintf(out_,
               "{\"seed\":%llu,\"time_ns\":%lld,\"op\":%llu,\"process\":%u,\"type\":\"%.*s\","
               "\"group\":%llu,%s%.*s}\n",
               static_cast<unsigned long long>(seed_), static_cast<long long>(now.nanos()),
               static_cast<unsigned long long>(operation.number), operation.process,
               static_cast<int>(type.size()), type.data(),
               static_cast<unsigned long long>(operation.group.value()), operation.what.c_str(),
               static_cast<int>(more.size()), more.data());
}

void History::OnProduce(Instant now, uint32_t process, GroupId group, std::string_view frame) {
  const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(frame);
  const absl::StatusOr<std::vector<DecodedRecord>> records = DecodeBatch(frame);
  TIDEMARK_CHECK(header.ok() && records.ok());
  const std::string producer = ProducerOf(*header);
  Operation operation{.number = next_operation_++, .process = process, .group = group, .what = {}};
  operation.what = absl::StrCat("\"f\":\"produce\",\"producer\":\"", producer,
                                "\",\"sequence\":", header->base_sequence,
                                ",\"records\":", header->record_count);
  Write(now, operation, "invoke", absl::StrCat(",\"keys\":[", KeysOf(*records, 0), "]"));
  producing_.insert_or_assign(
      BatchId(header->producer_id, header->producer_epoch, header->base_sequence),
      std::move(operation));
}

void History::OnProduced(Instant now, uint64_t batch, Offset base_offset) {
  const auto found = producing_.find(batch);
  TIDEMARK_CHECK(found != producing_.end());
  Write(now, found->second, "ok", absl::StrCat(",\"offset\":", base_offset.value()));
  producing_.erase(found);
}

void History::OnConsume(Instant now, uint32_t process, GroupId group, Offset offset) {
  Operation operation{.number = next_operation_++,
                      .process = process,
                      .group = group,
                      .what = absl::StrCat("\"f\":\"consume\",\"position\":", offset.value())};
  Write(now, operation, "invoke", "");
  consuming_.insert_or_assign(process, std::move(operation));
}

void History::OnConsumed(Instant now, uint32_t process, std::string_view frame, uint64_t skip) {
  const auto found = consuming_.find(process);
  TIDEMARK_CHECK(found != consuming_.end());
  const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(frame);
  const absl::StatusOr<std::vector<DecodedRecord>> records = DecodeBatch(frame);
  const GroupId group = found->second.group;
  // What cannot be read is the oracle's to speak of.
  if (!header.ok() || !records.ok()) return;
  const uint64_t first = header->base_offset.value() + skip;
  Write(now, found->second, "ok",
        absl::StrCat(",\"producer\":\"", ProducerOf(*header),
                     "\",\"sequence\":", header->base_sequence,
                     ",\"base_offset\":", header->base_offset.value(), ",\"offsets\":[",
                     OffsetsOf(*records, first), "],\"keys\":[", KeysOf(*records, first), "]"));
  OnConsume(now, process, group, header->base_offset + header->offset_span());
}

void History::OnLeftBehind(Instant now, uint32_t process, Offset start) {
  const auto found = consuming_.find(process);
  TIDEMARK_CHECK(found != consuming_.end());
  Write(now, found->second, "fail",
        absl::StrCat(",\"error\":\"removed\",\"start\":", start.value()));
  consuming_.erase(found);
}

void History::OnRead(Instant now, uint32_t process, GroupId group, Consistency consistency) {
  const std::string_view how = consistency == Consistency::kBounded ? "bounded" : "linearizable";
  Operation operation{.number = next_operation_++,
                      .process = process,
                      .group = group,
                      .what = absl::StrCat("\"f\":\"read\",\"consistency\":", JsonString(how))};
  Write(now, operation, "invoke", "");
  TIDEMARK_CHECK(reading_.emplace(process, std::move(operation)).second);
}

void History::EndRead(Instant now, uint32_t process, std::string_view type, std::string_view more) {
  const auto found = reading_.find(process);
  TIDEMARK_CHECK(found != reading_.end());
  Write(now, found->second, type, more);
  reading_.erase(found);
}

void History::OnReadAnswered(Instant now, uint32_t process, Offset end, Duration age) {
  EndRead(now, process, "ok", absl::StrCat(",\"end\":", end.value(), ",\"age_ns\":", age.nanos()));
}

void History::OnReadRefused(Instant now, uint32_t process, std::string_view reason) {
  EndRead(now, process, "fail", absl::StrCat(",\"error\":", JsonString(reason)));
}

void History::OnReadLost(Instant now, uint32_t process) { EndRead(now, process, "info", ""); }

void History::OnEnd(Instant now, std::string_view oracle) {
  for (const auto& [batch, operation] : producing_) Write(now, operation, "info", "");
  for (const auto& [process, operation] : consuming_) Write(now, operation, "info", "");
  for (const auto& [process, operation] : reading_) Write(now, operation, "info", "");
  producing_.clear();
  consuming_.clear();
  reading_.clear();
  std::fprintf(out_, "{\"seed\":%llu,\"type\":\"end\",\"oracle\":%s}\n",
               static_cast<unsigned long long>(seed_), JsonString(oracle).c_str());
}

}  // namespace tidemark::sim
