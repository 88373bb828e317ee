// Moves the module into memory of this process alone. Otherwise, its pages would be those of its file: a
// release that is copied over it in place cuts the file short for a moment, and would end the primary
// and all workers with SIGBUS (mmap(2)).
#define _GNU_SOURCE
#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

// The beginning of this module in memory; the linker defines it (elf(5)).
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

static uintptr_t page_of(uintptr_t address) {
  return address & ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1);
}

static int protection_of(const ElfW(Phdr) *segment) {
  return (segment->p_flags & PF_R ? PROT_READ : 0) | (segment->p_flags & PF_W ? PROT_WRITE : 0) |
         (segment->p_flags & PF_X ? PROT_EXEC : 0);
}

// AddressSanitizer has put ground between the variables that nobody may read.
__attribute__((no_sanitize_address)) static void copy(char *to, const char *from, size_t length) {
  for (size_t at = 0; at < length; at++) to[at] = from[at];
}

// Puts a copy in the place of a segment, in one step: nothing changes for code that runs in it. If the
// system refuses any of it, the segment stays as it is.
static void own(uintptr_t base, const ElfW(Phdr) *segment) {
  if (!(segment->p_flags & PF_R)) return;
  uintptr_t start = page_of(base + segment->p_vaddr);
  uintptr_t end = base + segment->p_vaddr + segment->p_memsz;
  size_t length = page_of(end + (uintptr_t)sysconf(_SC_PAGESIZE) - 1) - start;
  char *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return;
  copy(memory, (const char *)start, length);
  // mremap(2)
  if (mprotect(memory, length, protection_of(segment)) < 0 ||
      mremap(memory, length, length, MREMAP_MAYMOVE | MREMAP_FIXED, (void *)start) == MAP_FAILED)
    munmap(memory, length);
}

// Only the loader writes to these parts; it had protected them already.
static void protect(uintptr_t base, const ElfW(Phdr) *part) {
  uintptr_t start = page_of(base + part->p_vaddr);
  uintptr_t end = page_of(base + part->p_vaddr + part->p_memsz);
  if (end > start) mprotect((void *)start, end - start, PROT_READ);
}

// Runs when the module has been loaded, before its functions can be called.
__attribute__((constructor)) static void own_all(void) {
  uintptr_t base = (uintptr_t)&__ehdr_start;
  const ElfW(Phdr) *headers = (const ElfW(Phdr) *)(base + __ehdr_start.e_phoff);
  for (int at = 0; at < __ehdr_start.e_phnum; at++)
    if (headers[at].p_type == PT_LOAD) own(base, &headers[at]);
  for (int at = 0; at < __ehdr_start.e_phnum; at++)
    if (headers[at].p_type == PT_GNU_RELRO) protect(base, &headers[at]);
}
