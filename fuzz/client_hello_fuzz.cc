// Any bytes at the front of a connection: no crash, and trickling them never changes the verdict.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <variant>

#include "engine/base/check.h"
#include "runtime/net/client_hello.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tidemark::net;
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const ClientHelloResult verdict = ParseClientHello(all);
  for (size_t length = 0; length < size; length = length * 2 + 1) {
    const ClientHelloResult early = ParseClientHello(all.substr(0, length));
    if (std::holds_alternative<ClientHelloNeedsMore>(early)) continue;
    TIDEMARK_CHECK_EQ(early.index(), verdict.index());
    if (const auto* hello = std::get_if<ClientHello>(&early)) {
      TIDEMARK_CHECK(hello->alpn == std::get<ClientHello>(verdict).alpn);
    }
  }
  return 0;
}
