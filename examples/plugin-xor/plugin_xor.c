/* A cipher plug-in in small: bodies of the vendor's own shape, "encrypted" by XOR with a key
 * from the settings file. For reading, not for use: XOR protects nothing.
 *
 * Body    'X' 'R' | gateway EUI (8, big endian), which we know from the hub | readings
 * Reading device EUI (8, big endian) | counter (4, big endian) | n (1) | payload ^ key (n) | sum (1)
 *         sum = sum of the plaintext's bytes, modulo 256 */
#include <meterhub/decrypt/cipher_plugin.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cipher {
  uint8_t key[32];
  size_t key_size;
};

static void* create(const char* settings_file) {
  struct cipher* self = calloc(1, sizeof *self);
  FILE* file = fopen(settings_file, "rb");
  if (self != NULL && file != NULL) self->key_size = fread(self->key, 1, sizeof self->key, file);
  if (file != NULL) fclose(file);
  if (self != NULL && self->key_size > 0) return self;
  free(self);
  return NULL;
}

static void destroy(void* self) {
  memset(self, 0, sizeof(struct cipher));
  free(self);
}

static uint64_t big_endian(const uint8_t* at, size_t size) {
  uint64_t out = 0;
  for (size_t i = 0; i < size; ++i) out = out << 8 | at[i];
  return out;
}

static int open_body(void* self, const struct meterhub_body* body, meterhub_take take, void* context) {
  const struct cipher* cipher = self;
  if (body->size < 10 || body->bytes[0] != 'X' || body->bytes[1] != 'R') return METERHUB_MALFORMED;
  for (size_t at = 10; at < body->size;) {
    const uint8_t* head = body->bytes + at;
    if (body->size - at < 14 || body->size - at < 14u + head[12]) return METERHUB_MALFORMED;
    const size_t size = head[12];
    uint8_t plain[255];
    uint8_t sum = 0;
    for (size_t i = 0; i < size; ++i) {
      plain[i] = head[13 + i] ^ cipher->key[i % cipher->key_size];
      sum = (uint8_t)(sum + plain[i]);
    }
    if (sum != head[13 + size]) return METERHUB_NOT_AUTHENTIC;
    const struct meterhub_reading reading = {.device_eui = big_endian(head, 8),
                                             .counter = (uint32_t)big_endian(head + 8, 4),
                                             .port = 1,
                                             .payload = plain,
                                             .payload_size = size};
    if (take(context, &reading) != 0) return METERHUB_OPENED;
    at += 14 + size;
  }
  return METERHUB_OPENED;
}

const struct meterhub_plugin* meterhub_plugin_entry(uint32_t host_abi) {
  static const struct meterhub_plugin plugin = {METERHUB_PLUGIN_ABI, create, destroy, open_body, NULL};
  return host_abi >= METERHUB_PLUGIN_ABI ? &plugin : NULL;
}
