/* Qpid Proton's C client as a gateway. peers_test.py says what it prints. */
#include <proton/connection.h>
#include <proton/delivery.h>
#include <proton/event.h>
#include <proton/link.h>
#include <proton/message.h>
#include <proton/proactor.h>
#include <proton/sasl.h>
#include <proton/session.h>
#include <proton/ssl.h>
#include <proton/transport.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct client {
  const char* resource;
  const char* token;
  const char* address;
  int first, count;
  size_t size;
  pn_connection_t* connection;
  pn_session_t* session;
  pn_link_t* asks;
  pn_link_t* answers;
  pn_link_t* sender;
  int next, ended, credit_max;
  bool closing, cut;
};

static void send_message(pn_link_t* link, pn_message_t* message, int tag) {
  pn_rwbytes_t encoded = {0, NULL};
  pn_delivery(link, pn_dtag((const char*)&tag, sizeof tag));
  const ssize_t size = pn_message_send(message, link, &encoded);
  if (size < 0) fprintf(stderr, "encoding: %s\n", pn_error_text(pn_message_error(message)));
  free(encoded.start);
  pn_message_free(message);
}

static void ask(struct client* c) {
  pn_message_t* message = pn_message();
  pn_data_put_string(pn_message_id(message), pn_bytes(1, "1"));
  pn_message_set_reply_to(message, "cbs");
  pn_data_t* properties = pn_message_properties(message);
  pn_data_put_map(properties);
  pn_data_enter(properties);
  const char* pairs[] = {"operation", "put-token", "type", "servicebus.windows.net:sastoken", "name", c->resource};
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; ++i) pn_data_put_string(properties, pn_bytes(strlen(pairs[i]), pairs[i]));
  pn_data_exit(properties);
  pn_data_put_string(pn_message_body(message), pn_bytes(strlen(c->token), c->token));
  send_message(c->asks, message, -1);
}

static void send_all(struct client* c) {
  const int credit = pn_link_credit(c->sender);
  if (credit > c->credit_max) c->credit_max = credit;
  char* body = malloc(c->size + 32);
  while (c->next < c->count && pn_link_credit(c->sender) > 0) {
    memset(body, '.', c->size + 32);
    const int length = snprintf(body, 32, "n-%d", c->first + c->next);
    body[length] = '.';
    pn_message_t* message = pn_message();
    pn_message_set_inferred(message, true);
    pn_data_put_binary(pn_message_body(message), pn_bytes(c->size > (size_t)length ? c->size : (size_t)length, body));
    send_message(c->sender, message, c->next++);
  }
  free(body);
}

static void close_all(struct client* c) {
  c->closing = true;
  pn_connection_close(c->connection);
}

static void answered(struct client* c, pn_delivery_t* delivery) {
  if (!pn_delivery_readable(delivery) || pn_delivery_partial(delivery)) return;
  char bytes[4096];
  const ssize_t size = pn_link_recv(c->answers, bytes, sizeof bytes);
  pn_message_t* message = pn_message();
  int status = 0;
  if (size > 0 && pn_message_decode(message, bytes, (size_t)size) == 0) {
    pn_data_t* properties = pn_message_properties(message);
    pn_data_rewind(properties);
    if (pn_data_next(properties) && pn_data_enter(properties)) {
      while (pn_data_next(properties)) {
        const pn_bytes_t key = pn_data_type(properties) == PN_STRING ? pn_data_get_string(properties) : pn_bytes(0, NULL);
        if (!pn_data_next(properties)) break;
        if (key.size == 11 && memcmp(key.start, "status-code", 11) == 0) status = pn_data_get_int(properties);
      }
    }
  }
  pn_message_free(message);
  pn_delivery_update(delivery, PN_ACCEPTED);
  pn_delivery_settle(delivery);
  printf("token %d\n", status);
  if (status != 200 && status != 202) return close_all(c);
  c->sender = pn_sender(c->session, "telemetry");
  pn_terminus_set_address(pn_link_target(c->sender), c->address);
  pn_link_open(c->sender);
}

static void settled(struct client* c, pn_delivery_t* delivery) {
  const uint64_t state = pn_delivery_remote_state(delivery);
  if (state == 0) return;
  int tag = 0;
  memcpy(&tag, pn_delivery_tag(delivery).start, sizeof tag);
  const char* condition = pn_condition_get_name(pn_disposition_condition(pn_delivery_remote(delivery)));
  printf("%s n-%d %s\n", state == PN_ACCEPTED ? "accepted" : state == PN_REJECTED ? "rejected" : "released", c->first + tag, condition ? condition : "");
  pn_delivery_settle(delivery);
  if (++c->ended == c->count) close_all(c);
}

