// The module's entry, and what its functions need of Node-API (https://nodejs.org/api/n-api.html).
#include "native.h"

napi_value refuse(napi_env env, const char *why) {
  bool is_pending = false;
  napi_is_exception_pending(env, &is_pending);
  if (!is_pending) napi_throw_type_error(env, NULL, why);
  return NULL;
}

bool args_of(napi_env env, napi_callback_info info, size_t count, napi_value *args) {
  size_t given = count;
  if (napi_get_cb_info(env, info, &given, args, NULL, NULL) == napi_ok && given >= count)
    return true;
  refuse(env, "too few arguments");
  return false;
}

bool whole_of(napi_env env, napi_value value, int64_t least, int64_t most, int64_t *whole) {
  double number;
  // NaN fails both comparisons.
  if (napi_get_value_double(env, value, &number) == napi_ok && number >= (double)least &&
      number <= (double)most) {
    *whole = (int64_t)number;
    if ((double)*whole == number) return true;
  }
  refuse(env, "a number is out of range");
  return false;
}

bool fd_of(napi_env env, napi_value value, int *fd) {
  int64_t number;
  // The standard streams are never ours.
  if (!whole_of(env, value, 3, INT32_MAX, &number)) return false;
  *fd = (int)number;
  return true;
}

bool only_fd(napi_env env, napi_callback_info info, int *fd) {
  napi_value args[1];
  return args_of(env, info, 1, args) && fd_of(env, args[0], fd);
}

bool bytes_of(napi_env env, napi_value value, size_t least, void **data, size_t *length) {
  napi_typedarray_type type;
  if (napi_get_typedarray_info(env, value, &type, length, data, NULL, NULL) == napi_ok &&
      type == napi_uint8_array && *length >= least)
    return true;
  refuse(env, "not a Uint8Array of sufficient length");
  return false;
}

// Each kind of external begins with the address of its tag.
bool external_of(napi_env env, napi_value value, void *tag, void **data) {
  napi_valuetype type;
  if (napi_typeof(env, value, &type) == napi_ok && type == napi_external &&
      napi_get_value_external(env, value, data) == napi_ok && *(void **)*data == tag)
    return true;
  refuse(env, "not an object of this module");
  return false;
}

napi_value number_value(napi_env env, int64_t number) {
  napi_value value = NULL;
  napi_create_int64(env, number, &value);
  return value;
}

void call_back(napi_env env, napi_ref callback, int32_t argument) {
  napi_handle_scope scope;
  napi_value function, receiver, value, result, error;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return;
  napi_get_reference_value(env, callback, &function);
  napi_get_global(env, &receiver);
  napi_create_int32(env, argument, &value);
  if (napi_make_callback(env, NULL, receiver, function, 1, &value, &result) ==
          napi_pending_exception &&
      napi_get_and_clear_last_exception(env, &error) == napi_ok)
    napi_fatal_exception(env, error);
  napi_close_handle_scope(env, scope);
}

bool define(napi_env env, napi_value exports, const char *name, napi_callback function) {
  napi_value value;
  return napi_create_function(env, name, NAPI_AUTO_LENGTH, function, NULL, &value) == napi_ok &&
         napi_set_named_property(env, exports, name, value) == napi_ok;
}

NAPI_MODULE_INIT() {
  if (!define_queue(env, exports) || !define_page(env, exports) || !define_sockets(env, exports) ||
      !define_watch(env, exports) || !define_consumer(env, exports) ||
      !define_rescue(env, exports))
    return NULL;
  napi_set_named_property(env, exports, "version", number_value(env, MODULE_VERSION));
  return exports;
}
