/* Adds what the guards must notice to each third reading of the clock by a program, by LD_PRELOAD: for an HTTP request,
 * which reads it three times or more, at least one. ADDED=allocation or ADDED=syscall; nothing without. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

typedef int (*reader)(clockid_t, struct timespec *);

static reader next;
static int allocate, call;

__attribute__((constructor)) static void prepare(void) {
  const char *added = getenv("ADDED");
  allocate = added && !strcmp(added, "allocation");
  call = added && !strcmp(added, "syscall");
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  static __thread unsigned count;
  /* Not in `prepare`: others are prepared before. */
  if (!next) next = (reader)dlsym(RTLD_NEXT, "clock_gettime");
  if (count++ % 3 == 0) {
    if (allocate) {
      void *volatile kept = malloc(64);
      free(kept);
    }
    if (call) (void)getppid();
  }
  return next(clock, now);
}
