#include "proto/convert.h"
#include "runtime/rpc/services.h"

namespace tidemark::rpc {

grpc::ServerUnaryReactor* ClusterService::GetMembers(grpc::CallbackServerContext* call,
                                                     const v1::GetMembersRequest*,
                                                     v1::GetMembersResponse* response) {
  auto* unary = new UnaryCall(context_, call, "Cluster/GetMembers");
  unary->Ask<GetMembersResponse>(GetMembersRequest{},
                                 [response](GetMembersResponse&& answer, const auto&) {
                                   *response = FromMembers(answer);
                                   return grpc::Status::OK;
                                 });
  return unary;
}

grpc::ServerUnaryReactor* ClusterService::AddMember(grpc::CallbackServerContext* call,
                                                    const v1::AddMemberRequest* request,
                                                    v1::AddMemberResponse*) {
  auto* unary = new UnaryCall(context_, call, "Cluster/AddMember");
  unary->Ask<AddMemberResponse>(AddMemberRequest{.node = NodeId(request->node_id())},
                                [](AddMemberResponse&&, const auto&) { return grpc::Status::OK; });
  return unary;
}

grpc::ServerUnaryReactor* ClusterService::RemoveMember(grpc::CallbackServerContext* call,
                                                       const v1::RemoveMemberRequest* request,
                                                       v1::RemoveMemberResponse*) {
  auto* unary = new UnaryCall(context_, call, "Cluster/RemoveMember");
  unary->Ask<RemoveMemberResponse>(
      RemoveMemberRequest{.node = NodeId(request->node_id())},
      [](RemoveMemberResponse&&, const auto&) { return grpc::Status::OK; });
  return unary;
}

grpc::ServerUnaryReactor* ClusterService::MovePartition(grpc::CallbackServerContext* call,
                                                        const v1::MovePartitionRequest* request,
                                                        v1::MovePartitionResponse* response) {
  auto* unary = new UnaryCall(context_, call, "Cluster/MovePartition");
  unary->Ask<MovePartitionResponse>(ToMovePartition(*request),
                                    [response](MovePartitionResponse&& answer, const auto&) {
                                      *response->mutable_topic() = FromTopic(answer.topic);
                                      return grpc::Status::OK;
                                    });
  return unary;
}

grpc::ServerUnaryReactor* ClusterService::TransferLeadership(
    grpc::CallbackServerContext* call, const v1::TransferLeadershipRequest* request,
    v1::TransferLeadershipResponse* response) {
  auto* unary = new UnaryCall(context_, call, "Cluster/TransferLeadership");
  unary->Ask<TransferLeadershipResponse>(
      TransferLeadershipRequest{.topic = request->topic(),
                                .partition = PartitionId(request->partition()),
                                .to = NodeId(request->to())},
      [response](TransferLeadershipResponse&& answer, const auto&) {
        response->set_leader_id(answer.leader.value());
        return grpc::Status::OK;
      });
  return unary;
}

}  // namespace tidemark::rpc
