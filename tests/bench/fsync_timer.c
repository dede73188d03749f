/* Preloaded into the measured process: how often it asked for durability, and how long that took.
 * Built by the benchmark with `cc -shared -fPIC`. Prints one line to the file named by FSYNC_REPORT. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static atomic_long calls;
static atomic_long nanoseconds;

static long now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000L + t.tv_nsec;
}

static int timed(const char *name, int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    long started = now();
    int result = real(fd);
    atomic_fetch_add(&nanoseconds, now() - started);
    atomic_fetch_add(&calls, 1);
    return result;
}

int fsync(int fd) { return timed("fsync", fd); }
int fdatasync(int fd) { return timed("fdatasync", fd); }

__attribute__((destructor)) static void report(void) {
    const char *path = getenv("FSYNC_REPORT");
    FILE *file = path ? fopen(path, "w") : NULL;
    if (file) {
        fprintf(file, "%ld %.6f\n", atomic_load(&calls), atomic_load(&nanoseconds) / 1e9);
        fclose(file);
    }
}
