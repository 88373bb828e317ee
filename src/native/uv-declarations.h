// The functions of libuv that the module calls, from the Node.js that loads it. Their headers are
// not part of those that npm has for Node-API; the ABI is stable within libuv 1.x
// (https://docs.libuv.org/en/v1.x/).
#ifndef HELLOSERVER_UV_DECLARATIONS_H
#define HELLOSERVER_UV_DECLARATIONS_H

#include <stddef.h>

typedef struct uv_loop_s uv_loop_t;
// Only its first member is known here:
// https://docs.libuv.org/en/v1.x/handle.html#c.uv_handle_t.data
typedef struct uv_handle_s {
  void *data;
} uv_handle_t;
typedef void (*uv_poll_cb)(uv_handle_t *handle, int status, int events);
typedef void (*uv_close_cb)(uv_handle_t *handle);

enum { UV_READABLE = 1, UV_WRITABLE = 2 };
// uv_handle_type: its numbers are part of the ABI.
enum { UV_POLL = 8 };

extern int uv_backend_fd(const uv_loop_t *loop);
extern size_t uv_handle_size(int type);
extern int uv_poll_init(uv_loop_t *loop, uv_handle_t *handle, int fd);
extern int uv_poll_start(uv_handle_t *handle, int events, uv_poll_cb callback);
extern int uv_poll_stop(uv_handle_t *handle);
extern void uv_close(uv_handle_t *handle, uv_close_cb callback);
extern void uv_unref(uv_handle_t *handle);

#endif
