#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "tools/tidemark/command_line.h"

namespace tidemark {

// A subcommand of `parent` with the connection flags that connects and runs `action`; gives it and
// its flags. `Flags` has a member `connection`.
template <typename Flags>
std::pair<CLI::App*, std::shared_ptr<Flags>> AddClientAction(
    CLI::App& parent, const char* name, const char* help,
    absl::Status (*action)(client::Client&, const Flags&), int& exit_code) {
  auto* command = parent.add_subcommand(name, help);
  const auto flags = std::make_shared<Flags>();
  AddConnectionFlags(*command, flags->connection);
  command->callback([flags, action, &exit_code] {
    auto client = Connect(flags->connection);
    const absl::Status status = client.ok() ? action(**client, *flags) : client.status();
    if (!status.ok()) exit_code = Fail(status);
  });
  return {command, flags};
}

}  // namespace tidemark
