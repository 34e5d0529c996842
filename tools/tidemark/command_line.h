#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "runtime/client/client.h"

namespace CLI {
class App;
}

// What all commands share: flags that also come from the environment and a file, the connection to
// a cluster, errors of one line.
//
// A setting is taken from the command line, else from the environment (TIDEMARK_ and the flag's
// name in upper case with underscores), else from the file named by --config or TIDEMARK_CONFIG.

namespace tidemark {

struct ServerConfig;

// 0 done; 1 it failed; 2 the command line is wrong.
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;

// Where the cluster is and who asks.
struct ConnectionFlags {
  std::vector<std::string> servers = {"127.0.0.1:7600"};
  std::string ca;
  std::string cert;
  std::string key;
  bool insecure = false;
  uint32_t timeout_s = 30;
};

// Adds --servers, --ca, --cert, --key, --insecure, --timeout to `command`.
//   Lives  `flags` must outlive the parsing of `command`.
void AddConnectionFlags(CLI::App& command, ConnectionFlags& flags);

// Errors: kInvalidArgument, TLS files are missing on the command line; those of Client::Create.
absl::StatusOr<std::unique_ptr<client::Client>> Connect(const ConnectionFlags& flags);

// Gives every option of `root` and its subcommands, recursively, its environment variable and each
// command without subcommands a --config flag. Call when all commands are added.
void FinishCommands(CLI::App& root);

// `args` (without the program's name) with the settings of the configuration file added that
// neither `args` nor the environment give. Keys are flags without dashes, in TOML or INI form.
//   Errors  kNotFound the file cannot be read; kInvalidArgument it is malformed or has a key that
//           the command does not know: the message names file and key.
absl::StatusOr<std::vector<std::string>> AddConfigFile(CLI::App& root,
                                                       std::vector<std::string> args);

// The same of a file's text; `name` is for messages.
absl::StatusOr<std::vector<std::string>> AddConfig(CLI::App& root, std::vector<std::string> args,
                                                   std::string_view name, const std::string& text);

// What --consistency may say.
inline constexpr char kConsistencyHelp[] =
    "linearizable: all that was acknowledged before; bounded:500ms (us, ms, s, m, h): all that was "
    "acknowledged longer ago; committed: what the node that answers knows of, however old";
//   Errors  kInvalidArgument: it is none of these.
absl::StatusOr<client::ReadOptions> ParseConsistency(std::string_view text);

// Prints "tidemark: <message>" to stderr and gives kExitFailed.
int Fail(const absl::Status& status);

// Writes to stdout; false when nobody reads any more (a closed pipe) or the disk is full.
bool WriteOut(std::string_view text);

// The flags of `tidemark server`.
//   Lives  `config` must outlive the parsing of `command`.
void AddServerFlags(CLI::App& command, ServerConfig& config);

// Each adds one command; its callback stores the exit code in `exit_code`.
void AddProduceCommand(CLI::App& root, int& exit_code);
void AddConsumeCommand(CLI::App& root, int& exit_code);
void AddTopicCommand(CLI::App& root, int& exit_code);
void AddStatusCommand(CLI::App& root, int& exit_code);
void AddClusterCommand(CLI::App& root, int& exit_code);
void AddCertCommand(CLI::App& root, int& exit_code);
void AddServerCommand(CLI::App& root, int& exit_code);
void AddLogCommand(CLI::App& root, int& exit_code);

}  // namespace tidemark
