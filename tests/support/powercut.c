/* A disk that forgets, for LD_PRELOAD. From powercut_use on, of the files in `folder` only what was synced is
 * copied to `kept`, which is what a power cut would leave; without `kept` nothing is forgotten. And calls on
 * those files fail, or kill the process, as the file `shared` says: six ints, shared with the test.
 *
 * A name is durable from its file's first sync on, as ext4 and XFS have it. The memory-mapped -shm is
 * never copied: SQLite makes it anew. Files are told by their names, so nothing is kept at open. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NOTHING, WRITE, SYNC, OPEN };                  /* control->call */
enum { KILL_BEFORE = -1, KILL_AFTER = -2 };           /* control->action; an errno where positive */
enum { FILES = 8, RANGES = 1024, BLOCK = 1 << 20 };

struct control { int call, first, last, action, seen, reached; };
struct range { off_t from, to; };
struct file { char name[64]; int known, count; struct range dirty[RANGES]; }; /* known: its shadow lacks only `dirty` */

static struct control nothing, *control = &nothing;
static const char *dir, *shadow;
static struct file files[FILES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char block[BLOCK];

static ssize_t (*real_pwrite)(int, const void *, size_t, off_t);
static ssize_t (*real_write)(int, const void *, size_t);
static int (*real_fsync)(int), (*real_fdatasync)(int), (*real_unlink)(const char *);
static int (*real_open)(const char *, int, ...);

__attribute__((constructor)) static void set_up(void)
{
    real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
    real_write = dlsym(RTLD_NEXT, "write");
    real_fsync = dlsym(RTLD_NEXT, "fsync");
    real_fdatasync = dlsym(RTLD_NEXT, "fdatasync");
    real_unlink = dlsym(RTLD_NEXT, "unlink");
    real_open = dlsym(RTLD_NEXT, "open64");
}

void powercut_use(const char *folder, const char *kept, const char *shared)
{
    int fd = real_open(shared, O_RDWR | O_CLOEXEC);
    control = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd < 0 || control == MAP_FAILED)
        abort();
    close(fd);
    shadow = kept ? strdup(kept) : NULL;
    dir = strdup(folder);
}

/* The name below the directory, or NULL for a file of no concern. */
static const char *below(const char *path)
{
    size_t length = dir ? strlen(dir) : 0;
    return length && !strncmp(path, dir, length) && path[length] == '/' ? path + length + 1 : NULL;
}

static const char *name_of(int fd, char *path)
{
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = dir ? readlink(link, path, PATH_MAX - 1) : -1;
    if (length < 0)
        return NULL;
    path[length] = 0;
    return below(path);
}

static int ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && !strcmp(text + length - tail, end);
}

static int is_kept(const char *name)
{
    return shadow && strlen(name) < sizeof files[0].name && !ends_with(name, "-shm") && !strchr(name, ' ');
}

/* What the test wants of this call: 0, an errno, KILL_BEFORE or KILL_AFTER. */
static int wanted(int call)
{
    if (control->call != call)
        return 0;
    int n = __atomic_add_fetch(&control->seen, 1, __ATOMIC_SEQ_CST);
    if (n < control->first || n > control->last)
        return 0;
    __atomic_add_fetch(&control->reached, 1, __ATOMIC_SEQ_CST);
    return control->action;
}

static struct file *file_of(const char *name)
{
    for (int i = 0; i < FILES; i++) {
        if (!files[i].name[0])
            strcpy(files[i].name, name);
        if (!strcmp(files[i].name, name))
            return &files[i];
    }
    abort();
}

static void note(const char *name, off_t from, ssize_t written)
{
    if (written <= 0 || !is_kept(name))
        return;
    pthread_mutex_lock(&lock);
    struct file *file = file_of(name);
    if (file->count == RANGES)
        file->known = 0, file->count = 0; /* too much to tell apart: all of it */
    file->dirty[file->count++] = (struct range){from, from + written};
    pthread_mutex_unlock(&lock);
}

