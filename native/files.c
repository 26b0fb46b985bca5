// The host functions on files (assembly/host.ts says what each answers). A handle is a descriptor.
#define _GNU_SOURCE
#include "host.h"

#include <fcntl.h>
#include <stdio.h> /* renameat; no stream is used */
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/**
 * Zeros for file systems without fallocate; never written, so they cost neither memory nor file.
 */
static char zeros[65536] RARE;

int terminated(char *into, u32 capacity, u32 from, u32 length) {
  if (length >= capacity) return -ENAMETOOLONG;
  memcpy(into, memory(from), length);
  into[length] = 0;
  return memchr(into, 0, length) ? -EINVAL : 0;
}

static int openDirectory(const char *path) {
  int fd;
  AGAIN(fd, openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return (int)answer(fd);
}

/** Makes a directory and its parents, 0755: 0 or -errno. */
static int makeDirectories(char *path) {
  for (char *p = path + 1;; p++) {
    if (*p != '/' && *p) continue;
    const char end = *p;
    *p = 0;
    const int status = mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
    *p = end;
    if (status < 0 || !end) return status;
  }
}

u32 w2c_host_enter(struct w2c_host *host, u32 at, u32 length, u32 create) {
  (void)host;
  char path[ROOM(length)];
  int status = terminated(path, sizeof path, at, length);
  if (status == 0) status = openDirectory(path);
  if (status == -ENOENT && create && length) {
    status = makeDirectories(path);
    if (status == 0) status = openDirectory(path);
  }
  if (status < 0) return (u32)status;
  if (directory >= 0) close(directory);
  directory = status;
  return 0;
}

/** 1 + the file opened last, until it is written to: its size is known already. 0 = none. */
static int sized;
static off_t sizedBytes;

u32 w2c_host_open(struct w2c_host *host, u32 at, u32 length, u32 mode) {
  (void)host;
  char name[NAME_BYTES];
  struct stat st;
  int fd = terminated(name, sizeof name, at, length);
  if (fd < 0) return (u32)fd;
  static const int modes[] = {O_RDONLY, O_RDWR, O_RDWR | O_CREAT | O_EXCL,
                              O_WRONLY | O_CREAT | O_APPEND};
  const int how = modes[mode & 3];
  AGAIN(fd, openat(directory, name, how | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600));
  if (fd < 0) return (u32)-errno;
  const int status = fstat(fd, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? fd : -EINVAL;
  if (status < 0) close(fd);
  sized = status < 0 ? 0 : status + 1;
  sizedBytes = st.st_size;
  return (u32)status;
}

void w2c_host_close(struct w2c_host *host, u32 handle) {
  (void)host;
  sized = 0;
  close((int)handle);
}

u64 w2c_host_size(struct w2c_host *host, u32 handle) {
  (void)host;
  struct stat st;
  if (sized && (int)handle == sized - 1) return (u64)sizedBytes;
  return fstat((int)handle, &st) < 0 ? (u64)-(s64)errno : (u64)st.st_size;
}

u32 w2c_host_read(struct w2c_host *host, u32 handle, u32 at, u32 into, u32 length) {
  (void)host;
  u32 done = 0;
  while (done < length) {
    ssize_t n;
    AGAIN(n, pread((int)handle, memory(into) + done, length - done, (off_t)at + done));
    if (n < 0) return (u32)-errno;
    if (n == 0) break;
    done += (u32)n;
  }
  return done;
}

static int writeAt(int fd, off_t at, const char *from, u32 length) {
  while (length) {
    ssize_t n;
    AGAIN(n, pwrite(fd, from, length, at));
    if (n < 0) return -errno;
    if (n == 0) return -EIO;
    from += n;
    at += n;
    length -= (u32)n;
  }
  return 0;
}

u32 w2c_host_write(struct w2c_host *host, u32 handle, u32 at, u32 from, u32 length) {
  (void)host;
  sized = 0;
  return (u32)writeAt((int)handle, at, memory(from), length);
}

/** Grows a file by writing zeros; what can't be finished is taken back. */
static int writeZeros(int fd, off_t end) {
  struct stat st;
  if (fstat(fd, &st) < 0) return -errno;
  for (off_t at = st.st_size; at < end;) {
    const off_t left = end - at;
    const u32 n = left < (off_t)sizeof zeros ? (u32)left : (u32)sizeof zeros;
    const int status = writeAt(fd, at, zeros, n);
    if (status < 0) {
      const int cut = ftruncate(fd, st.st_size);
      (void)cut;  // the first error is the one that matters
      return status;
    }
    at += n;
  }
  return 0;
}

u32 w2c_host_allocate(struct w2c_host *host, u32 handle, u32 length) {
  (void)host;
  int r;
  sized = 0;
  AGAIN(r, fallocate((int)handle, 0, 0, length));
  if (r == 0) return 0;
  if (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL) return (u32)-errno;
  return (u32)writeZeros((int)handle, length);
}

u32 w2c_host_sync(struct w2c_host *host, u32 handle) {
  (void)host;
  int r;
  AGAIN(r, fdatasync((int)handle));
  return (u32)answer(r);
}

u32 w2c_host_permit(struct w2c_host *host, u32 handle, u32 mode) {
  (void)host;
  return (u32)answer(fchmod((int)handle, (mode_t)mode));
}

u32 w2c_host_syncDirectory(struct w2c_host *host) {
  (void)host;
  int r;
  AGAIN(r, fsync(directory));
  return (u32)answer(r);
}

u64 w2c_host_touched(struct w2c_host *host, u32 handle) {
  (void)host;
  struct stat st;
  if (fstat((int)handle, &st) < 0) return (u64)-(s64)errno;
  return (u64)st.st_mtim.tv_sec * 1000000000u + (u64)st.st_mtim.tv_nsec;
}

u64 w2c_host_settled(struct w2c_host *host, u32 high, u32 low) {
  (void)host;
  struct stat st;
  struct timespec now;
  if (fstat(directory, &st) < 0 || st.st_mtim.tv_nsec == 0) return 0;
  const s64 then = (s64)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
  if ((u64)then == ((u64)high << 32 | low)) return (u64)then;
  syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
  const s64 age = (s64)now.tv_sec * 1000000000 + now.tv_nsec - then;
  return age > SETTLED_NS ? (u64)then : 0;
}

u32 w2c_host_touch(struct w2c_host *host, u32 handle, u32 seconds) {
  (void)host;
  const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = seconds}};
  return (u32)answer(futimens((int)handle, times));
}

