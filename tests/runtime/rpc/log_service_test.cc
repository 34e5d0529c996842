#include "proto/convert.h"
#include "tests/runtime/rpc/fixture.h"
#include "tidemark/v1/log.grpc.pb.h"

namespace tidemark::rpc {
namespace {

class LogServiceTest : public RpcTest {
 protected:
  grpc::Status Produce(const v1::ProduceRequest& request, v1::ProduceResponse& response) {
    grpc::ClientContext call;
    Bound(call);
    return v1::Log::NewStub(channel_)->Produce(&call, request, &response);
  }
};

TEST_F(LogServiceTest, ProduceHandsTheBatchOnAsItIsAndAnswersWithItsOffsets) {
  std::string seen;
  gateway_.AnswerWith([&](const Request& request) {
    seen = std::get<ProduceRequest>(request).batch;
    return Ack(70, 3);
  });
  v1::ProduceRequest request;
  request.set_topic("t");
  request.set_batch("exactly these bytes");
  v1::ProduceResponse response;
  const grpc::Status status = Produce(request, response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(seen, "exactly these bytes");
  EXPECT_EQ(response.base_offset(), 70u);
  EXPECT_EQ(response.record_count(), 3u);
  EXPECT_EQ(response.durability(), v1::DURABILITY_QUORUM_SYNCED);
}

TEST_F(LogServiceTest, ARefusalCarriesReasonAndMetadataInTheTrailers) {
  gateway_.AnswerWith([](const Request&) {
    return Error(absl::StatusCode::kFailedPrecondition, "NOT_LEADER",
                 {{"leader_address", "127.0.0.1:7602"}});
  });
  v1::ProduceRequest request;
  request.set_batch("b");
  v1::ProduceResponse response;
  const grpc::Status status = Produce(request, response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  const RpcError error =
      DecodeErrorDetails(status.error_code(), status.error_message(), status.error_details());
  EXPECT_EQ(error.reason, "NOT_LEADER");
  EXPECT_EQ(error.metadata.at("leader_address"), "127.0.0.1:7602");
}

TEST_F(LogServiceTest, ARequestWithoutPayloadNeverReachesTheEngine) {
  gateway_.AnswerWith([](const Request&) {
    ADD_FAILURE() << "the engine was asked";
    return Ack(0);
  });
  v1::ProduceResponse response;
  const grpc::Status status = Produce(v1::ProduceRequest(), response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(ReasonOf(status), "INVALID_BATCH");
}

TEST_F(LogServiceTest, ConsumeDoesNotWaitAndGivesWhatWasRead) {
  bool waited = true;
  gateway_.AnswerWith([&](const Request& request) {
    waited = std::get<FetchRequest>(request).wait;
    return Fetched(5, {"a", "b"});
  });
  v1::ConsumeRequest request;
  request.set_offset(5);
  request.set_format(v1::CONSUME_FORMAT_RECORDS);
  v1::ConsumeResponse response;
  grpc::ClientContext call;
  Bound(call);
  const grpc::Status status = v1::Log::NewStub(channel_)->Consume(&call, request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_FALSE(waited);
  ASSERT_EQ(response.records_size(), 2);
  EXPECT_EQ(response.records(1).value(), "b");
  EXPECT_EQ(response.next_offset(), 7u);
}

}  // namespace
}  // namespace tidemark::rpc
