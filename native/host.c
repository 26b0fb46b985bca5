// The native host: the process around cni.wasm (compiled to C by wasm2c). It owns the memory map,
// the lock of a network, and what happens when the core traps. It decides nothing.
//
//   WASM_RT_BASE     + 64 KiB                         + 1 GiB                     + SCRATCH_BYTES
//   | nothing mapped | window: image, mapped by view | static data, code, scratch | nothing mapped
//
// The base is a constant far from everything else: the executable isn't position-independent, and
// the kernel puts stack, vDSO and its own choices near the top. Static data and scratch are
// sections of the executable, linked to their place (native/layout.ld), so exec maps them. Nothing
// else is reserved, no page is touched before it is used, and whatever isn't mapped is a SIGSEGV,
// which ends in `fault`.
//
// Cost: seven system calls before the core begins. No malloc, no stdio, no locale.
#define _GNU_SOURCE
#include "host.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include "cni.h"

#ifndef F_OFD_SETLK
#define F_OFD_SETLK 37
#define F_OFD_SETLKW 38
#endif

#define PAGE_64K 65536u
/** After the deadline SIGALRM comes again: one that fell just before the wait can't be lost. */
#define ALARM_AGAIN_US 50000
/** How often a lock file that was replaced under us is opened anew. */
#define LOCK_TRIES 8

int directory;
char **arguments;
int argumentCount;

/** Static data and scratch, as linked (the assembler file that scripts/native.mjs writes). */
extern char berthStatic[], berthScratch[];

static w2c_cni core;
// Constant: the module neither grows it nor looks beyond it.
static const wasm_rt_memory_t linear = {
    .data = (uint8_t *)WASM_RT_BASE,
    .pages = (WINDOW_END + SCRATCH_BYTES) / PAGE_64K,
    .max_pages = (WINDOW_END + SCRATCH_BYTES) / PAGE_64K,
    .size = WINDOW_END + SCRATCH_BYTES,
};
static jmp_buf retreat;
static char faultStack[32768] RARE;
static volatile sig_atomic_t expired;

wasm_rt_memory_t *w2c_env_memory(struct w2c_env *env) {
  (void)env;
  return (wasm_rt_memory_t *)&linear;
}

_Noreturn void wasm_rt_trap(wasm_rt_trap_t why) {
  (void)why;
  _longjmp(retreat, 1);
}

static void onFault(int signal) {
  (void)signal;
  _longjmp(retreat, 1);
}

static void onAlarm(int signal) {
  (void)signal;
  expired = 1;
}

/** The last word when not even `fault` can speak. */
static _Noreturn void internalFault(void) {
  static const char text[] = "{\"code\":999,\"msg\":\"berth: internal fault\"}\n";
  ssize_t n;
  AGAIN(n, write(1, text, sizeof text - 1));
  _exit(EXIT_ERROR);
}

/** Faults of the core come back to main; a reader that went away is an error of write. */
static void catchFaults(void) {
  const stack_t stack = {.ss_sp = faultStack, .ss_size = sizeof faultStack};
  sigaltstack(&stack, NULL);
  // SA_NODEFER: the handler leaves by longjmp, so the signal must not stay blocked.
  struct sigaction fault = {.sa_handler = onFault, .sa_flags = SA_ONSTACK | SA_NODEFER};
  // The two that memory can raise: wasm2c's code checks divisions before it does them.
  sigaction(SIGSEGV, &fault, NULL);
  sigaction(SIGBUS, &fault, NULL);
  fault.sa_handler = SIG_IGN;
  fault.sa_flags = 0;
  sigaction(SIGPIPE, &fault, NULL);
  sigaction(SIGXFSZ, &fault, NULL);  // beyond RLIMIT_FSIZE: -EFBIG
}

static int inWindow(u32 at, u32 len) {
  return at >= WINDOW_BASE && at <= WINDOW_END && len <= WINDOW_END - at;
}

/**
 * host.unshare: adding nothing is a store to the processor, and so to the kernel. In assembler,
 * since compilers may make a load of it.
 */
void w2c_host_unshare(struct w2c_host *host, u32 at) {
  u32 *const word = (u32 *)memory(at);
  (void)host;
#ifdef __x86_64__
  __asm__ volatile("addl $0, %0" : "+m"(*word) : : "cc");
#else
  __atomic_fetch_add(word, 0, __ATOMIC_RELAXED);
#endif
}

/** host.view */
u32 w2c_host_view(struct w2c_host *host, u32 handle, u32 len, u32 at) {
  (void)host;
  if (at % PAGE_64K || !inWindow(at, len)) return (u32)-EINVAL;
  if (len == 0) return 0;
  void *got = mmap(memory(at), len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE | MAP_FIXED,
                   (int)handle, 0);
  if (got == MAP_FAILED) return (u32)-errno;
  w2c_host_unshare(host, at);  // nearly every call changes the header
  return 0;
}