u32 w2c_host_rename(struct w2c_host *host, u32 from, u32 fromLen, u32 to, u32 toLen) {
  (void)host;
  char old[NAME_BYTES], new[NAME_BYTES];
  int r = terminated(old, sizeof old, from, fromLen);
  if (r == 0) r = terminated(new, sizeof new, to, toLen);
  if (r < 0) return (u32)r;
  AGAIN(r, renameat(directory, old, directory, new));
  return (u32)answer(r);
}

u32 w2c_host_unlink(struct w2c_host *host, u32 at, u32 length) {
  (void)host;
  char name[NAME_BYTES];
  int r = terminated(name, sizeof name, at, length);
  if (r < 0) return (u32)r;
  AGAIN(r, unlinkat(directory, name, 0));
  return (u32)answer(r);
}

/** A directory entry as getdents64 writes it. */
struct entry {
  u64 inode;
  s64 next;
  unsigned short bytes;
  unsigned char type;
  char name[];
};

static int isDots(const char *name) {
  return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/**
 * The names of an open directory that begin with `prefix`, each with its NUL: bytes written, or
 * -errno. `*all` tells whether every one of them fitted.
 */
static s32 names(int fd, const char *prefix, u32 prefixLen, u32 into, u32 cap, int *all) {
  char block[4096] __attribute__((aligned(8)));
  u32 written = 0;
  *all = 1;
  for (;;) {
    long got;
    AGAIN(got, syscall(SYS_getdents64, fd, block, sizeof block));
    if (got < 0) return -errno;
    if (got == 0) return (s32)written;
    for (long at = 0; at < got;) {
      const struct entry *e = (const struct entry *)(block + at);
      at += e->bytes;
      const u32 n = (u32)strlen(e->name) + 1;
      if (n <= prefixLen || memcmp(e->name, prefix, prefixLen) || isDots(e->name)) continue;
      if (n > cap - written) {
        *all = 0;
        return (s32)written;
      }
      memcpy(memory(into) + written, e->name, n);
      written += n;
    }
  }
}

u32 w2c_host_list(struct w2c_host *host, u32 prefix, u32 prefixLen, u32 into, u32 cap) {
  (void)host;
  int all;
  if (lseek(directory, 0, SEEK_SET) < 0) return (u32)-errno;
  return (u32)names(directory, memory(prefix), prefixLen, into, cap, &all);
}

u32 w2c_host_listAt(struct w2c_host *host, u32 at, u32 length, u32 into, u32 cap) {
  (void)host;
  char path[ROOM(length)];
  int all, fd = terminated(path, sizeof path, at, length);
  if (fd < 0) return (u32)fd;
  fd = openDirectory(path);
  if (fd < 0) return (u32)fd;
  const s32 got = names(fd, "", 0, into, cap, &all);
  close(fd);
  return (u32)(got >= 0 && !all ? (s32)cap + 1 : got);
}
