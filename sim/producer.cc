#include <algorithm>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "engine/log/batch.h"
#include "sim/checkers/entry_fact.h"
#include "sim/client.h"

namespace tidemark::sim {
namespace {

balancer::ProducerOptions OptionsFor(const Scenario& scenario) {
  balancer::ProducerOptions options;
  options.batches_max = scenario.batches_in_flight;
  // Nothing is ever given up: whatever happens, the batch must get through in the end.
  options.delivery_timeout = Duration::Seconds(1000);
  options.attempt_timeout = Duration::Seconds(1);
  options.backoff = {.base = Duration::Millis(10), .max = Duration::Millis(300)};
  options.retry_not_found = true;
  return options;
}

balancer::CallError Broken(std::string message) {
  return {.code = absl::StatusCode::kUnavailable, .message = std::move(message)};
}

}  // namespace

Producer::Producer(World* world, uint32_t actor, std::string topic, PartitionId partition,
                   GroupId group)
    : Client(world, actor, topic),
      partition_(partition),
      group_(group),
      session_({.topic = std::move(topic), .partition = partition}, OptionsFor(world->scenario()),
               &view_, &picker_, Prng(world->decisions().Draw(Site::kClientSeed, actor))) {}

void Producer::Start() { Tick(); }

void Producer::Tick() {
  if (stopped_) return;
  balancer::ProducerActions actions;
  const uint64_t burst = 1 + world_->decisions().Below(Site::kBatchShape, actor_, 3);
  for (uint64_t i = 0; i < burst && session_.CanAccept(); ++i) SubmitOne(actions);
  Perform(std::move(actions));
  world_->scheduler().After(
      world_->decisions().Between(Site::kProduceGap, actor_, Duration::Micros(100),
                                  world_->scenario().produce_gap_max),
      [this] { Tick(); });
}

void Producer::SubmitOne(balancer::ProducerActions& actions) {
  Decisions& decisions = world_->decisions();
  const Scenario& scenario = world_->scenario();
  const uint64_t count = 1 + decisions.Below(Site::kBatchShape, actor_, scenario.records_max);
  const uint64_t tag = next_tag_++;
  std::vector<Record> records(count);
  for (Record& record : records) {
    const uint64_t bytes = decisions.Below(Site::kRecordBytes, actor_, scenario.record_bytes_max);
    // One in four has no key, one in eight no value: empty records are records.
    if (bytes % 4 != 0) record.key = absl::StrCat(actor_, "/", tag);
    if (bytes % 8 != 1) record.value = std::string(bytes, static_cast<char>('a' + tag % 26));
    record.timestamp_ms = now().nanos() / 1'000'000;
  }
  absl::StatusOr<std::string> frame =
      EncodeBatch(records, {.producer_id = static_cast<int64_t>(session_.producer_id().value()),
                            .epoch = session_.epoch(),
                            .base_sequence = session_.next_sequence()});
  TIDEMARK_CHECK(frame.ok());
  const absl::StatusOr<BatchHeader> header = DecodeBatchHeader(*frame);
  TIDEMARK_CHECK(header.ok());
  const uint64_t batch =
      BatchId(header->producer_id, header->producer_epoch, header->base_sequence);
  world_->observer().ledger().OnSubmitted(batch, actor_, tag, header->crc);
  batch_of_tag_.emplace(tag, batch);
  session_.Submit(now(), tag, Bytes::From(*std::move(frame)), header->record_count, actions);
}

void Producer::Perform(balancer::ProducerActions actions) {
  for (balancer::ProducerAction& action : actions) {
    if (const auto* open = std::get_if<balancer::OpenStream>(&action)) {
      Open(*open);
    } else if (const auto* send = std::get_if<balancer::SendBatch>(&action)) {
      Send(*send);
    } else if (const auto* close = std::get_if<balancer::CloseStream>(&action)) {
      const auto found = streams_.find(close->stream);
      if (found == streams_.end()) continue;
      found->second->broken = true;
      streams_.erase(found);
    } else if (const auto* done = std::get_if<balancer::Done>(&action)) {
      world_->coverage().Hit(Probe::kBatchAcked);
      world_->observer().ledger().OnAcked(batch_of_tag_.at(done->tag), group_, done->base_offset);
      batch_of_tag_.erase(done->tag);
    } else if (const auto* failed = std::get_if<balancer::Failed>(&action)) {
      world_->verdict().Fail("producer",
                             absl::StrCat("batch ", failed->tag, " of producer ", actor_,
                                          " was given up: ", failed->status.ToString()));
    } else {
      RefreshView();
    }
  }
  ArmTimer();
}

void Producer::Open(const balancer::OpenStream& open) {
  const std::optional<size_t> node = world_->NodeAt(open.target.address);
  if (!node.has_value() || !world_->up(*node)) {
    world_->scheduler().After(Latency(), [this, id = open.stream] {
      balancer::ProducerActions actions;
      session_.OnStreamClosed(now(), id, Broken("connection refused"), actions);
      Perform(std::move(actions));
    });
    return;
  }
  auto stream = std::make_shared<Stream>();
  stream->node = *node;
  stream->incarnation = world_->incarnation(*node);
  streams_.emplace(open.stream, stream);
  Up(stream, [this, stream, id = open.stream] {
    Down(stream, [this, id] {
      balancer::ProducerActions actions;
      session_.OnStreamOpen(now(), id, actions);
      Perform(std::move(actions));
    });
  });
}

void Producer::Send(const balancer::SendBatch& send) {
  const auto found = streams_.find(send.stream);
  if (found == streams_.end()) return;
  const StreamPtr stream = found->second;
  Up(stream, [this, stream, send] {
    world_->Submit(
        stream->node,
        ProduceRequest{
            .topic = topic_, .partition = partition_, .batch = std::string(send.batch.view())},
        [this, stream, id = send.stream, sequence = send.sequence](Response response) {
          Down(stream, [this, id, sequence, response = std::move(response)] {
            OnAnswer(id, sequence, response);
          });
        });
  });
  const uint32_t rate = world_->scenario().client_break;
  if (rate > 0 && !stopped_ && world_->decisions().Fault(Site::kClientBreak, actor_, rate)) {
    world_->coverage().Hit(Probe::kClientDisconnected);
    Break(send.stream, stream);
  }
}

void Producer::OnAnswer(balancer::StreamId id, int32_t sequence, const Response& response) {
  balancer::ProducerActions actions;
  if (const auto* error = std::get_if<RpcError>(&response)) {
    world_->coverage().Hit(Probe::kBatchRefused);
    session_.OnBatchError(now(), id, sequence, CallErrorOf(*error), actions);
  } else {
    const auto& produced = std::get<ProduceResponse>(response);
    if (produced.duplicate) world_->coverage().Hit(Probe::kRetryRecognised);
    session_.OnAck(now(), id, sequence, produced.base_offset, actions);
  }
  Perform(std::move(actions));
}

void Producer::Break(balancer::StreamId id, const StreamPtr& stream) {
  stream->broken = true;
  streams_.erase(id);
  world_->scheduler().After(Latency(), [this, id] {
    balancer::ProducerActions actions;
    session_.OnStreamClosed(now(), id, Broken("connection reset"), actions);
    Perform(std::move(actions));
  });
}

void Producer::OnNodeDown(size_t node) {
  std::vector<std::pair<balancer::StreamId, StreamPtr>> broken;
  for (const auto& [id, stream] : streams_) {
    if (stream->node == node) broken.emplace_back(id, stream);
  }
  for (const auto& [id, stream] : broken) Break(id, stream);
}

void Producer::ArmTimer() {
  const Instant deadline = session_.next_deadline();
  if (deadline >= timer_) return;
  timer_ = deadline;
  world_->scheduler().At(deadline, [this, deadline] {
    if (timer_ != deadline) return;
    timer_ = Instant::Never();
    balancer::ProducerActions actions;
    session_.OnTimer(now(), actions);
    Perform(std::move(actions));
  });
}

}  // namespace tidemark::sim
