/* A disk that takes its time, for LD_PRELOAD: each flush of a file takes FLUSH_MS milliseconds longer. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static int (*real_fsync)(int), (*real_fdatasync)(int);
static struct timespec delay;

__attribute__((constructor)) static void set_up(void)
{
    const char *text = getenv("FLUSH_MS");
    long ms = text ? atol(text) : 0;
    delay = (struct timespec){ms / 1000, ms % 1000 * 1000000};
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
}

int fsync(int fd)
{
    nanosleep(&delay, NULL);
    return real_fsync(fd);
}

int fdatasync(int fd)
{
    nanosleep(&delay, NULL);
    return real_fdatasync(fd);
}