/** host.extend */
u32 w2c_host_extend(struct w2c_host *host, u32 at, u32 len) {
  (void)host;
  if (at % 4096 || !inWindow(at, len)) return (u32)-EINVAL;
  if (len == 0) return 0;
  void *got = mmap(memory(at), len, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  return got == MAP_FAILED ? (u32)-errno : 0;
}

/** What the core said to `patience`; 0 = nothing. */
static long patient;

/** host.patience */
void w2c_host_patience(struct w2c_host *host, u32 ms) {
  (void)host;
  patient = (long)ms;
}

/** BERTH_LOCK_TIMEOUT_MS if it is a number from 1 to 600000, else LOCK_TIMEOUT_MS. */
static long lockTimeout(void) {
  static const char name[] = "BERTH_LOCK_TIMEOUT_MS";
  const char *text = variable(name, sizeof name - 1);
  long ms = 0;
  if (patient > 0) return patient;
  for (int i = 0; text && text[i]; i++) {
    if (i == 6 || text[i] < '0' || text[i] > '9') return LOCK_TIMEOUT_MS;
    ms = ms * 10 + (text[i] - '0');
  }
  return ms >= 1 && ms <= LOCK_TIMEOUT_MAX_MS ? ms : LOCK_TIMEOUT_MS;
}

static void armAlarm(void) {
  const struct sigaction alarm = {.sa_handler = onAlarm};  // no SA_RESTART: it must cut the wait
  const long ms = lockTimeout();
  const struct itimerval timer = {{0, ALARM_AGAIN_US}, {ms / 1000, ms % 1000 * 1000}};
  sigset_t set;
  sigaction(SIGALRM, &alarm, NULL);
  sigemptyset(&set);
  sigaddset(&set, SIGALRM);
  sigprocmask(SIG_UNBLOCK, &set, NULL);
  setitimer(ITIMER_REAL, &timer, NULL);
}

static void disarmAlarm(void) {
  static const struct itimerval off;
  setitimer(ITIMER_REAL, &off, NULL);
  expired = 0;
}

/** Waits in the kernel's queue until the lock is ours or the alarm rang: 0 or -errno. */
static int await(int fd, struct flock *lock) {
  for (;;) {
    if (expired) return -EAGAIN;
    if (fcntl(fd, F_OFD_SETLKW, lock) == 0) return 0;
    if (errno != EINTR) return -errno;
  }
}

/** The descriptors that hold our lock and host-local's, -1 without. */
static int lockFile, foreignLock;

/** Opens and locks berth.lock as the name stands: 0, -errno, or 1 if it was replaced meanwhile. */
static int lockOnce(int *armed) {
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  struct stat ours, named;
  int fd, status;
  AGAIN(fd, openat(directory, LOCK_NAME, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK,
                   0600));
  if (fd < 0) return -errno;
  AGAIN(status, fcntl(fd, F_OFD_SETLK, &lock));
  if (status < 0) status = -errno;
  if (status == -EAGAIN || status == -EACCES) {
    if (!*armed) armAlarm();
    *armed = 1;
    status = await(fd, &lock);
  }
  if (status == 0 && fstat(fd, &ours) < 0) status = -errno;
  if (status == 0 && !S_ISREG(ours.st_mode)) status = -EINVAL;
  if (status == 0 && (fstatat(directory, LOCK_NAME, &named, AT_SYMLINK_NOFOLLOW) < 0 ||
                      named.st_ino != ours.st_ino || named.st_dev != ours.st_dev))
    status = 1;
  if (status != 0) close(fd);
  else lockFile = fd;  // stays open: the lock ends with unlock or with the process
  return status;
}

/** host.unlock */
void w2c_host_unlock(struct w2c_host *host) {
  (void)host;
  if (lockFile >= 0) close(lockFile);
  if (foreignLock >= 0) close(foreignLock);
  lockFile = foreignLock = -1;
}

/** host.flock: host-local's own lock, 0750 as it makes it. */
u32 w2c_host_flock(struct w2c_host *host, u32 at, u32 length) {
  (void)host;
  char name[NAME_BYTES];
  int fd = terminated(name, sizeof name, at, length), status, armed = 0;
  if (fd < 0) return (u32)fd;
  AGAIN(fd, openat(directory, name, O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK,
                   0750));
  if (fd < 0) return (u32)-errno;
  status = flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
  if (status == -EWOULDBLOCK || status == -EINTR) {
    armAlarm();
    armed = 1;
    do status = expired ? -EAGAIN : flock(fd, LOCK_EX) < 0 ? -errno : 0;
    while (status == -EINTR);
  }
  if (armed) disarmAlarm();
  if (status < 0) close(fd);
  else foreignLock = fd;
  return (u32)status;
}

/**
 * Takes the lock of the entered directory: 0; -EAGAIN when the time was up; else -errno. One try,
 * then one wait in line: nobody polls.
 */
static int lockDirectory(void) {
  int armed = 0, status = 1;
  for (int i = 0; i < LOCK_TRIES && status == 1; i++) status = lockOnce(&armed);
  if (armed) disarmAlarm();
  return status == 1 ? -EAGAIN : status;
}

int main(int count, char **all) {
  // Here and not where they stand: memory that begins as zeros needs no page of the file.
  directory = lockFile = foreignLock = -1;
  argumentCount = count > 0 ? count - 1 : 0;
  arguments = all + 1;
  catchFaults();
  if (berthStatic != memory(STATIC_BASE) || berthScratch != memory(SCRATCH_BASE))
    internalFault();  // linked in another way than scripts/native.mjs does
  static int begun, faulting;
  static u32 status;
  if (_setjmp(retreat)) {
    if (faulting++) internalFault();
    status = w2c_cni_fault(&core);
    faulting = 0;
  }
  if (!begun++) {
    wasm2c_cni_instantiate(&core, NULL, NULL);
    status = w2c_cni_begin(&core);
  }
  while (status == NEED_LOCK || status == NEED_CALL)
    status = w2c_cni_finish(&core, status == NEED_LOCK ? (u32)lockDirectory() : 0);
  _exit((int)status);
}
