// Mail as text (RFC 5322, MIME) and its addresses.
#pragma once

#include <string>
#include <string_view>

#include <meterhub/base/result.h>
#include <meterhub/notify/parcel.h>

namespace meterhub::notify {

struct Mailbox {
  std::string name;  // may be empty
  std::string address;
};
// "a@example.org" or "Name <a@example.org>"; the address in ASCII. kInvalidArgument.
base::Result<Mailbox> parse_mailbox(std::string_view text);

std::string mail_text(const Mailbox& from, const std::vector<std::string>& to, const Letter& letter);

}  // namespace meterhub::notify
