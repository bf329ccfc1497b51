// Sockets that are not the system's. A loop made with them has no descriptors: connections,
// listeners and datagrams of that loop are theirs. For simulation.
#pragma once

#include <memory>

#include <meterhub/base/result.h>
#include <meterhub/net/address.h>
#include <meterhub/net/connection.h>
#include <meterhub/net/udp.h>

namespace meterhub::net {

// As the functions of the same names. TLS is left out.
class Sockets {
 public:
  virtual ~Sockets() = default;
  virtual base::Result<std::unique_ptr<Listener>> listen(EventLoop& loop, const Address& at, Accept accept) = 0;
  virtual base::Result<ConnectionPtr> connect(EventLoop& loop, const Address& to, ConnectionHandler& handler) = 0;
  virtual base::Result<std::unique_ptr<UdpSocket>> bind(EventLoop& loop, const Address& at, UdpHandler& handler) = 0;
};

}  // namespace meterhub::net
