// Any bytes as the head of an HTTP request: no crash, and a verdict does not depend on how the
// bytes arrive.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/base/check.h"
#include "runtime/http/http_server.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tidemark::http;
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const RequestHead whole = ParseRequestHead(all);
  if (whole.verdict != RequestHead::Verdict::kComplete) return 0;
  TIDEMARK_CHECK_LE(whole.bytes, size);
  TIDEMARK_CHECK(!whole.method.empty());
  TIDEMARK_CHECK(whole.target.front() == '/');
  const RequestHead alone = ParseRequestHead(all.substr(0, whole.bytes));
  TIDEMARK_CHECK_EQ(alone.verdict, whole.verdict);
  TIDEMARK_CHECK_EQ(alone.keep_alive, whole.keep_alive);
  const RequestHead early = ParseRequestHead(all.substr(0, whole.bytes - 1));
  TIDEMARK_CHECK_EQ(early.verdict, RequestHead::Verdict::kNeedMore);
  return 0;
}