static void on_link(struct client* c, pn_event_type_t type, pn_link_t* link) {
  if (type == PN_LINK_REMOTE_OPEN && link == c->sender && pn_terminus_get_address(pn_link_remote_target(link))) puts("link open");
  if (type == PN_LINK_REMOTE_CLOSE && link == c->sender && !c->closing) {
    printf("link refused %s\n", pn_condition_get_name(pn_link_remote_condition(link)));
    close_all(c);
  }
  if (type == PN_LINK_FLOW && link == c->asks && pn_link_credit(link) > 0 && pn_link_state(c->answers) & PN_REMOTE_ACTIVE && c->next == 0 && !pn_link_get_context(link)) {
    pn_link_set_context(link, c);  // asked
    ask(c);
  }
  if (type == PN_LINK_FLOW && link == c->sender) send_all(c);
}

/* False at the end. */
static bool handle(struct client* c, pn_event_t* event) {
  const pn_event_type_t type = pn_event_type(event);
  switch (type) {
    case PN_CONNECTION_INIT:
      pn_connection_open(c->connection);
      c->session = pn_session(c->connection);
      pn_session_open(c->session);
      c->answers = pn_receiver(c->session, "answers");
      pn_terminus_set_address(pn_link_source(c->answers), "$cbs");
      pn_terminus_set_address(pn_link_target(c->answers), "cbs");
      pn_link_open(c->answers);
      pn_link_flow(c->answers, 10);
      c->asks = pn_sender(c->session, "asks");
      pn_terminus_set_address(pn_link_target(c->asks), "$cbs");
      pn_link_open(c->asks);
      return true;
    case PN_LINK_REMOTE_OPEN:
    case PN_LINK_REMOTE_CLOSE:
    case PN_LINK_FLOW:
      on_link(c, type, pn_event_link(event));
      return true;
    case PN_DELIVERY:
      if (pn_event_link(event) == c->answers) answered(c, pn_event_delivery(event));
      if (c->sender && pn_event_link(event) == c->sender) settled(c, pn_event_delivery(event));
      return true;
    case PN_TRANSPORT_CLOSED:
      if (!c->closing) {
        const char* name = pn_condition_get_name(pn_transport_condition(pn_event_transport(event)));
        printf("cut %s\n", name ? name : "closed");
        c->cut = true;
      }
      return false;
    default: return true;
  }
}

static pn_transport_t* secured(const char* host, const char* authority) {
  pn_transport_t* transport = pn_transport();
  pn_sasl_allowed_mechs(pn_sasl(transport), "ANONYMOUS");
  pn_ssl_domain_t* domain = pn_ssl_domain(PN_SSL_MODE_CLIENT);
  if (pn_ssl_domain_set_trusted_ca_db(domain, authority) != 0) fprintf(stderr, "%s: no authority\n", authority);
  pn_ssl_domain_set_peer_authentication(domain, PN_SSL_VERIFY_PEER_NAME, NULL);
  pn_ssl_t* ssl = pn_ssl(transport);
  pn_ssl_init(ssl, domain, NULL);
  pn_ssl_set_peer_hostname(ssl, host);
  pn_ssl_domain_free(domain);
  return transport;
}

int main(int argc, char** argv) {
  if (argc != 10) return 2;
  setvbuf(stdout, NULL, _IOLBF, 0);
  struct client c = {.resource = argv[4], .token = argv[5], .address = argv[6], .first = atoi(argv[7]), .count = atoi(argv[8]), .size = (size_t)atol(argv[9])};
  char at[256];
  snprintf(at, sizeof at, "%s:%s", argv[1], argv[2]);
  pn_proactor_t* proactor = pn_proactor();
  c.connection = pn_connection();
  pn_connection_set_hostname(c.connection, argv[1]);
  pn_connection_set_container(c.connection, "proton-gateway");
  pn_proactor_connect2(proactor, c.connection, secured(argv[1], argv[3]), at);
  for (bool on = true; on;) {
    pn_event_batch_t* batch = pn_proactor_wait(proactor);
    for (pn_event_t* event; on && (event = pn_event_batch_next(batch)) != NULL;) on = handle(&c, event);
    pn_proactor_done(proactor, batch);
  }
  if (c.credit_max > 0) printf("credit-max %d\n", c.credit_max);
  pn_proactor_free(proactor);
  return c.cut ? 3 : 0;
}
