// Values and calls of a stand-in for Node-API.
#ifndef HELLOSERVER_NODE_STAND_IN_H
#define HELLOSERVER_NODE_STAND_IN_H

#include "native.h"

enum { MOST_PROPERTIES = 64 };

// Any value of JavaScript's; a `napi_value` is the address of one.
struct value {
  napi_valuetype type;
  double number;
  const char *name;
  napi_callback function;
  // Of a typed array, an ArrayBuffer or an external.
  void *data;
  size_t length;
  napi_typedarray_type elements;
  size_t count;
  struct {
    const char *name;
    struct value *value;
  } properties[MOST_PROPERTIES];
};

// What a `napi_callback_info` is the address of.
struct call {
  size_t count;
  napi_value *args;
};

struct value *made(napi_valuetype type);

// Ends the program with a message.
void fail(const char *what);

#endif
