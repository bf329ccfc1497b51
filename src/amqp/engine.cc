#include <meterhub/amqp/engine.h>

#include "connection_engine.h"

namespace meterhub::amqp {

Connection::Connection(Options options, Listener& listener, base::MonotonicTime now)
    : engine_(std::make_unique<Engine>(std::move(options), listener, now)) {}
Connection::~Connection() = default;
Connection::Connection(Connection&&) noexcept = default;

void Connection::feed(base::BytesView bytes, base::MonotonicTime now) { engine_->feed(bytes, now); }
base::BytesView Connection::output() { return engine_->output(); }
void Connection::consumed(std::size_t bytes) { engine_->consumed(bytes); }
bool Connection::output_full() const { return engine_->output_full(); }
bool Connection::input_held() const { return engine_->input_held(); }
bool Connection::input_ready() const { return engine_->input_ready(); }
bool Connection::finished() const { return engine_->finished(); }
base::MonotonicTime Connection::next_deadline() const { return engine_->next_deadline(); }
void Connection::tick(base::MonotonicTime now) { engine_->tick(now); }

void Connection::accept(LinkId link, const AcceptOptions& options) { engine_->accept(link, options); }
void Connection::refuse(LinkId link, const ErrorView& error) { engine_->refuse(link, error); }
SessionId Connection::begin() { return engine_->begin(); }
base::Result<LinkId> Connection::attach(SessionId session, const AttachOptions& options) {
  return engine_->attach(session, options);
}
void Connection::detach(LinkId link, const ErrorView& error) { engine_->detach(link, error); }
void Connection::end(SessionId session, const ErrorView& error) { engine_->end(session, error); }
void Connection::close(const ErrorView& error) { engine_->close(error); }

void Connection::set_window(LinkId link, std::uint32_t messages) { engine_->set_window(link, messages); }
void Connection::let_window_close(LinkId link, std::uint32_t messages) { engine_->let_window_close(link, messages); }
void Connection::settle(SessionId session, DeliveryId first, DeliveryId last, Outcome outcome, const ErrorView& error) {
  engine_->settle(session, first, last, outcome, error);
}

std::uint32_t Connection::sendable(LinkId link) const { return engine_->sendable(link); }
base::Result<DeliveryId> Connection::send(LinkId link, base::BytesView head, base::BytesView body,
                                          const SendOptions& options) {
  return engine_->send(link, head, body, options);
}
void Connection::drained(LinkId link) { engine_->drained(link); }
std::uint32_t Connection::unsettled(LinkId link) const { return engine_->unsettled(link); }
const Statistics& Connection::statistics() const { return engine_->statistics(); }

}  // namespace meterhub::amqp