static void copy(int from, int to, struct range range)
{
    while (range.from < range.to) {
        off_t left = range.to - range.from;
        ssize_t got = pread(from, block, left < BLOCK ? left : BLOCK, range.from);
        if (got <= 0)
            return;
        real_pwrite(to, block, got, range.from);
        range.from += got;
    }
}

/* What a process before this one left unsynced is synced with the rest: the first time, all is copied. */
static void keep(int fd, const char *path, const char *name)
{
    char place[PATH_MAX];
    struct stat now;
    int own = real_open(path, O_RDONLY | O_CLOEXEC); /* the file may be open for writing only */
    snprintf(place, sizeof place, "%s/%s", shadow, name);
    int to = real_open(place, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    pthread_mutex_lock(&lock);
    struct file *file = file_of(name);
    if (!fstat(fd, &now) && own >= 0 && to >= 0) {
        if (!file->known)
            copy(own, to, (struct range){0, now.st_size});
        for (int i = 0; file->known && i < file->count; i++)
            copy(own, to, file->dirty[i]);
        if (ftruncate(to, now.st_size))
            abort();
        file->known = 1, file->count = 0;
    }
    pthread_mutex_unlock(&lock);
    close(own);
    close(to);
}

static void die(void)
{
    kill(getpid(), SIGKILL);
    pause();
}

static ssize_t put(int fd, const void *bytes, size_t count, off_t at, int is_placed)
{
    char path[PATH_MAX];
    int before = errno;
    const char *name = name_of(fd, path);
    int action = name ? wanted(WRITE) : 0;
    if (action == KILL_BEFORE || action > 0) /* half of it arrives all the same */
        count = action == EROFS ? 0 : count / 2;
    errno = before;
    if (name && !is_placed)
        at = lseek(fd, 0, SEEK_CUR);
    ssize_t written = is_placed ? real_pwrite(fd, bytes, count, at) : real_write(fd, bytes, count);
    int after = errno;
    if (name)
        note(name, at, written);
    if (action < 0)
        die();
    errno = action > 0 ? action : after;
    return action > 0 ? -1 : written;
}

static int sync_with(int (*real)(int), int fd)
{
    char path[PATH_MAX];
    const char *name = name_of(fd, path);
    int action = name ? wanted(SYNC) : 0;
    if (action == KILL_BEFORE)
        die();
    if (action > 0) {
        errno = action;
        return -1;
    }
    int result = name && shadow ? 0 : real(fd); /* the shadow stands for the disk: no need to wait for one */
    if (!result && name && is_kept(name))
        keep(fd, path, name);
    if (action == KILL_AFTER)
        die();
    return result;
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off_t at) { return put(fd, bytes, count, at, 1); }
ssize_t pwrite(int fd, const void *bytes, size_t count, off_t at) { return put(fd, bytes, count, at, 1); }
ssize_t write(int fd, const void *bytes, size_t count) { return put(fd, bytes, count, 0, 0); }
int fsync(int fd) { return sync_with(real_fsync, fd); }
int fdatasync(int fd) { return sync_with(real_fdatasync, fd); }

int unlink(const char *path)
{
    char place[PATH_MAX];
    const char *name = below(path);
    int result = real_unlink(path);
    if (!result && name && is_kept(name)) {
        snprintf(place, sizeof place, "%s/%s", shadow, name);
        real_unlink(place);
        pthread_mutex_lock(&lock);
        file_of(name)->known = 0, file_of(name)->count = 0;
        pthread_mutex_unlock(&lock);
    }
    return result;
}

int open64(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    mode_t mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0;
    va_end(rest);
    int action = flags & (O_WRONLY | O_RDWR | O_CREAT) && below(path) ? wanted(OPEN) : 0;
    if (action > 0) {
        errno = action;
        return -1;
    }
    return real_open(path, flags, mode);
}
int open(const char *path, int flags, ...) __attribute__((alias("open64")));
