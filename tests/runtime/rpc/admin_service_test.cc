#include "tests/runtime/rpc/fixture.h"
#include "tidemark/v1/admin.grpc.pb.h"
#include "tidemark/v1/cluster.grpc.pb.h"

namespace tidemark::rpc {
namespace {

using AdminServiceTest = RpcTest;

TEST_F(AdminServiceTest, EachCallAsksItsOwnQuestion) {
  gateway_.AnswerWith([](const Request& request) -> ResolvedResponse {
    if (const auto* create = std::get_if<CreateTopicRequest>(&request)) {
      return {.response = CreateTopicResponse{.topic = {.name = create->name,
                                                        .id = TopicId(create->partitions),
                                                        .partitions = {},
                                                        .segment_bytes = 0}},
              .frames = {}};
    }
    if (const auto* describe = std::get_if<DescribeTopicRequest>(&request)) {
      return Error(absl::StatusCode::kNotFound, "TOPIC_NOT_FOUND", {{"name", describe->name}});
    }
    if (std::holds_alternative<ListTopicsRequest>(request)) {
      return {.response = ListTopicsResponse{.topics = {{.name = "a"}, {.name = "b"}}},
              .frames = {}};
    }
    if (std::holds_alternative<DeleteTopicRequest>(request)) {
      return {.response = DeleteTopicResponse{}, .frames = {}};
    }
    if (std::holds_alternative<GetServersRequest>(request)) {
      return {.response = GetServersResponse{.cluster_id = "c", .servers = {}, .leader = NodeId(2)},
              .frames = {}};
    }
    GetStatusResponse status;
    status.node = NodeId(9);
    return {.response = status, .frames = {}};
  });
  const auto admin = v1::Admin::NewStub(channel_);
  const auto cluster = v1::Cluster::NewStub(channel_);
  {
    grpc::ClientContext call;
    Bound(call);
    v1::CreateTopicRequest request;
    request.set_name("orders");
    request.set_partitions(4);
    v1::CreateTopicResponse response;
    ASSERT_TRUE(admin->CreateTopic(&call, request, &response).ok());
    EXPECT_EQ(response.topic().name(), "orders");
    EXPECT_EQ(response.topic().id(), 4u);
  }
  {
    grpc::ClientContext call;
    Bound(call);
    v1::DescribeTopicRequest request;
    v1::DescribeTopicResponse response;
    const grpc::Status status = admin->DescribeTopic(&call, request, &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
    EXPECT_EQ(ReasonOf(status), "TOPIC_NOT_FOUND");
  }
  {
    grpc::ClientContext call;
    Bound(call);
    v1::ListTopicsResponse response;
    ASSERT_TRUE(admin->ListTopics(&call, {}, &response).ok());
    ASSERT_EQ(response.topics_size(), 2);
    EXPECT_EQ(response.topics(1).name(), "b");
  }
  {
    grpc::ClientContext call;
    Bound(call);
    v1::DeleteTopicResponse response;
    EXPECT_TRUE(admin->DeleteTopic(&call, {}, &response).ok());
  }
  {
    grpc::ClientContext call;
    Bound(call);
    v1::GetServersResponse response;
    ASSERT_TRUE(cluster->GetServers(&call, {}, &response).ok());
    EXPECT_EQ(response.cluster_id(), "c");
    EXPECT_EQ(response.leader_id(), 2u);
  }
  {
    grpc::ClientContext call;
    Bound(call);
    v1::GetStatusResponse response;
    ASSERT_TRUE(cluster->GetStatus(&call, {}, &response).ok());
    EXPECT_EQ(response.node_id(), 9u);
  }
}

TEST_F(AdminServiceTest, AnAnswerOfAnotherKindIsInternalNotACrash) {
  gateway_.AnswerWith([](const Request&) { return Ack(1); });
  grpc::ClientContext call;
  Bound(call);
  v1::ListTopicsResponse response;
  EXPECT_EQ(v1::Admin::NewStub(channel_)->ListTopics(&call, {}, &response).error_code(),
            grpc::StatusCode::INTERNAL);
}

}  // namespace
}  // namespace tidemark::rpc
