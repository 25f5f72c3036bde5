/* Stands before the C library of a process: a wall clock that jumps, a disk that is full.
 *
 * The file named by YINLIU_SHIM holds four numbers of 64 bits. Two the test changes while the process runs: how many
 * milliseconds the wall clock is off, and how full the disk is: 1, nothing is free; 2, nothing more is written. Two are
 * counted here, so that the test knows that its orders were met: how often a clock that is off was read, and how often a disk
 * that is full was told of or refused. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *order;

static void met(int what) { __atomic_fetch_add(&order[what], 1, __ATOMIC_RELAXED); }

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("YINLIU_SHIM");
    int file = path ? open(path, O_RDWR) : -1;
    if (file >= 0) {
        void *mapped = mmap(0, 32, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        if (mapped != MAP_FAILED) order = mapped;
        close(file);
    }
}

#define REAL(name) ({ static __typeof__(&name) real; if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name); real; })

static int64_t jumped_ms(void) {
    int64_t off = order ? order[0] : 0;
    if (off) met(2);
    return off;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    int answer = REAL(clock_gettime)(clock, now);
    if (answer == 0 && clock == CLOCK_REALTIME) now->tv_sec += jumped_ms() / 1000;
    return answer;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    int answer = REAL(gettimeofday)(now, zone);
    if (answer == 0) now->tv_sec += jumped_ms() / 1000;
    return answer;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}

/* The kernel's own clock has not jumped: a wait until a moment of the clock that has must be told to it in its own time. */
int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex, const struct timespec *restrict until) {
    struct timespec moment = *until;
    moment.tv_sec -= jumped_ms() / 1000;
    return REAL(cnd_timedwait)(condition, mutex, &moment);
}

/* What a program asks before it writes. */
int statvfs64(const char *restrict path, struct statvfs64 *restrict told) {
    int answer = REAL(statvfs64)(path, told);
    if (answer == 0 && order && order[1]) {
        told->f_bfree = told->f_bavail = 0;
        met(3);
    }
    return answer;
}

int statvfs(const char *restrict path, struct statvfs *restrict told) {
    int answer = REAL(statvfs)(path, told);
    if (answer == 0 && order && order[1]) {
        told->f_bfree = told->f_bavail = 0;
        met(3);
    }
    return answer;
}

/* Only files fill a disk; the standard streams go to the test. */
static int full(int file) {
    struct stat kind;
    if (!order || order[1] < 2 || file <= 2) return 0;
    if (fstat(file, &kind) != 0 || !S_ISREG(kind.st_mode)) return 0;
    met(3);
    errno = ENOSPC;
    return 1;
}

ssize_t write(int file, const void *bytes, size_t count) {
    return full(file) ? -1 : REAL(write)(file, bytes, count);
}

ssize_t pwrite(int file, const void *bytes, size_t count, off_t at) {
    return full(file) ? -1 : REAL(pwrite)(file, bytes, count, at);
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) {
    return full(file) ? -1 : REAL(pwrite64)(file, bytes, count, at);
}

ssize_t writev(int file, const struct iovec *pieces, int count) {
    return full(file) ? -1 : REAL(writev)(file, pieces, count);
}
