// A wall clock that a test sets: LD_PRELOAD it, and CLOCK_AHEAD names a file that holds the seconds to
// add, as eight bytes. The file is mapped, so a clock jumps while its process runs.
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *ahead;

__attribute__((constructor)) static void open_clock(void) {
  const char *path = getenv("CLOCK_AHEAD");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  if (file < 0) {
    return;
  }
  void *seconds = mmap(NULL, sizeof *ahead, PROT_READ, MAP_SHARED, file, 0);
  if (seconds != MAP_FAILED) {
    ahead = seconds;
  }
  close(file);
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  int failed = (int)syscall(SYS_clock_gettime, clock, now);
  if (!failed && ahead && clock == CLOCK_REALTIME) {
    now->tv_sec += *ahead;
  }
  return failed;
}
