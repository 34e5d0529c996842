#include <CLI/CLI.hpp>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "engine/base/status_macros.h"
#include "runtime/cert/authority.h"
#include "tools/tidemark/command_line.h"

namespace tidemark {
namespace {

struct CertFlags {
  std::string out = ".";
  std::string ca_dir = ".";
  std::string cluster = "tidemark";
  uint64_t id = 0;
  std::string name;
  std::vector<std::string> dns;
  std::vector<std::string> ip;
  int days = 0;
  bool force = false;
  std::string file;
};

absl::Status MakeFolder(const std::string& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (!error) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat("cannot create the folder ", folder, ": ", error.message()));
}

absl::Status Tell(const absl::Status& status, const cert::KeyPairFiles& files) {
  if (status.ok()) WriteOut(absl::StrCat("wrote ", files.certificate, " and ", files.key, "\n"));
  return status;
}

absl::Status MakeAuthority(const CertFlags& flags) {
  TIDEMARK_RETURN_IF_ERROR(MakeFolder(flags.out));
  const cert::KeyPairFiles files = cert::AuthorityFilesIn(flags.out);
  return Tell(
      cert::CreateAuthority(
          {.cluster = flags.cluster, .files = files, .days = flags.days, .force = flags.force}),
      files);
}

absl::Status MakeNode(const CertFlags& flags) {
  TIDEMARK_RETURN_IF_ERROR(MakeFolder(flags.out));
  const cert::KeyPairFiles files = cert::NodeFilesIn(flags.out, flags.id);
  return Tell(cert::IssueNode({.authority = cert::AuthorityFilesIn(flags.ca_dir),
                               .cluster = flags.cluster,
                               .node_id = flags.id,
                               .dns_names = flags.dns,
                               .ip_addresses = flags.ip,
                               .files = files,
                               .days = flags.days,
                               .force = flags.force}),
              files);
}

absl::Status MakeClient(const CertFlags& flags) {
  TIDEMARK_RETURN_IF_ERROR(MakeFolder(flags.out));
  const cert::KeyPairFiles files = cert::ClientFilesIn(flags.out, flags.name);
  return Tell(cert::IssueClient({.authority = cert::AuthorityFilesIn(flags.ca_dir),
                                 .user = flags.name,
                                 .files = files,
                                 .days = flags.days,
                                 .force = flags.force}),
              files);
}

absl::Status DescribeFile(const CertFlags& flags) {
  TIDEMARK_ASSIGN_OR_RETURN(const cert::Description description, cert::Describe(flags.file));
  WriteOut(cert::ToText(description));
  return absl::OkStatus();
}

using Action = absl::Status (*)(const CertFlags&);

std::pair<CLI::App*, std::shared_ptr<CertFlags>> AddAction(CLI::App& cert, const char* name,
                                                           const char* help, Action action,
                                                           int& exit_code) {
  auto* command = cert.add_subcommand(name, help);
  const auto flags = std::make_shared<CertFlags>();
  command->callback([flags, action, &exit_code] {
    const absl::Status status = action(*flags);
    if (!status.ok()) exit_code = Fail(status);
  });
  return {command, flags};
}

void AddCommon(CLI::App& command, CertFlags& flags, int days) {
  flags.days = days;
  command.add_option("--out", flags.out, "Folder to write to; created if missing")
      ->capture_default_str();
  command.add_option("--days", flags.days, "Validity")->capture_default_str();
  command.add_flag("--force", flags.force, "Replace existing files");
}

}  // namespace

void AddCertCommand(CLI::App& root, int& exit_code) {
  auto* cert = root.add_subcommand("cert", "The built-in certificate authority");
  cert->require_subcommand(1);
  cert->footer(R"(Examples:
  tidemark cert ca --out tls --cluster demo
  tidemark cert node --ca-dir tls --out tls --cluster demo --id 1 --ip 192.0.2.7 --dns node1.example
  tidemark cert client --ca-dir tls --out tls --name alice
  tidemark cert describe tls/node-1.crt)");
  {
    const auto [command, flags] =
        AddAction(*cert, "ca", "Create the authority of a cluster", MakeAuthority, exit_code);
    AddCommon(*command, *flags, cert::kAuthorityDaysDefault);
    command->add_option("--cluster", flags->cluster, "Cluster id")->capture_default_str();
  }
  {
    const auto [command, flags] =
        AddAction(*cert, "node", "Sign a server's certificate", MakeNode, exit_code);
    AddCommon(*command, *flags, cert::kLeafDaysDefault);
    command->add_option("--ca-dir", flags->ca_dir, "Folder of the authority")
        ->capture_default_str();
    command->add_option("--cluster", flags->cluster, "Cluster id")->capture_default_str();
    command->add_option("--id", flags->id, "Id of the node")->required();
    command->add_option("--dns", flags->dns, "Name clients dial (localhost always is)")
        ->delimiter(',');
    command->add_option("--ip", flags->ip, "Address clients dial (loopback always is)")
        ->delimiter(',');
  }
  {
    const auto [command, flags] =
        AddAction(*cert, "client", "Sign a user's certificate", MakeClient, exit_code);
    AddCommon(*command, *flags, cert::kLeafDaysDefault);
    command->add_option("--ca-dir", flags->ca_dir, "Folder of the authority")
        ->capture_default_str();
    command->add_option("--name", flags->name, "The user: subject of access control")->required();
  }
  {
    const auto [command, flags] =
        AddAction(*cert, "describe", "Say what a certificate holds", DescribeFile, exit_code);
    command->add_option("file", flags->file, "PEM file")->required();
  }
}

}  // namespace tidemark
