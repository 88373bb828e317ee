// The page that the primary shares with one worker, and the bell that wakes that worker.
#define _GNU_SOURCE
#include "native.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

void *map_page(int fd, size_t bytes) {
  // A mapping beyond the file's end would fault. Unlike fstat(2), lseek(2) is the same symbol in
  // every libc.
  off_t length = lseek(fd, 0, SEEK_END);
  if (length < 0) return NULL;
  if (length < (off_t)bytes || bytes < sizeof(struct page_head)) {
    errno = EINVAL;
    return NULL;
  }
  // mmap(2)
  void *mapping = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  return mapping == MAP_FAILED ? NULL : mapping;
}

static void unmap(napi_env env, void *mapping, void *bytes) {
  (void)env;
  munmap(mapping, (size_t)(uintptr_t)bytes);
}

napi_value memory_value(napi_env env, void *mapping, size_t bytes) {
  napi_value memory;
  if (napi_create_external_arraybuffer(env, mapping, bytes, unmap, (void *)(uintptr_t)bytes,
                                       &memory) == napi_ok)
    return memory;
  munmap(mapping, bytes);
  return NULL;
}

// openPage(bytes): { fd, memory }, or -errno. No process can change its size (memfd_create(2),
// fcntl(2) on file seals): otherwise a worker could cut it short, and the primary would fault.
static napi_value open_page(napi_env env, napi_callback_info info) {
  napi_value args[1], page;
  int64_t bytes;
  if (!args_of(env, info, 1, args) ||
      !whole_of(env, args[0], sizeof(struct page_head), 1 << 24, &bytes))
    return NULL;
  int fd = memfd_create("helloserver", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (fd < 0) return number_value(env, -errno);
  void *mapping = NULL;
  if (ftruncate(fd, bytes) == 0 &&
      fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
    mapping = map_page(fd, (size_t)bytes);
  if (mapping == NULL) {
    int failure = errno;
    close(fd);
    return number_value(env, -failure);
  }
  napi_value memory = memory_value(env, mapping, (size_t)bytes);
  if (memory == NULL) {
    close(fd);
    return number_value(env, -ENOMEM);
  }
  napi_create_object(env, &page);
  napi_set_named_property(env, page, "fd", number_value(env, fd));
  napi_set_named_property(env, page, "memory", memory);
  return page;
}

// openBell(): a descriptor by which a process is woken (eventfd(2)), or -errno.
static napi_value open_bell(napi_env env, napi_callback_info info) {
  (void)info;
  int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  return number_value(env, fd < 0 ? -errno : fd);
}

// ring(bell): 0 or -errno; -EAGAIN when it was rung very often and nobody has heard it.
static napi_value ring(napi_env env, napi_callback_info info) {
  napi_value args[1];
  int fd;
  uint64_t one = 1;
  if (!args_of(env, info, 1, args) || !fd_of(env, args[0], &fd)) return NULL;
  return number_value(env, write(fd, &one, sizeof one) < 0 ? -errno : 0);
}

bool define_page(napi_env env, napi_value exports) {
  return define(env, exports, "openPage", open_page) &&
         define(env, exports, "openBell", open_bell) && define(env, exports, "ring", ring);
}
