#include "tools/tidemark/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "engine/base/limits.h"

namespace tidemark {
namespace {

std::string EnvironmentName(const std::string& flag) {
  return absl::StrCat("TIDEMARK_", absl::AsciiStrToUpper(absl::StrReplaceAll(flag, {{"-", "_"}})));
}

// The command that `args` names, found as CLI11 will find it.
CLI::App* CommandOf(CLI::App& root, const std::vector<std::string>& args) {
  CLI::App* command = &root;
  for (const std::string& argument : args) {
    const std::vector<CLI::App*> named = command->get_subcommands(
        [&argument](const CLI::App* candidate) { return candidate->get_name() == argument; });
    if (named.empty()) break;
    command = named.front();
  }
  return command;
}

bool Given(const std::vector<std::string>& args, const std::string& name) {
  const std::string flag = "--" + name;
  return std::any_of(args.begin(), args.end(), [&](const std::string& argument) {
    return argument == flag || argument.rfind(flag + "=", 0) == 0;
  });
}

std::string ConfigFileOf(const std::vector<std::string>& args) {
  for (size_t i = 0; i < args.size(); ++i) {
    if (args[i] == "--config" && i + 1 < args.size()) return args[i + 1];
    if (args[i].rfind("--config=", 0) == 0) return args[i].substr(9);
  }
  const char* const environment = std::getenv("TIDEMARK_CONFIG");
  return environment == nullptr ? "" : environment;
}

}  // namespace

void AddConnectionFlags(CLI::App& command, ConnectionFlags& flags) {
  const char* const group = "Connection";
  command.add_option("--servers", flags.servers, "host:port of any servers, comma-separated")
      ->delimiter(',')
      ->capture_default_str()
      ->group(group);
  command.add_option("--ca", flags.ca, "Certificate of the authority (PEM)")->group(group);
  command.add_option("--cert", flags.cert, "Your certificate (PEM): says who you are")
      ->group(group);
  command.add_option("--key", flags.key, "Your private key (PEM)")->group(group);
  command.add_flag("--insecure", flags.insecure, "No TLS; only for servers that run without")
      ->group(group);
  command.add_option("--timeout", flags.timeout_s, "Seconds to keep trying")
      ->capture_default_str()
      ->group(group);
}

absl::StatusOr<std::unique_ptr<client::Client>> Connect(const ConnectionFlags& flags) {
  client::ClientOptions options;
  options.servers = flags.servers;
  options.timeout = Duration::Seconds(flags.timeout_s);
  if (!flags.insecure) {
    for (const auto& [name, value] :
         {std::pair{"--ca", &flags.ca}, {"--cert", &flags.cert}, {"--key", &flags.key}}) {
      if (value->empty()) {
        return absl::InvalidArgumentError(
            absl::StrCat(name,
                         " is not set; give --ca, --cert and --key (make them with `tidemark "
                         "cert`), or --insecure for servers without TLS"));
      }
    }
    options.tls = client::TlsFiles{.ca = flags.ca, .cert = flags.cert, .key = flags.key};
  }
  return client::Client::Create(std::move(options));
}

void FinishCommands(CLI::App& root) {
  for (CLI::App* command : root.get_subcommands({})) FinishCommands(*command);
  if (root.get_parent() == nullptr) return;
  for (CLI::Option* option : root.get_options()) {
    if (option->get_lnames().empty() || option->get_lnames().front() == "help") continue;
    option->envname(EnvironmentName(option->get_lnames().front()));
  }
  if (root.get_subcommands({}).empty()) {
    // Read before parsing (AddConfigFile); here only so that it is known and shown.
    root.add_option("--config", "File with settings: keys are flags without dashes (TOML, INI)")
        ->envname("TIDEMARK_CONFIG");
  }
}

absl::StatusOr<std::vector<std::string>> AddConfigFile(CLI::App& root,
                                                       std::vector<std::string> args) {
  const std::string path = ConfigFileOf(args);
  if (path.empty()) return args;
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  if (!file.good()) {
    return absl::NotFoundError(absl::StrCat("cannot read the configuration file ", path));
  }
  return AddConfig(root, std::move(args), path, text.str());
}

absl::StatusOr<std::vector<std::string>> AddConfig(CLI::App& root, std::vector<std::string> args,
                                                   std::string_view name, const std::string& text) {
  const std::string path(name);
  CLI::App* const command = CommandOf(root, args);
  std::vector<CLI::ConfigItem> items;
  try {
    std::istringstream stream(text);
    items = CLI::ConfigTOML().from_config(stream);
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", error.what()));
  }
  std::vector<std::string> added;
  for (const CLI::ConfigItem& item : items) {
    if (item.name == "++" || item.name == "--") continue;  // section marks
    const CLI::Option* const option = command->get_option_no_throw("--" + item.name);
    if (!item.parents.empty() || option == nullptr || item.name == "config") {
      return absl::InvalidArgumentError(absl::StrCat(path, ": unknown key \"", item.fullname(),
                                                     "\"; `tidemark ", command->get_name(),
                                                     " --help` lists the flags it may have"));
    }
    if (Given(args, item.name)) continue;
    if (std::getenv(EnvironmentName(item.name).c_str()) != nullptr) continue;
    for (const std::string& value : item.inputs) {
      added.push_back(absl::StrCat("--", item.name, "=", value));
    }
  }
  args.insert(args.end(), added.begin(), added.end());
  return args;
}

absl::StatusOr<client::ReadOptions> ParseConsistency(std::string_view text) {
  client::ReadOptions read;
  absl::string_view rest(text.data(), text.size());
  if (rest == "committed") return read;
  read.consistency = v1::CONSISTENCY_LINEARIZABLE;
  if (rest == "linearizable") return read;
  read.consistency = v1::CONSISTENCY_BOUNDED;
  constexpr std::pair<absl::string_view, uint64_t> kUnits[] = {
      {"us", 1}, {"ms", 1000}, {"s", 1'000'000}, {"m", 60'000'000}, {"h", 3'600'000'000}};
  if (absl::ConsumePrefix(&rest, "bounded:")) {
    for (const auto& [unit, micros] : kUnits) {
      absl::string_view digits = rest;
      uint64_t count = 0;
      if (!absl::ConsumeSuffix(&digits, unit) || !absl::SimpleAtoi(digits, &count)) continue;
      if (count > kStalenessMicrosMax / micros || count * micros < kStalenessMicrosMin) break;
      read.max_staleness = Duration::Micros(static_cast<int64_t>(count * micros));
      return read;
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--consistency \"", absl::string_view(text.data(), text.size()),
                   "\" is not `linearizable`, `committed` or `bounded:TIME` with a time such as "
                   "500ms or 2s, from 1ms to 24h"));
}

int Fail(const absl::Status& status) {
  std::string message(status.message());
  std::replace(message.begin(), message.end(), '\n', ' ');
  std::fprintf(stderr, "tidemark: %s\n", message.c_str());
  return kExitFailed;
}

bool WriteOut(std::string_view text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
}

}  // namespace tidemark
