#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/base/check.h"
#include "engine/node/node.h"
#include "runtime/node/config.h"
#include "tools/tidemark/command_line.h"

// The text of a configuration file of `tidemark server`: it is refused with a message of one line
// or more, or it makes a node that starts on an empty directory and gets through its first minute.

namespace tidemark {
namespace {

class EmptyDirectory : public DirectoryView {
 public:
  std::vector<FileId> List(GroupId /*group*/) const override { return {}; }
  std::vector<GroupId> Groups() const override { return {}; }
  absl::StatusOr<std::string_view> Contents(const FileId& file) const override {
    return absl::NotFoundError(PathOf(file));
  }
};

absl::Status Refused(const absl::Status& status) {
  TIDEMARK_CHECK(!status.message().empty());
  return status;
}

absl::StatusOr<ServerConfig> Parse(const std::string& text) {
  CLI::App root;
  ServerConfig config;
  AddServerFlags(*root.add_subcommand("server"), config);
  absl::StatusOr<std::vector<std::string>> args = AddConfig(root, {"server"}, "file", text);
  if (!args.ok()) return Refused(args.status());
  std::reverse(args->begin(), args->end());
  try {
    root.parse(*args);
  } catch (const CLI::ParseError& error) {
    return Refused(absl::InvalidArgumentError(error.what()));
  }
  return config;
}

void Run(const std::string& text) {
  absl::StatusOr<ServerConfig> config = Parse(text);
  if (!config.ok()) return;
  // What is in files has fuzz targets of its own; here a name must not lead anywhere.
  config->insecure = true;
  config->acl_model_file.clear();
  config->acl_policy_file.clear();
  config->gossip_key_file.clear();
  if (config->node_id == 0) config->node_id = 1;
  if (config->data_dir.empty()) config->data_dir = "data";
  const absl::StatusOr<NodeOptions> options = OptionsOf(*config);
  if (!options.ok()) {
    (void)Refused(options.status());
    return;
  }
  Now now{.instant = Instant::FromNanos(1'000'000'000),
          .wall = WallTime::FromMillis(1'700'000'000'000)};
  absl::StatusOr<Node> node = Node::Recover(*options, EmptyDirectory(), now, Prng(1));
  if (!node.ok()) {
    TIDEMARK_CHECK(absl::IsInvalidArgument(node.status()));
    (void)Refused(node.status());
    return;
  }
  Effects effects;
  node->Start(now, effects);
  const Instant end = now.instant + Duration::Seconds(60);
  for (int steps = 0; steps < 1000 && now.instant < end; ++steps) {
    effects.clear();
    const Instant next = node->next_deadline();
    if (next == Instant::Never()) break;
    TIDEMARK_CHECK_GT(next.nanos(), 0);
    now.instant = std::max(now.instant, next);
    node->Step(now, {}, effects);
  }
}

}  // namespace
}  // namespace tidemark

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  tidemark::Run(std::string(reinterpret_cast<const char*>(data), size));
  return 0;
}
