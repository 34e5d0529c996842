#include "sim/checkers/access.h"

#include "absl/strings/str_cat.h"

namespace tidemark::sim {
namespace {

// What may come instead of a refusal without saying anything of what is there.
bool SaysNothing(const RpcError& error) {
  return error.code == absl::StatusCode::kUnavailable &&
         (error.reason.empty() || error.reason == "SHUTTING_DOWN");
}

bool IsEmptyList(const Response& response) {
  const auto* list = std::get_if<ListTopicsResponse>(&response);
  return list != nullptr && list->topics.empty();
}

}  // namespace

void Access::OnAnswer(const std::string& principal, const std::string& kind,
                      const std::string& object, const Response& response) {
  if (IsEmptyList(response)) return;
  const auto* error = std::get_if<RpcError>(&response);
  if (error == nullptr) {
    verdict_->Fail("access", absl::StrCat(principal, ", who may do nothing, was answered when it ",
                                          "asked to ", kind, " ", object));
    return;
  }
  if (SaysNothing(*error)) return;
  if (error->code != absl::StatusCode::kPermissionDenied || error->reason != "PERMISSION_DENIED") {
    verdict_->Fail("access",
                   absl::StrCat(principal, ", who may do nothing, asked to ", kind, " ", object,
                                " and was told ", error->reason, ": ", error->message));
    return;
  }
  for (const auto& [key, value] : error->metadata) {
    const bool known = (key == "principal" && value == principal) ||
                       (key == "object" && value == object) || key == "action" || key == "rule";
    if (known) continue;
    verdict_->Fail("access", absl::StrCat("the refusal of ", principal, " to ", kind, " ", object,
                                          " gives away ", key, " ", value));
    return;
  }
  ++denied_;
}

}  // namespace tidemark::sim
