#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/acl/default_model.h"
#include "engine/acl/enforcer.h"
#include "engine/base/check.h"

// Bytes before the first NUL are a model, the rest is a policy: nothing may crash, and what loads
// must decide, twice the same. Without a NUL all bytes are a policy under the default model.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using tidemark::acl::Decision;
  using tidemark::acl::Enforcer;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t middle = input.find('\0');
  const bool has_model = middle != std::string_view::npos;
  const std::string_view model = has_model ? input.substr(0, middle) : tidemark::acl::kDefaultModel;
  const std::string_view policy = has_model ? input.substr(middle + 1) : input;
  const absl::StatusOr<Enforcer> enforcer = Enforcer::Load(model, policy);
  if (!enforcer.ok()) return 0;
  const Decision first = enforcer->Enforce("alice", "topic:a/b", "read");
  const Decision second = enforcer->Enforce("alice", "topic:a/b", "read");
  TIDEMARK_CHECK_EQ(first.allowed, second.allowed);
  TIDEMARK_CHECK_EQ(first.reason, second.reason);
  if (enforcer->rule_count() == 0) TIDEMARK_CHECK(!first.allowed);
  return 0;
}
