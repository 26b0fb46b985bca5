// The host function that runs another program: its stdin from memory, its stdout passed on and
// copied. Used where Berth stands beside another plugin (assembly/host.ts: run).
#define _GNU_SOURCE
#include "host.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/** Variables that a program is given at most: more is -E2BIG. */
#define VARIABLES_MAX 4096
#define MARK "BERTH_SHADOW=1"

/** What a program is given; rare: 32 KiB that few calls touch. */
static char *given[VARIABLES_MAX + 2] RARE;

/** The end of the child before exec: its streams, the signals as a program expects them. */
static _Noreturn void become(const char *path, int in, int out, int tell) {
  char *argv[] = {(char *)path, NULL};
  const struct sigaction usual = {.sa_handler = SIG_DFL};
  int n = 0, failed;
  for (; environ[n] && n < VARIABLES_MAX; n++) given[n] = environ[n];
  failed = environ[n] ? E2BIG : 0;
  given[n] = (char *)MARK;
  sigaction(SIGPIPE, &usual, NULL);
  sigaction(SIGXFSZ, &usual, NULL);
  if (!failed && (dup2(in, 0) < 0 || dup2(out, 1) < 0)) failed = errno;
  if (!failed) {
    execve(path, argv, given);
    failed = errno;
  }
  ssize_t told;
  AGAIN(told, write(tell, &failed, sizeof failed));
  _exit(127);
}

static void shut(int *fd) {
  if (*fd >= 0) close(*fd);
  *fd = -1;
}

/** Writes all of it to stdout; a reader that went away is the child's to notice no more. */
static void passOn(const char *from, size_t length) {
  while (length) {
    ssize_t n;
    AGAIN(n, write(1, from, length));
    if (n < 0 && errno == EAGAIN) {
      struct pollfd one = {.fd = 1, .events = POLLOUT};
      poll(&one, 1, -1);
      continue;
    }
    if (n <= 0) return;
    from += n;
    length -= (size_t)n;
  }
}

/** Feeds the child and takes what it prints until it has closed its stdout: bytes printed. */
static u32 converse(int in, int out, const char *from, u32 length, char *into, u32 cap) {
  char block[16384];
  u32 done = 0, kept = 0;
  fcntl(in, F_SETFL, O_NONBLOCK);
  if (length == 0) shut(&in);
  for (;;) {
    struct pollfd both[2] = {{.fd = out, .events = POLLIN}, {.fd = in, .events = POLLOUT}};
    ssize_t n;
    if (poll(both, 2, -1) < 0 && errno != EINTR) break;
    if (in >= 0 && both[1].revents) {
      AGAIN(n, write(in, from + done, length - done));
      if (n > 0) done += (u32)n;
      if (done == length || (n < 0 && errno != EAGAIN)) shut(&in);
    }
    if (!both[0].revents) continue;
    AGAIN(n, read(out, block, sizeof block));
    if (n <= 0) break;
    passOn(block, (size_t)n);
    const u32 room = kept < cap ? cap - kept : 0;
    memcpy(into + (kept < cap ? kept : cap), block, (size_t)n < room ? (size_t)n : room);
    kept += (u32)n;
  }
  shut(&in);
  return kept;
}

/** host.run */
u64 w2c_host_run(struct w2c_host *host, u32 at, u32 pathLength, u32 from, u32 length, u32 into,
                 u32 cap) {
  (void)host;
  char path[ROOM(pathLength)];
  int in[2] = {-1, -1}, out[2] = {-1, -1}, tell[2] = {-1, -1};
  int failed = -terminated(path, sizeof path, at, pathLength);
  if (!failed && (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0 ||
                  pipe2(tell, O_CLOEXEC) < 0))
    failed = errno;
  // Not fork(): musl's brings variables that don't begin as zeros (native/layout.ld), for threads.
  const pid_t child = failed ? -1 : (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (child == 0) become(path, in[0], out[1], tell[1]);
  if (!failed && child < 0) failed = errno;
  shut(&in[0]);
  shut(&out[1]);
  shut(&tell[1]);
  u32 printed = 0;
  int status = 0;
  if (!failed) {
    ssize_t n;
    int why;
    AGAIN(n, read(tell[0], &why, sizeof why));
    if (n == (ssize_t)sizeof why) failed = why;
    else printed = converse(in[1], out[0], memory(from), length, memory(into), cap);
    in[1] = n == (ssize_t)sizeof why ? in[1] : -1;
    pid_t reaped;
    AGAIN(reaped, waitpid(child, &status, 0));
  }
  shut(&in[1]);
  shut(&out[0]);
  shut(&tell[0]);
  if (failed) return (u64)-(s64)failed;
  const u32 exit = WIFEXITED(status) ? (u32)WEXITSTATUS(status) : 128 + (u32)WTERMSIG(status);
  return (u64)exit << 32 | printed;
}
