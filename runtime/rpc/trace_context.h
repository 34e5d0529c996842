#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tidemark::rpc {

// The trace a call belongs to. Source: W3C Trace Context, version 00.
struct TraceContext {
  std::string trace_id;   // 32 lower-case hex digits, not all zero
  std::string parent_id;  // 16 lower-case hex digits, not all zero
  uint8_t flags = 0;      // bit 0: sampled

  friend bool operator==(const TraceContext&, const TraceContext&) = default;
};

// Reads a `traceparent` value. Strict: upper-case digits, zero ids, the version ff, and for version
// 00 anything after the flags give nullopt; a higher version may have more after a further dash.
std::optional<TraceContext> ParseTraceparent(std::string_view text);

// "00-<trace id>-<parent id>-<flags>".
std::string FormatTraceparent(const TraceContext& context);

// The span of this server in the caller's trace (`parent`), or in a new one. `random` are three
// random numbers; a zero is replaced, since ids of zero are not valid.
TraceContext ServerSpan(const std::optional<TraceContext>& parent, uint64_t random1,
                        uint64_t random2, uint64_t random3);

}  // namespace tidemark::rpc
