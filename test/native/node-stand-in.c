// What the module needs of Node-API and libuv to be loaded without Node.js: values that are never freed, and no
// event loop.
#define _GNU_SOURCE
#include "node-stand-in.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "uv-declarations.h"

struct value *made(napi_valuetype type) {
  struct value *value = calloc(1, sizeof *value);
  if (value == NULL) abort();
  value->type = type;
  return value;
}

void fail(const char *what) {
  fprintf(stderr, "%s\n", what);
  exit(1);
}

static struct value *of(napi_value value) { return (struct value *)value; }

static napi_value to(struct value *value) { return (napi_value)value; }

// Node-API (https://nodejs.org/api/n-api.html).

napi_status napi_get_cb_info(napi_env env, napi_callback_info info, size_t *count, napi_value *args,
                             napi_value *receiver, void **data) {
  (void)env, (void)receiver, (void)data;
  const struct call *call = (const struct call *)info;
  for (size_t at = 0; at < *count && at < call->count; at++)
    args[at] = call->args[at];
  *count = call->count;
  return napi_ok;
}

napi_status napi_typeof(napi_env env, napi_value value, napi_valuetype *type) {
  (void)env;
  *type = of(value)->type;
  return napi_ok;
}

napi_status napi_create_double(napi_env env, double number, napi_value *result) {
  (void)env;
  struct value *value = made(napi_number);
  value->number = number;
  *result = to(value);
  return napi_ok;
}

napi_status napi_create_int32(napi_env env, int32_t number, napi_value *result) {
  return napi_create_double(env, number, result);
}

napi_status napi_create_int64(napi_env env, int64_t number, napi_value *result) {
  return napi_create_double(env, (double)number, result);
}

napi_status napi_get_value_double(napi_env env, napi_value value, double *number) {
  (void)env;
  *number = of(value)->number;
  return of(value)->type == napi_number ? napi_ok : napi_number_expected;
}

napi_status napi_get_value_bool(napi_env env, napi_value value, bool *is_true) {
  (void)env;
  *is_true = of(value)->number != 0;
  return of(value)->type == napi_boolean ? napi_ok : napi_boolean_expected;
}

napi_status napi_get_value_string_utf8(napi_env env, napi_value value, char *into, size_t room,
                                       size_t *length) {
  (void)env;
  if (of(value)->type != napi_string) return napi_string_expected;
  int written = snprintf(into, room, "%s", of(value)->name);
  if (length != NULL) *length = (size_t)written;
  return napi_ok;
}

napi_status napi_create_string_latin1(napi_env env, const char *text, size_t length,
                                      napi_value *result) {
  (void)env;
  struct value *value = made(napi_string);
  value->name = length == NAPI_AUTO_LENGTH ? strdup(text) : strndup(text, length);
  *result = to(value);
  return napi_ok;
}

napi_status napi_get_typedarray_info(napi_env env, napi_value value, napi_typedarray_type *type,
                                     size_t *length, void **data, napi_value *buffer,
                                     size_t *offset) {
  (void)env, (void)buffer, (void)offset;
  if (of(value)->data == NULL) return napi_invalid_arg;
  *type = of(value)->elements;
  *length = of(value)->length;
  *data = of(value)->data;
  return napi_ok;
}

napi_status napi_create_external(napi_env env, void *data, napi_finalize finalize, void *hint,
                                 napi_value *result) {
  (void)env, (void)finalize, (void)hint;
  struct value *value = made(napi_external);
  value->data = data;
  *result = to(value);
  return napi_ok;
}

napi_status napi_get_value_external(napi_env env, napi_value value, void **data) {
  (void)env;
  *data = of(value)->data;
  return napi_ok;
}

napi_status napi_create_external_arraybuffer(napi_env env, void *data, size_t bytes,
                                             napi_finalize finalize, void *hint,
                                             napi_value *result) {
  (void)env, (void)finalize, (void)hint;
  struct value *value = made(napi_object);
  value->data = data;
  value->length = bytes;
  *result = to(value);
  return napi_ok;
}

napi_status napi_create_object(napi_env env, napi_value *result) {
  (void)env;
  *result = to(made(napi_object));
  return napi_ok;
}

napi_status napi_create_array_with_length(napi_env env, size_t length, napi_value *result) {
  (void)length;
  return napi_create_object(env, result);
}

napi_status napi_set_named_property(napi_env env, napi_value object, const char *name,
                                    napi_value value) {
  (void)env;
  struct value *owner = of(object);
  if (owner->count == MOST_PROPERTIES) abort();
  owner->properties[owner->count].name = strdup(name);
  owner->properties[owner->count++].value = of(value);
  return napi_ok;
}

napi_status napi_set_element(napi_env env, napi_value array, uint32_t at, napi_value value) {
  char name[16];
  snprintf(name, sizeof name, "%u", at);
  return napi_set_named_property(env, array, name, value);
}

napi_status napi_create_function(napi_env env, const char *name, size_t length,
                                 napi_callback function, void *data, napi_value *result) {
  (void)env, (void)name, (void)length, (void)data;
  struct value *value = made(napi_function);
  value->function = function;
  *result = to(value);
  return napi_ok;
}

napi_status napi_create_reference(napi_env env, napi_value value, uint32_t count,
                                  napi_ref *result) {
  (void)env, (void)count;
  *result = (napi_ref)value;
  return napi_ok;
}

napi_status napi_throw_type_error(napi_env env, const char *code, const char *message) {
  (void)env, (void)code;
  fail(message);
  return napi_ok;
}

napi_status napi_is_exception_pending(napi_env env, bool *is_pending) {
  (void)env;
  *is_pending = false;
  return napi_ok;
}

napi_status napi_get_uv_event_loop(napi_env env, struct uv_loop_s **loop) {
  (void)env;
  *loop = NULL;
  return napi_ok;
}

// libuv (https://docs.libuv.org/en/v1.x/poll.html): the connection is readable before it is taken, so
// nothing has to be watched.

int uv_backend_fd(const uv_loop_t *loop) {
  (void)loop;
  return -1;
}

size_t uv_handle_size(int type) {
  (void)type;
  return 512;
}

int uv_poll_init(uv_loop_t *loop, uv_handle_t *handle, int fd) {
  (void)loop, (void)handle, (void)fd;
  return 0;
}

int uv_poll_start(uv_handle_t *handle, int events, uv_poll_cb callback) {
  (void)handle, (void)events, (void)callback;
  return 0;
}

void uv_unref(uv_handle_t *handle) { (void)handle; }

void uncalled(void) { fail("the module calls a function of Node.js that is not here"); }

// What only events and their ends need.
#define LEFT_OUT(name) __asm__(".globl " #name "\n.set " #name ", uncalled");
LEFT_OUT(napi_close_handle_scope)
LEFT_OUT(napi_delete_reference)
LEFT_OUT(napi_fatal_exception)
LEFT_OUT(napi_get_and_clear_last_exception)
LEFT_OUT(napi_get_global)
LEFT_OUT(napi_get_reference_value)
LEFT_OUT(napi_make_callback)
LEFT_OUT(napi_open_handle_scope)
LEFT_OUT(uv_close)
LEFT_OUT(uv_poll_stop)
