#include "runtime/rpc/trace_context.h"

#include <algorithm>

namespace tidemark::rpc {
namespace {

bool IsLowerHex(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

bool IsZero(std::string_view text) { return text.find_first_not_of('0') == text.npos; }

int HexValue(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

std::string Hex(uint64_t value, int digits) {
  std::string text(static_cast<size_t>(digits), '0');
  for (int i = digits - 1; i >= 0; --i, value >>= 4) {
    text[static_cast<size_t>(i)] = "0123456789abcdef"[value & 15];
  }
  return text;
}

}  // namespace

std::optional<TraceContext> ParseTraceparent(std::string_view text) {
  constexpr size_t kBytes = 55;
  if (text.size() < kBytes) return std::nullopt;
  const std::string_view version = text.substr(0, 2);
  const std::string_view trace = text.substr(3, 32);
  const std::string_view parent = text.substr(36, 16);
  const std::string_view flags = text.substr(53, 2);
  if (text[2] != '-' || text[35] != '-' || text[52] != '-') return std::nullopt;
  if (!IsLowerHex(version) || version == "ff") return std::nullopt;
  if (text.size() > kBytes && (version == "00" || text[kBytes] != '-')) return std::nullopt;
  if (!IsLowerHex(trace) || IsZero(trace)) return std::nullopt;
  if (!IsLowerHex(parent) || IsZero(parent)) return std::nullopt;
  if (!IsLowerHex(flags)) return std::nullopt;
  return TraceContext{.trace_id = std::string(trace),
                      .parent_id = std::string(parent),
                      .flags = static_cast<uint8_t>(HexValue(flags[0]) * 16 + HexValue(flags[1]))};
}

std::string FormatTraceparent(const TraceContext& context) {
  return "00-" + context.trace_id + "-" + context.parent_id + "-" + Hex(context.flags, 2);
}

TraceContext ServerSpan(const std::optional<TraceContext>& parent, uint64_t random1,
                        uint64_t random2, uint64_t random3) {
  TraceContext span;
  if (parent.has_value()) {
    span.trace_id = parent->trace_id;
    // Only the sampled bit is defined in version 00; others must not be passed on.
    span.flags = parent->flags & 1;
  } else {
    span.trace_id = Hex(random1 == 0 ? 1 : random1, 16) + Hex(random2, 16);
  }
  span.parent_id = Hex(random3 == 0 ? 1 : random3, 16);
  return span;
}

}  // namespace tidemark::rpc
