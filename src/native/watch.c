// Tells when a descriptor is readable or writable (https://docs.libuv.org/en/v1.x/poll.html).
#include "native.h"

#include <errno.h>
#include <stdlib.h>

#include "uv-declarations.h"

static char watch_tag;

struct watch {
  void *tag;
  napi_env env;
  napi_ref callback;
  // NULL once it is closed.
  uv_handle_t *handle;
};

static void on_events(uv_handle_t *handle, int status, int events) {
  struct watch *watch = handle->data;
  // An error is seen by the call that is made on the descriptor next.
  call_back(watch->env, watch->callback, status < 0 ? UV_READABLE | UV_WRITABLE : events);
}

static void on_closed(uv_handle_t *handle) { free(handle); }

static void end(struct watch *watch) {
  if (watch->handle == NULL) return;
  uv_close(watch->handle, on_closed);
  watch->handle = NULL;
  napi_delete_reference(watch->env, watch->callback);
}

static void forget(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  // One that was never closed stays as it is: the event loop still has it.
  struct watch *watch = data;
  if (watch->handle == NULL) free(watch);
}

// watch(fd, callback): an object that calls back with what the descriptor is ready for, as `setEvents`
// says; or -errno.
static napi_value watch_fd(napi_env env, napi_callback_info info) {
  napi_value args[2], value;
  napi_valuetype type;
  int fd;
  uv_loop_t *loop;
  if (!args_of(env, info, 2, args) || !fd_of(env, args[0], &fd)) return NULL;
  if (napi_typeof(env, args[1], &type) != napi_ok || type != napi_function)
    return refuse(env, "not a function");
  if (napi_get_uv_event_loop(env, (struct uv_loop_s **)&loop) != napi_ok)
    return refuse(env, "no event loop");
  struct watch *watch = calloc(1, sizeof *watch);
  uv_handle_t *handle = calloc(1, uv_handle_size(UV_POLL));
  int failure = watch == NULL || handle == NULL ? -ENOMEM : uv_poll_init(loop, handle, fd);
  if (failure < 0 || napi_create_external(env, watch, forget, NULL, &value) != napi_ok) {
    free(watch);
    free(handle);
    return number_value(env, failure < 0 ? failure : -ENOMEM);
  }
  *watch = (struct watch){&watch_tag, env, NULL, handle};
  handle->data = watch;
  napi_create_reference(env, args[1], 1, &watch->callback);
  return value;
}

// setEvents(watch, events): calls back when the descriptor is readable (1), writable (2) or either (3);
// never (0). 0 or -errno.
static napi_value set_events(napi_env env, napi_callback_info info) {
  napi_value args[2];
  void *data;
  int64_t events;
  if (!args_of(env, info, 2, args) || !external_of(env, args[0], &watch_tag, &data) ||
      !whole_of(env, args[1], 0, UV_READABLE | UV_WRITABLE, &events))
    return NULL;
  struct watch *watch = data;
  if (watch->handle == NULL) return number_value(env, -EBADF);
  return number_value(env, events == 0 ? uv_poll_stop(watch->handle)
                                       : uv_poll_start(watch->handle, (int)events, on_events));
}

// unwatch(watch): must come before the descriptor is closed.
static napi_value unwatch(napi_env env, napi_callback_info info) {
  napi_value args[1];
  void *data;
  if (!args_of(env, info, 1, args) || !external_of(env, args[0], &watch_tag, &data)) return NULL;
  end(data);
  return NULL;
}

bool define_watch(napi_env env, napi_value exports) {
  return define(env, exports, "watch", watch_fd) && define(env, exports, "setEvents", set_events) &&
         define(env, exports, "unwatch", unwatch);
}
