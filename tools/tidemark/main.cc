#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <string>
#include <vector>

#include "runtime/node/config.h"
#include "tools/tidemark/bench_command.h"
#include "tools/tidemark/command_line.h"

namespace tidemark {
namespace {

void AddBenchCommand(CLI::App& root, int& exit_code) {
  auto* bench = root.add_subcommand("bench", "Measure a cluster");
  bench->require_subcommand(1);
  auto* produce = bench->add_subcommand("produce", "Load one partition and say how it did");
  static ConnectionFlags connection;
  static BenchProduceOptions options;
  AddConnectionFlags(*produce, connection);
  AddBenchProduceFlags(*produce, options);
  produce->callback([&exit_code] {
    auto client = Connect(connection);
    absl::Status status = client.status();
    if (status.ok()) status = BenchProduce(**client, options);
    if (!status.ok()) exit_code = Fail(status);
  });
}

int Main(int argc, char** argv) {
  // A closed pipe is an error of write(), not the end of the process.
  std::signal(SIGPIPE, SIG_IGN);
  CLI::App root("Tidemark: a replicated, durable commit log.", "tidemark");
  root.require_subcommand(1);
  root.set_version_flag("--version", "tidemark " + VersionText());
  root.footer(R"(A first session:
  echo hello | tidemark produce --topic greetings
  tidemark consume --topic greetings --from earliest

Every flag can also be set in the environment (--servers: TIDEMARK_SERVERS) and in a file named by
--config. `tidemark COMMAND --help` explains a command.)");
  int exit_code = 0;
  AddServerCommand(root, exit_code);
  AddProduceCommand(root, exit_code);
  AddConsumeCommand(root, exit_code);
  AddTopicCommand(root, exit_code);
  AddStatusCommand(root, exit_code);
  AddClusterCommand(root, exit_code);
  AddCertCommand(root, exit_code);
  AddLogCommand(root, exit_code);
  AddBenchCommand(root, exit_code);
  root.add_subcommand("version", "Print the version")->callback([] {
    std::printf("tidemark %s\n", VersionText().c_str());
  });
  FinishCommands(root);

  if (argc > 1 && argv[1][0] != '-' &&
      root.get_subcommands([argv](const CLI::App* c) { return c->get_name() == argv[1]; })
          .empty()) {
    std::fprintf(stderr, "tidemark: there is no command \"%s\" (see --help)\n", argv[1]);
    return kExitUsage;
  }
  absl::StatusOr<std::vector<std::string>> args =
      AddConfigFile(root, std::vector<std::string>(argv + 1, argv + argc));
  if (!args.ok()) {
    Fail(args.status());
    return kExitUsage;
  }
  std::reverse(args->begin(), args->end());  // CLI11 takes them last first
  try {
    root.parse(*args);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return root.exit(error);  // --help, --version
    std::fprintf(stderr, "tidemark: %s (see --help)\n", error.what());
    return kExitUsage;
  }
  if (std::fflush(stdout) != 0 && exit_code == 0) exit_code = kExitFailed;
  return exit_code;
}

}  // namespace
}  // namespace tidemark

int main(int argc, char** argv) { return tidemark::Main(argc, argv); }
