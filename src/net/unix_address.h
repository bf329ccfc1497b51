// A path as the system's address of a Unix-domain socket.
#pragma once

#include <string>

#include "socket_address.h"

namespace meterhub::net {

using UnixAddress = SocketAddress;
// kInvalidArgument when the path does not fit.
base::Result<UnixAddress> unix_address(const std::string& path);

}  // namespace meterhub::net
