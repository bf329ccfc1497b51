/* The C interface of cipher plug-ins, version 1 (docs/formats/plugin-abi.md).
 *
 * A plug-in is a shared library NAME.so that exports meterhub_plugin_entry(). A gateway's
 * registry entry names it; what that gateway sends then goes to the plug-in as whole bodies
 * (open_body), or frame by frame out of the gateway's JSON (open_frame).
 *
 * Plain C: no type of the host or of a C++ library crosses this border.
 */
#ifndef METERHUB_DECRYPT_CIPHER_PLUGIN_H
#define METERHUB_DECRYPT_CIPHER_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define METERHUB_PLUGIN_ABI 1u
#define METERHUB_PLUGIN_ENTRY "meterhub_plugin_entry"
/* A time that is not known. */
#define METERHUB_NO_TIME INT64_MIN

/* What open_body and open_frame return; anything else counts as a failure of the plug-in. */
#define METERHUB_OPENED 0         /* all readings have been handed over, perhaps none */
#define METERHUB_MALFORMED 1      /* not of this cipher's shape: dead letter bad_length */
#define METERHUB_UNKNOWN_DEVICE 2 /* a device of somebody else: log noise, unknown_devaddr */
#define METERHUB_NOT_AUTHENTIC 3  /* the proof is wrong: dead letter mic */

/* One gateway's copy. Times are UTC microseconds since 1970; NAN = not known. */
struct meterhub_reception {
  uint64_t gateway_eui;
  int64_t time_us; /* METERHUB_NO_TIME: the hub's time of arrival is taken */
  double rssi_dbm;
  double snr_db;
};

struct meterhub_reading {
  uint64_t device_eui;
  uint32_t session; /* registry's session number; 0 = the device's newest, not proven */
  uint32_t counter; /* all 32 bits; names the reading together with device and session */
  uint8_t port;     /* 1 = the payload of a profile */
  const uint8_t* payload; /* plaintext; copied before take() returns */
  size_t payload_size;    /* at most 4,096 */
  const struct meterhub_reception* receptions; /* open_frame: ignored; may be NULL */
  size_t reception_count;                      /* at most 64 */
};

/* Hands one reading to the host, at most 1,024 a body (open_frame: one). Not 0: refused, return. */
typedef int (*meterhub_take)(void* context, const struct meterhub_reading* reading);

/* A gateway's body as it came. The bytes are good until the call returns. */
struct meterhub_body {
  const uint8_t* bytes;
  size_t size;
  uint64_t gateway_eui; /* registered for the sender; 0 = it has none */
  int64_t enqueued_us;  /* when the hub took it */
};

/* One frame out of a gateway's JSON (rxpk.data). */
struct meterhub_frame {
  const uint8_t* bytes;
  size_t size;
  int has_hint;
  uint32_t hint; /* last counter seen from the address in bytes 1..4, little endian */
};

struct meterhub_plugin {
  uint32_t abi; /* METERHUB_PLUGIN_ABI */
  /* An instance for one thread; the host makes several. `settings_file` is NAME.conf beside the
   * library and need not exist. NULL: it cannot work. */
  void* (*create)(const char* settings_file);
  void (*destroy)(void* self);
  /* Exactly one of the two is set. No exception may leave them; they never block. */
  int (*open_body)(void* self, const struct meterhub_body* body, meterhub_take take, void* context);
  int (*open_frame)(void* self, const struct meterhub_frame* frame, meterhub_take take, void* context);
};

/* Exported by the plug-in. `host_abi` is the newest version that the host speaks. Lives as long as the
 * library is loaded; NULL: this host is not supported. */
const struct meterhub_plugin* meterhub_plugin_entry(uint32_t host_abi);

#ifdef __cplusplus
}
#endif

#endif
