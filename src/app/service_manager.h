// What systemd, or whoever started the process as it does, is told (sd_notify(3)): a datagram of
// lines to the socket that $NOTIFY_SOCKET names.
#pragma once

#include <string>

namespace meterhub::app {

// Says nothing where nobody asked. Main thread.
class ServiceManager {
 public:
  // Takes the variable away, so that no child speaks for this process.
  ServiceManager();

  // `status` is one line for people, as `systemctl status` shows it.
  void ready(const std::string& status) const { send("READY=1\nSTATUS=" + status); }
  void status(const std::string& status) const { send("STATUS=" + status); }
  void stopping() const { send("STOPPING=1\nSTATUS=ends what is under way"); }

 private:
  void send(const std::string& lines) const;
  std::string socket_;
};

}  // namespace meterhub::app
