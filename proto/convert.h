#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "engine/base/bytes.h"
#include "engine/node/request.h"
#include "tidemark/v1/admin.pb.h"
#include "tidemark/v1/cluster.pb.h"
#include "tidemark/v1/log.pb.h"

// The public API's messages as the engine's structs and back. Pure functions; what they cannot
// take, they refuse with an RpcError that is ready to be sent.

namespace tidemark {

// ErrorInfo.domain of every error.
inline constexpr char kErrorDomain[] = "tidemark";

// A value, or the refusal to answer with.
template <typename T>
using OrRpcError = std::variant<T, RpcError>;

// The refusal of a malformed request: INVALID_ARGUMENT with `reason`.
RpcError InvalidRequest(std::string reason, std::string message);

// --- Requests ------------------------------------------------------------------------------------

// Takes the batch out of `from` without copying it, or builds one of its plain records
// (`now_ms` for those without a timestamp). The batch itself is checked by the engine.
//   Errors  INVALID_BATCH no payload, no records, a record without key and value is fine;
//           BATCH_TOO_LARGE over kBatchBytesMax or kBatchRecordsMax.
OrRpcError<ProduceRequest> ToProduce(v1::ProduceRequest&& from, int64_t now_ms);
// A missing start means the earliest record. max_bytes is brought into [1, kFetchBytesMax].
FetchRequest ToFetch(const v1::ConsumeRequest& from);
CreateTopicRequest ToCreateTopic(const v1::CreateTopicRequest& from);

// --- Answers -------------------------------------------------------------------------------------

v1::ProduceResponse FromProduce(const ProduceResponse& from);
v1::Topic FromTopic(const TopicInfo& from);
v1::GetServersResponse FromServers(const GetServersResponse& from);
v1::GetMembersResponse FromMembers(const GetMembersResponse& from);
MovePartitionRequest ToMovePartition(const v1::MovePartitionRequest& from);
v1::GetStatusResponse FromStatus(const GetStatusResponse& from);

// The answer to a fetch at `fetch.from` of which `frames` were read.
//   format    BATCHES: the frames one after the other. RECORDS: decoded, none before fetch.from.
//   wanted    next_offset of an answer without records: the offset asked for.
//   Errors    kDataLoss a frame is damaged; kUnimplemented a compressed batch cannot be decoded
//             here (ask for BATCHES).
absl::StatusOr<v1::ConsumeResponse> FromFetch(const FetchResponse& fetch,
                                              std::span<const Bytes> frames,
                                              v1::ConsumeFormat format);

// --- Errors --------------------------------------------------------------------------------------

v1::StreamError FromError(const RpcError& from);
RpcError ToError(const v1::StreamError& from);

// The serialised google.rpc.Status for the trailer grpc-status-details-bin: ErrorInfo with reason
// and metadata, LocalizedMessage in English.
std::string EncodeErrorDetails(const RpcError& error);
// The error a finished call carried. Without (or with foreign) details the reason is empty.
RpcError DecodeErrorDetails(int code, std::string_view message, std::string_view details);

}  // namespace tidemark
