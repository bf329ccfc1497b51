// meterhub send: one message, as a gateway sends it.
#include <iostream>
#include <memory>

#include <meterhub/base/disk.h>

#include "commands.h"
#include "program.h"
#include "sender.h"

namespace meterhub::app {
namespace {

constexpr std::chrono::seconds kPatience{20};
// The case study's frame as its gateway sends it (spec/lorawan-ns.md sections 2 and 4).
constexpr std::string_view kSampleBody =
    R"({"rxpk":[{"tmst":3512348611,"chan":4,"rfch":0,"freq":481.500000,"stat":1,"modu":"LORA","datr":"SF12BW125",)"
    R"("codr":"4/5","lsnr":9.0,"rssi":-13,"size":33,"data":"QMSzogEAAAABCb1i2yQIQ805eWPyolnCp+tCIk8RSEWA"}]})";

struct SendArguments {
  std::string connection, ca, body;
  bool sample = false;
};

base::Result<int> send(const SendArguments& arguments) {
  const auto to = MH_TRY(parse_connection_string(arguments.connection));
  net::TlsClientOptions tls;
  if (!arguments.ca.empty()) tls.ca_pem = MH_TRY(base::PosixDisk().read(arguments.ca));
  const auto context = MH_TRY(net::TlsContext::client(tls));
  MH_TRY_VOID(send_message(to, context, arguments.sample ? kSampleBody : std::string_view(arguments.body), kPatience));
  std::cout << "settled: the message is stored\n";
  return 0;
}

}  // namespace

void add_send(CLI::App& program, Exit& exit) {
  const auto arguments = std::make_shared<SendArguments>();
  auto* command = program.add_subcommand("send", "Sends one message to a hub, as a gateway does");
  command->add_option("--connection", arguments->connection, "HostName=…;DeviceId=…;SharedAccessKey=…")->required();
  command->add_option("--ca", arguments->ca, "File with the hub's CA certificate; the system's when not given");
  auto* body = command->add_option("--body", arguments->body, "What to send");
  auto* sample = command->add_flag("--sample", arguments->sample, "Send the case study's frame")->excludes(body);
  command->callback([arguments, body, sample, &exit] {
    if (body->count() + sample->count() == 0) throw CLI::RequiredError("--body or --sample");
    exit.code = report(send(*arguments));
  });
}

}  // namespace meterhub::app
