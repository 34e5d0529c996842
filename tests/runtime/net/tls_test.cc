#include "runtime/net/tls.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "tests/runtime/support/certificates.h"

namespace tidemark::net {
namespace {

using Role = TlsContext::Role;

// Two sessions wired to each other in memory.
struct Pair {
  Pair(const std::shared_ptr<TlsContext>& server_context,
       const std::shared_ptr<TlsContext>& client_context, size_t piece_bytes = 65536)
      : server(server_context), client(client_context), piece(piece_bytes) {
    client_status = client.Begin();
  }

  // Moves bytes both ways until neither side has any.
  void Pump() {
    for (bool moved = true; moved;) {
      const bool to_server = Move(client, server, server_plain, server_status);
      const bool to_client = Move(server, client, client_plain, client_status);
      moved = to_server || to_client;
    }
  }

  bool Move(TlsSession& from, TlsSession& to, std::string& plain, absl::Status& status) const {
    std::string wire;
    from.TakeOutput(wire);
    for (size_t at = 0; at < wire.size() && status.ok(); at += piece) {
      status = to.Feed(std::string_view(wire).substr(at, piece), plain);
    }
    return !wire.empty();
  }

  TlsSession server;
  TlsSession client;
  size_t piece;
  std::string server_plain;
  std::string client_plain;
  absl::Status server_status;
  absl::Status client_status;
};

TEST(Tls, PeersSeeEachOthersNamesAndExchangeBytes) {
  const Certificates certificates;
  Pair pair(Context(certificates.Node(1), Role::kPeerServer),
            Context(certificates.Node(2), Role::kPeerClient));
  pair.Pump();
  ASSERT_TRUE(pair.server.established()) << pair.server_status;
  ASSERT_TRUE(pair.client.established()) << pair.client_status;
  const PeerIdentity client = pair.server.identity();
  EXPECT_TRUE(client.verified);
  EXPECT_NE(std::find(client.uris.begin(), client.uris.end(), "tidemark://demo/node/2"),
            client.uris.end());
  EXPECT_TRUE(pair.client.identity().verified);
  const std::string large(100'000, 'x');
  ASSERT_TRUE(pair.client.Write(large).ok());
  ASSERT_TRUE(pair.server.Write("answer").ok());
  pair.Pump();
  EXPECT_EQ(pair.server_plain, large);
  EXPECT_EQ(pair.client_plain, "answer");
}

TEST(Tls, WorksByteByByte) {
  const Certificates certificates;
  Pair pair(Context(certificates.Node(1), Role::kPeerServer),
            Context(certificates.Node(2), Role::kPeerClient), 1);
  pair.Pump();
  ASSERT_TRUE(pair.client.Write("hello").ok());
  pair.Pump();
  EXPECT_EQ(pair.server_plain, "hello");
}

TEST(Tls, PeerOfAForeignAuthorityIsRefusedByBothSides) {
  const Certificates ours;
  const Certificates theirs;
  Pair pair(Context(ours.Node(1), Role::kPeerServer), Context(theirs.Node(2), Role::kPeerClient));
  pair.Pump();
  EXPECT_FALSE(pair.server.established());
  EXPECT_TRUE(absl::IsUnauthenticated(pair.client_status)) << pair.client_status;
  // A client that trusts the server's CA, with a certificate of its own CA: the server refuses.
  TlsFiles mixed = theirs.Node(2);
  mixed.ca = ours.Node(1).ca;
  Pair second(Context(ours.Node(1), Role::kPeerServer), Context(mixed, Role::kPeerClient));
  second.Pump();
  EXPECT_TRUE(absl::IsUnauthenticated(second.server_status)) << second.server_status;
  EXPECT_FALSE(second.client_status.ok());
  EXPECT_NE(std::string(second.client_status.message()).find("alert unknown ca"), std::string::npos)
      << second.client_status;
}

TEST(Tls, DamagedRecordEndsTheSession) {
  const Certificates certificates;
  Pair pair(Context(certificates.Node(1), Role::kPeerServer),
            Context(certificates.Node(2), Role::kPeerClient));
  pair.Pump();
  ASSERT_TRUE(pair.client.Write("hello").ok());
  std::string wire;
  pair.client.TakeOutput(wire);
  wire.back() = static_cast<char>(wire.back() ^ 1);
  EXPECT_TRUE(absl::IsDataLoss(pair.server.Feed(wire, pair.server_plain)));
  EXPECT_EQ(pair.server_plain, "");
}

TEST(Tls, GarbageInsteadOfAHandshakeIsAnError) {
  const Certificates certificates;
  TlsSession server(Context(certificates.Node(1), Role::kPeerServer));
  std::string plain;
  EXPECT_TRUE(absl::IsUnauthenticated(server.Feed(std::string(100, 'x'), plain)));
}

TEST(Tls, UnusableFilesAreNamedWithWhatToDo) {
  const Certificates certificates;
  const TlsFiles good = certificates.Node(1);
  const TlsFiles other = certificates.Node(2);
  const auto error = [](const TlsFiles& files) {
    return std::string(TlsContext::Create(files, Role::kPeerServer).status().message());
  };
  const std::string text = certificates.InFolder("not-pem");
  std::ofstream(text) << "not a certificate\n";
  for (const std::string& bad : {std::string("/nowhere/x.crt"), text}) {
    TlsFiles files = good;
    files.ca = bad;
    EXPECT_NE(error(files).find("the CA certificate " + bad), std::string::npos) << error(files);
    files = good;
    files.cert = bad;
    EXPECT_NE(error(files).find("the certificate " + bad), std::string::npos) << error(files);
    files = good;
    files.key = bad;
    EXPECT_NE(error(files).find("the private key " + bad), std::string::npos) << error(files);
  }
  TlsFiles mismatched = good;
  mismatched.key = other.key;
  EXPECT_NE(error(mismatched).find(other.key), std::string::npos);
  EXPECT_NE(error(mismatched).find("`tidemark cert`"), std::string::npos);
}

TEST(Tls, NewContextServesNewCertificatesWhileOldSessionsGoOn) {
  const Certificates certificates;
  const auto client = Context(certificates.Node(2), Role::kPeerClient);
  auto server = Context(certificates.Node(1), Role::kPeerServer);
  Pair old(server, client);
  old.Pump();
  ASSERT_TRUE(old.server.established());
  server = Context(certificates.Node(1, /*again=*/true), Role::kPeerServer);
  Pair fresh(server, client);
  fresh.Pump();
  EXPECT_TRUE(fresh.server.established()) << fresh.server_status;
  ASSERT_TRUE(old.client.Write("still here").ok());
  old.Pump();
  EXPECT_EQ(old.server_plain, "still here");
}

}  // namespace
}  // namespace tidemark::net
