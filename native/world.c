// The host functions on everything that isn't a file of the network: environment, arguments,
// standard streams, clocks, random bytes, foreign files, namespaces (assembly/host.ts says what
// each answers).
#define _GNU_SOURCE
#include "host.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

const char *variable(const char *name, u32 length) {
  for (char **e = environ; *e; e++) {
    u32 same = 0;  // by hand: most names differ in their first bytes
    while (same < length && (*e)[same] == name[same]) same++;
    if (same == length && (*e)[length] == '=') return *e + length + 1;
  }
  return NULL;
}

/** Copies at most `cap` bytes of a text: its whole length, -1 for none. */
static u32 give(const char *text, u32 into, u32 cap) {
  if (!text) return (u32)-1;
  const u32 length = (u32)strlen(text);
  memcpy(memory(into), text, length < cap ? length : cap);
  return length;
}

u32 w2c_host_env(struct w2c_host *host, u32 name, u32 length, u32 into, u32 cap) {
  (void)host;
  return give(variable(memory(name), length), into, cap);
}

u32 w2c_host_argument(struct w2c_host *host, u32 index, u32 into, u32 cap) {
  (void)host;
  return give((s32)index < 0 || (s32)index >= argumentCount ? NULL : arguments[index], into, cap);
}

/** A standard stream that somebody made non-blocking: wait until it is ready. */
static void settle(int fd, short events) {
  struct pollfd one = {.fd = fd, .events = events};
  poll(&one, 1, -1);
}

/** Reads a descriptor to its end. Bytes read; cap + 1 if there is more; -errno. */
static s32 drain(int fd, u32 into, u32 cap, u32 expected) {
  u32 done = 0;
  char beyond;
  for (;;) {
    ssize_t n;
    AGAIN(n, done < cap ? read(fd, memory(into) + done, cap - done) : read(fd, &beyond, 1));
    if (n < 0 && errno == EAGAIN) {
      settle(fd, POLLIN);
      continue;
    }
    if (n < 0) return -errno;
    if (n == 0) return (s32)done;
    done += (u32)n;
    if (done > cap || (expected && done == expected)) return (s32)done;
  }
}

u32 w2c_host_stdin(struct w2c_host *host, u32 into, u32 cap) {
  (void)host;
  return (u32)drain(0, into, cap, 0);
}

u32 w2c_host_output(struct w2c_host *host, u32 fd, u32 from, u32 length) {
  (void)host;
  const char *p = memory(from);
  while (length) {
    ssize_t n;
    AGAIN(n, write((int)fd, p, length));
    if (n < 0 && errno == EAGAIN) {
      settle((int)fd, POLLOUT);
      continue;
    }
    if (n < 0) return (u32)-errno;
    p += n;
    length -= (u32)n;
  }
  return 0;
}

#ifdef BERTH_TEST_CLOCK
/** Tests only (never in build/bin/berth): what a variable adds to a clock. */
static u64 shift(u32 which) {
  const char *text = which == 0 ? variable("BERTH_CLOCK_BOOT_NS", 19)
                                : variable("BERTH_CLOCK_REAL_NS", 19);
  return text ? (u64)strtoll(text, NULL, 10) : 0;
}

/** Tests only: what variables say in place of the kernel's boot id and host name. */
static const char *otherText(const char *path) {
  if (!strcmp(path, "/proc/sys/kernel/random/boot_id")) return variable("BERTH_BOOT_ID", 13);
  if (!strcmp(path, "/proc/sys/kernel/hostname")) return variable("BERTH_HOST_NAME", 15);
  return NULL;
}
#else
#define shift(which) 0
#define otherText(path) NULL
#endif

u64 w2c_host_clock(struct w2c_host *host, u32 which) {
  (void)host;
  struct timespec t = {0, 0};
  // Not through the vDSO: finding its function costs more than the one call does.
  syscall(SYS_clock_gettime, which == 0 ? CLOCK_BOOTTIME : CLOCK_REALTIME, &t);
  return (u64)t.tv_sec * 1000000000u + (u64)t.tv_nsec + shift(which);
}

u32 w2c_host_random(struct w2c_host *host, u32 into, u32 length) {
  (void)host;
  for (u32 done = 0; done < length;) {
    ssize_t n;
    AGAIN(n, getrandom(memory(into) + done, length - done, 0));
    if (n < 0) return (u32)-errno;
    done += (u32)n;
  }
  return 0;
}

u32 w2c_host_slurp(struct w2c_host *host, u32 at, u32 length, u32 into, u32 cap) {
  (void)host;
  char path[ROOM(length)];
  struct stat st;
  int fd = terminated(path, sizeof path, at, length);
  if (fd < 0) return (u32)fd;
  if (otherText(path)) return give(otherText(path), into, cap);
  AGAIN(fd, openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (fd < 0) return (u32)-errno;
  s32 status = fstat(fd, &st) < 0        ? -errno
               : S_ISDIR(st.st_mode)     ? -EISDIR
               : !S_ISREG(st.st_mode)    ? -EINVAL
               : st.st_size > (off_t)cap ? (s32)cap + 1
                                         : 0;
  // A file of procfs has size 0: it is read to its end. Others are done at their size.
  if (status == 0) status = drain(fd, into, cap, (u32)st.st_size);
  else if (status > 0) status = drain(fd, into, cap, 0);
  close(fd);
  return (u32)status;
}

u64 w2c_host_netns(struct w2c_host *host, u32 at, u32 length) {
  (void)host;
  char path[ROOM(length)];
  struct stat named, own;
  if (terminated(path, sizeof path, at, length) < 0) return 0;
  // No file elsewhere shares nsfs's device: what has it is a namespace.
  if (fstatat(AT_FDCWD, path, &named, 0) < 0) return 0;
  if (fstatat(AT_FDCWD, "/proc/self/ns/net", &own, 0) < 0) return 0;
  if (named.st_dev != own.st_dev) return 0;
  return named.st_ino == own.st_ino ? (u64)-1 : (u64)named.st_ino;
}

u64 w2c_host_inode(struct w2c_host *host, u32 at, u32 length) {
  (void)host;
  char path[ROOM(length)];
  struct stat named;
  const int status = terminated(path, sizeof path, at, length);
  if (status < 0) return (u64)(s64)status;
  return fstatat(AT_FDCWD, path, &named, 0) < 0 ? (u64)-(s64)errno : (u64)named.st_ino;
}

u32 w2c_host_terminal(struct w2c_host *host, u32 fd) {
  (void)host;
  return (u32)isatty((int)fd);
}

u32 w2c_host_program(struct w2c_host *host, u32 into, u32 cap) {
  (void)host;
  return give("/proc/self/exe", into, cap);
}
