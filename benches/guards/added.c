/* Adds what the guards must notice to each second `send` of a program, by LD_PRELOAD: for an HTTP request, one.
 * ADDED=allocation or ADDED=syscall; nothing without. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef ssize_t (*sender)(int, const void *, size_t, int);

static sender next;
static int allocate, call;

__attribute__((constructor)) static void prepare(void) {
  const char *added = getenv("ADDED");
  next = (sender)dlsym(RTLD_NEXT, "send");
  allocate = added && !strcmp(added, "allocation");
  call = added && !strcmp(added, "syscall");
}

ssize_t send(int fd, const void *data, size_t length, int flags) {
  static __thread unsigned count;
  if (count++ & 1) {
    if (allocate) {
      void *volatile kept = malloc(64);
      free(kept);
    }
    if (call) (void)getppid();
  }
  return next(fd, data, length, flags);
}
