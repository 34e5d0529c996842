#include "proto/convert.h"
#include "runtime/rpc/services.h"

namespace tidemark::rpc {

grpc::ServerUnaryReactor* ClusterService::GetServers(grpc::CallbackServerContext* call,
                                                     const v1::GetServersRequest*,
                                                     v1::GetServersResponse* response) {
  auto* unary = new UnaryCall(context_, call, "Cluster/GetServers");
  unary->Ask<GetServersResponse>(GetServersRequest{},
                                 [response](GetServersResponse&& answer, const auto&) {
                                   *response = FromServers(answer);
                                   return grpc::Status::OK;
                                 });
  return unary;
}

grpc::ServerUnaryReactor* ClusterService::GetStatus(grpc::CallbackServerContext* call,
                                                    const v1::GetStatusRequest*,
                                                    v1::GetStatusResponse* response) {
  auto* unary = new UnaryCall(context_, call, "Cluster/GetStatus");
  unary->Ask<GetStatusResponse>(GetStatusRequest{},
                                [response](GetStatusResponse&& answer, const auto&) {
                                  *response = FromStatus(answer);
                                  return grpc::Status::OK;
                                });
  return unary;
}

grpc::ServerUnaryReactor* AdminService::CreateTopic(grpc::CallbackServerContext* call,
                                                    const v1::CreateTopicRequest* request,
                                                    v1::CreateTopicResponse* response) {
  auto* unary = new UnaryCall(context_, call, "Admin/CreateTopic");
  unary->Ask<CreateTopicResponse>(ToCreateTopic(*request),
                                  [response](CreateTopicResponse&& answer, const auto&) {
                                    *response->mutable_topic() = FromTopic(answer.topic);
                                    return grpc::Status::OK;
                                  });
  return unary;
}

grpc::ServerUnaryReactor* AdminService::ListTopics(grpc::CallbackServerContext* call,
                                                   const v1::ListTopicsRequest*,
                                                   v1::ListTopicsResponse* response) {
  auto* unary = new UnaryCall(context_, call, "Admin/ListTopics");
  unary->Ask<ListTopicsResponse>(ListTopicsRequest{},
                                 [response](ListTopicsResponse&& answer, const auto&) {
                                   for (const TopicInfo& topic : answer.topics)
                                     *response->add_topics() = FromTopic(topic);
                                   return grpc::Status::OK;
                                 });
  return unary;
}

grpc::ServerUnaryReactor* AdminService::DescribeTopic(grpc::CallbackServerContext* call,
                                                      const v1::DescribeTopicRequest* request,
                                                      v1::DescribeTopicResponse* response) {
  auto* unary = new UnaryCall(context_, call, "Admin/DescribeTopic");
  unary->Ask<DescribeTopicResponse>(DescribeTopicRequest{.name = request->name()},
                                    [response](DescribeTopicResponse&& answer, const auto&) {
                                      *response->mutable_topic() = FromTopic(answer.topic);
                                      return grpc::Status::OK;
                                    });
  return unary;
}

grpc::ServerUnaryReactor* AdminService::DeleteTopic(grpc::CallbackServerContext* call,
                                                    const v1::DeleteTopicRequest* request,
                                                    v1::DeleteTopicResponse*) {
  auto* unary = new UnaryCall(context_, call, "Admin/DeleteTopic");
  unary->Ask<DeleteTopicResponse>(
      DeleteTopicRequest{.name = request->name()},
      [](DeleteTopicResponse&&, const auto&) { return grpc::Status::OK; });
  return unary;
}

}  // namespace tidemark::rpc
