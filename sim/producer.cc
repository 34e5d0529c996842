#include "sim/producer.h"

#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "engine/log/batch.h"
#include "sim/checkers/entry_fact.h"

namespace tidemark::sim {
namespace {

balancer::ProducerOptions OptionsFor(const Scenario& scenario) {
  balancer::ProducerOptions options;
  options.batches_max = scenario.batches_in_flight;
  options.delivery_timeout = scenario.delivery_timeout;
  // Nothing is ever given up: whatever happens, the batch must get through in the end.
  if (options.delivery_timeout == Duration()) options.delivery_timeout = Duration::Seconds(1000);
  options.attempt_timeout = Duration::Seconds(1);
  options.backoff = {.base = Duration::Millis(10), .max = Duration::Millis(300)};
  options.retry_not_found = true;
  return options;
}

}  // namespace

Producer::Producer(World* world, uint32_t actor, const std::string& topic, PartitionId partition,
                   GroupId group)
    : SessionClient(world, actor, topic, partition, group, OptionsFor(world->scenario())) {
  timeline().AddClient(actor, absl::StrCat("producer ", actor));
}

void Producer::Start() { Tick(); }

void Producer::Tick() {
  if (stopped_) return;
  const uint64_t burst =
      1 + world_->decisions().Below(Site::kBurst, actor_, world_->scenario().burst_max);
  Run([&](Actions& out) {
    for (uint64_t i = 0; i < burst && session_.CanAccept(); ++i) SubmitOne(out);
  });
  world_->scheduler().After(
      world_->decisions().Between(Site::kProduceGap, actor_, Duration::Micros(100),
                                  world_->scenario().produce_gap_max),
      [this] { Tick(); });
}

void Producer::SubmitMore() {
  Run([&](Actions& out) {
    if (session_.CanAccept()) SubmitOne(out);
  });
}

void Producer::SubmitOne(Actions& out) {
  Decisions& decisions = world_->decisions();
  const Scenario& scenario = world_->scenario();
  const uint64_t count = 1 + decisions.Below(Site::kBatchShape, actor_, scenario.records_max);
  const uint64_t tag = next_tag_++;
  std::vector<Record> records(count);
  for (Record& record : records) {
    const uint64_t bytes = decisions.Below(Site::kRecordBytes, actor_, scenario.record_bytes_max);
    // One in four has no key, one in eight no value: empty records are records. A compacted topic
    // insists on keys: all producers share a few, and some are used once, so that there is much to
    // keep where there is much to remove.
    if (scenario.compact) {
      record.key =
          tag % 16 == 0 ? absl::StrCat("once/", actor_, "/", tag) : absl::StrCat("key", bytes % 7);
    } else if (bytes % 4 != 0) {
      record.key = absl::StrCat(actor_, "/", tag);
    }
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
  if (world_->history() != nullptr) world_->history()->OnProduce(now(), actor_, group_, *frame);
  timeline().Submits(actor_, {.number = tag,
                              .group = group_,
                              .records = static_cast<uint64_t>(header->record_count),
                              .bytes = frame->size()});
  session_.Submit(now(), tag, Bytes::From(*std::move(frame)), header->record_count, out);
}

void Producer::Perform(const balancer::ProducerAction& action) {
  if (const auto* open = std::get_if<balancer::OpenStream>(&action)) {
    Open(*open);
  } else if (const auto* send = std::get_if<balancer::SendBatch>(&action)) {
    Send(*send);
  } else if (const auto* close = std::get_if<balancer::CloseStream>(&action)) {
    if (const StreamPtr stream = Take(*close)) {
      stream->broken = false;
      stream->cancelled = true;
    }
  } else if (const auto* done = std::get_if<balancer::Done>(&action)) {
    world_->coverage().Hit(Probe::kBatchAcked);
    world_->observer().canary().OnAcked(group_);
    const uint64_t batch = batch_of_tag_.at(done->tag);
    world_->observer().ledger().OnAcked(batch, group_, done->base_offset);
    if (world_->history() != nullptr) {
      world_->history()->OnProduced(now(), batch, done->base_offset);
    }
    batch_of_tag_.erase(done->tag);
    timeline().Acked(actor_, done->tag, done->base_offset);
  } else if (const auto* failed = std::get_if<balancer::Failed>(&action)) {
    batch_of_tag_.erase(failed->tag);
    if (world_->scenario().delivery_timeout > Duration() &&
        absl::IsDeadlineExceeded(failed->status)) {
      // Nobody knows what became of it; the next epoch goes on behind it.
      world_->coverage().Hit(Probe::kBatchGivenUp);
      return;
    }
    world_->verdict().Fail("producer", absl::StrCat("batch ", failed->tag, " of producer ", actor_,
                                                    " was given up: ", failed->status.ToString()));
  }
}

void Producer::Open(const balancer::OpenStream& open) {
  const StreamPtr stream = Connect(open.stream, open.target);
  if (stream == nullptr) return;
  Up(stream, [this, stream, id = open.stream] {
    Down(stream,
         [this, id] { Run([this, id](Actions& out) { session_.OnStreamOpen(now(), id, out); }); });
  });
}

void Producer::Send(const balancer::SendBatch& send) {
  const auto found = streams_.find(send.stream);
  if (found == streams_.end()) return;
  const StreamPtr stream = found->second;
  Up(
      stream,
      [this, stream, send] {
        world_->Submit(
            stream->node,
            ProduceRequest{
                .topic = topic_, .partition = partition_, .batch = std::string(send.batch.view())},
            [this, stream, id = send.stream, sequence = send.sequence](Response response) {
              const auto* error = std::get_if<RpcError>(&response);
              if (const auto* acked = std::get_if<ProduceResponse>(&response)) {
                world_->observer().reads().OnAcked(group_, acked->base_offset + acked->record_count,
                                                   now());
              }
              if (stream->cancelled) return;
              const MarkId answer = timeline().Answers(
                  stream->node, actor_, error == nullptr ? "produced" : error->reason);
              Down(
                  stream,
                  [this, id, sequence, response = std::move(response)] {
                    OnAnswer(id, sequence, response);
                  },
                  answer);
            });
      },
      timeline().Asks(actor_, stream->node, "produce"));
  const uint32_t rate = world_->scenario().client_break;
  if (rate > 0 && !stopped_ && world_->decisions().Fault(Site::kClientBreak, actor_, rate)) {
    world_->coverage().Hit(Probe::kClientDisconnected);
    Break(send.stream, stream);
  }
}

void Producer::OnAnswer(balancer::StreamId id, int32_t sequence, const Response& response) {
  Run([&](Actions& out) {
    if (const auto* error = std::get_if<RpcError>(&response)) {
      // What comes on a stream that was given up is nobody's refusal any more.
      if (streams_.contains(id)) world_->coverage().Hit(Probe::kBatchRefused);
      timeline().Refused(actor_, group_, error->reason);
      session_.OnBatchError(now(), id, sequence, CallErrorOf(*error), out);
    } else {
      const auto& produced = std::get<ProduceResponse>(response);
      if (produced.duplicate) world_->coverage().Hit(Probe::kRetryRecognised);
      session_.OnAck(now(), id, sequence, produced.base_offset, produced.term, out);
    }
  });
}

void Producer::Break(balancer::StreamId id, const StreamPtr& stream) {
  stream->broken = true;
  streams_.erase(id);
  world_->scheduler().After(Latency(), [this, id] { Closed(id, Broken("connection reset")); });
}

void Producer::OnNodeDown(size_t node) {
  for (const auto& [id, stream] : StreamsTo(node)) Break(id, stream);
}

}  // namespace tidemark::sim
