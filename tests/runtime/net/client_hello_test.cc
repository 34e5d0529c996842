#include "runtime/net/client_hello.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "engine/base/coding.h"

namespace tidemark::net {
namespace {

std::string Vector8(const std::string& text) {
  return std::string(1, static_cast<char>(text.size())) + text;
}

std::string Vector16(const std::string& text) {
  std::string out;
  AppendBig(out, static_cast<uint16_t>(text.size()));
  return out + text;
}

std::string Extension(uint16_t type, const std::string& data) {
  std::string out;
  AppendBig(out, type);
  return out + Vector16(data);
}

std::string AlpnExtension(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += Vector8(name);
  return Extension(16, Vector16(list));
}

std::string Body(const std::string& extensions) {
  return std::string("\x03\x03", 2) + std::string(32, 'r') + Vector8(std::string(32, 's')) +
         Vector16("\x13\x01") + Vector8(std::string(1, '\0')) + Vector16(extensions);
}

std::string Message(const std::string& body) {
  std::string out;
  AppendBig(out, static_cast<uint32_t>(body.size() | 1u << 24));
  return out + body;
}

std::string Record(const std::string& fragment) {
  return std::string("\x16\x03\x01", 3) + Vector16(fragment);
}

// What OpenSSL really sends when it offers `names`.
std::string OpenSslHello(const std::vector<std::string>& names) {
  const std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_client_method()),
                                                                  &SSL_CTX_free);
  const std::unique_ptr<SSL, decltype(&SSL_free)> ssl(SSL_new(context.get()), &SSL_free);
  std::string wire;
  for (const std::string& name : names) wire += Vector8(name);
  if (!wire.empty()) {
    SSL_set_alpn_protos(ssl.get(), reinterpret_cast<const unsigned char*>(wire.data()),
                        static_cast<unsigned>(wire.size()));
  }
  BIO* out = BIO_new(BIO_s_mem());
  SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), out);
  SSL_set_connect_state(ssl.get());
  SSL_do_handshake(ssl.get());
  char* data = nullptr;
  const auto size = BIO_get_mem_data(out, &data);
  return std::string(data, static_cast<size_t>(size));
}

std::vector<std::string> AlpnOf(const std::string& bytes) {
  const ClientHelloResult result = ParseClientHello(bytes);
  const auto* hello = std::get_if<ClientHello>(&result);
  EXPECT_NE(hello, nullptr) << result.index();
  return hello == nullptr ? std::vector<std::string>{"?"} : hello->alpn;
}

std::string ReasonOf(const std::string& bytes) {
  const ClientHelloResult result = ParseClientHello(bytes);
  const auto* malformed = std::get_if<MalformedClientHello>(&result);
  return malformed == nullptr ? "index " + std::to_string(result.index())
                              : std::string(malformed->reason);
}

TEST(ClientHello, ReadsTheProtocolsARealClientOffersInItsOrder) {
  EXPECT_EQ(AlpnOf(OpenSslHello({"h2", "http/1.1"})), (std::vector<std::string>{"h2", "http/1.1"}));
  EXPECT_EQ(AlpnOf(OpenSslHello({"tidemark/1"})), std::vector<std::string>{"tidemark/1"});
  EXPECT_EQ(AlpnOf(OpenSslHello({})), std::vector<std::string>{});
}

TEST(ClientHello, NeedsMoreAtEveryByteBeforeTheLast) {
  const std::string hello = OpenSslHello({"h2"});
  for (size_t length = 0; length < hello.size(); ++length) {
    ASSERT_TRUE(std::holds_alternative<ClientHelloNeedsMore>(
        ParseClientHello(std::string_view(hello).substr(0, length))))
        << length;
  }
  const std::string more = hello + "early bytes of the next record";
  EXPECT_EQ(AlpnOf(more), std::vector<std::string>{"h2"});
}

TEST(ClientHello, JoinsAnyFragmentationOverRecords) {
  const std::string message = Message(Body(AlpnExtension({"h2"})));
  for (const size_t piece : {2u, 3u, 5u, 40u, 1000u}) {
    std::string bytes;
    for (size_t at = 0; at < message.size(); at += piece)
      bytes += Record(message.substr(at, piece));
    EXPECT_EQ(AlpnOf(bytes), std::vector<std::string>{"h2"}) << piece;
  }
}

TEST(ClientHello, FirstByteThatIsNoHandshakeRecordIsNotTls) {
  for (const char* text : {"GET / HTTP/1.1\r\n", "PRI * HTTP/2.0", "\x17\x03\x03", "\xd7"}) {
    EXPECT_TRUE(std::holds_alternative<NotTls>(ParseClientHello(text))) << text;
  }
}

TEST(ClientHello, LegacyHelloWithoutExtensionsOffersNothing) {
  std::string body = Body("");
  body.resize(body.size() - 2);
  EXPECT_EQ(AlpnOf(Record(Message(body))), std::vector<std::string>{});
}

TEST(ClientHello, NamesTheRuleThatWasBroken) {
  const std::string good = Body(AlpnExtension({"h2"}));
  EXPECT_EQ(ReasonOf("\x16\x02"), "not TLS 1.x");
  EXPECT_EQ(ReasonOf(std::string("\x16\x03\x01\0\0", 5)), "empty record");
  EXPECT_EQ(ReasonOf("\x16\x03\x01\xff\xff"), "record too long");
  EXPECT_EQ(ReasonOf(Record("\x02")), "the first message is no ClientHello");
  EXPECT_EQ(ReasonOf(Record(std::string("\x01\x00\x40\x00", 4))), "ClientHello too long");
  EXPECT_EQ(ReasonOf(Record(Message(good) + "x")), "bytes after the ClientHello in its record");
  EXPECT_EQ(ReasonOf(Record(Message(good).substr(0, 20)) + "GET /"),
            "another record inside the ClientHello");
  EXPECT_EQ(ReasonOf(Record(Message("\x03\x03"))), "cut before the random");
  EXPECT_EQ(ReasonOf(Record(Message(good + "x"))), "bad extensions length");
  EXPECT_EQ(ReasonOf(Record(Message(Body("\x01")))), "bad extension");
  EXPECT_EQ(ReasonOf(Record(Message(Body(Extension(9, "") + Extension(9, ""))))),
            "an extension comes twice");
  for (const std::string& alpn : {std::string(), Vector16(""), Vector16(Vector8("")),
                                  Vector16("\x05h2"), Vector16(Vector8("h2")) + "x"}) {
    EXPECT_EQ(ReasonOf(Record(Message(Body(Extension(16, alpn))))), "bad ALPN extension");
  }
}

TEST(ClientHello, RefusesATrailOfTinyFragments) {
  const std::string message = Message(Body(AlpnExtension({"h2"})));
  std::string bytes;
  for (const char c : message) bytes += Record(std::string(1, c));
  EXPECT_EQ(ReasonOf(bytes), "too many fragments");
}

// A verdict, once reached, does not change with the bytes that follow; and nothing ever asks for
// more than the bound.
void CheckPrefixes(const std::string& bytes) {
  const ClientHelloResult whole = ParseClientHello(bytes);
  for (size_t length = 0; length < bytes.size(); ++length) {
    const ClientHelloResult early = ParseClientHello(std::string_view(bytes).substr(0, length));
    if (!std::holds_alternative<ClientHelloNeedsMore>(early)) {
      RC_ASSERT(early.index() == whole.index());
    }
  }
}

RC_GTEST_PROP(ClientHelloProperty, DamageNeverCrashesAndNeverMakesTheVerdictDependOnArrival, ()) {
  std::string bytes = Record(Message(Body(Extension(0, "name") + AlpnExtension({"h2", "x"}))));
  const int flips = *rc::gen::inRange(1, 5);
  for (int i = 0; i < flips; ++i) {
    const auto at = *rc::gen::inRange<size_t>(0, bytes.size());
    bytes[at] = static_cast<char>(*rc::gen::inRange(0, 256));
  }
  CheckPrefixes(bytes);
}

RC_GTEST_PROP(ClientHelloProperty, AnyListOfProtocolsComesBack, ()) {
  const auto name = rc::gen::suchThat(rc::gen::arbitrary<std::string>(), [](const std::string& s) {
    return !s.empty() && s.size() < 256;
  });
  const auto names = *rc::gen::suchThat(rc::gen::container<std::vector<std::string>>(name),
                                        [](const auto& list) { return !list.empty(); });
  const ClientHelloResult result = ParseClientHello(Record(Message(Body(AlpnExtension(names)))));
  RC_ASSERT(std::holds_alternative<ClientHello>(result));
  RC_ASSERT(std::get<ClientHello>(result).alpn == names);
}

}  // namespace
}  // namespace tidemark::net
