/* spawn: measures whole processes, from just before posix_spawn to the return of wait4.
 *
 *     spawn run|cold|storm|memory PLAN ANSWERS
 *
 * Node's own spawn costs 0.7 ms a call, five times what is measured here, so the measuring is
 * done in C and the thinking (schedules, medians, checks) in TypeScript. posix_spawn is vfork
 * and exec in glibc and in musl: the child never copies this process's page tables.
 *
 * PLAN is text, one record a line, fields separated by tabs:
 *
 *     program  PATH                               programs and inputs are counted from 0
 *     input    PATH                               what a step gets on stdin
 *     cold     PATH                               a file or directory for the next step, see cold
 *     step     PROGRAM INPUT [NAME=VALUE ...]     one process and its whole environment
 *
 * ANSWERS gets one line a step, in the order of the plan:
 *
 *     NS STATUS ANON_KIB PEAK_KIB STDOUT          tabs between; STDOUT on one line
 *
 * run     one process after the other. NS is that process's time. The input is opened before
 *         the clock starts; stdout is a pipe that is read after it has stopped.
 * cold    as run, but before each step the files of its `cold` lines (those below a directory, too)
 *         are synced and their pages dropped from the page cache, untimed. Their inodes and
 *         directory entries stay in memory: only drop_caches, which the whole machine would feel,
 *         forgets those.
 * storm   all processes are started as fast as possible, a thread collects them as they end.
 *         NS is the time from the start of the first one to the end of this one, which is what
 *         a runtime that sends N calls at once waits for.
 * memory  as run, but stdout is a pipe that is full already. The process does all its work and
 *         then stands still in write(1, ...), where ANON_KIB (RssAnon: private anonymous memory,
 *         copied pages of private mappings included) and PEAK_KIB (VmHWM: all resident memory,
 *         the file's own pages too) are read from /proc. A process that prints nothing gets -1.
 *
 * STATUS is the exit status, or 128 + the signal. A process that takes over STEP_SECONDS_MAX is
 * killed, so a plugin that hangs ends as status 137 and not as a bench that hangs.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
  ENV_MAX = 64,
  PROGRAMS_MAX = 64,
  INPUTS_MAX = 256,
  STEP_SECONDS_MAX = 120,
  STORM_SECONDS_MAX = 600,
  COLD_MAX = 2,
  ANSWER_BYTES_MAX = 64 * 1024, /* what a pipe holds: a longer answer ends as status 137 */
};

struct step {
  int program;
  int input;
  char *env; /* tab-separated NAME=VALUE fields, 0 when there are none */
  char *cold[COLD_MAX];
};

static char *programs[PROGRAMS_MAX];
static int program_count;
static char *inputs[INPUTS_MAX];
static int input_count;
static struct step *steps;
static int step_count;
static char *cold[COLD_MAX]; /* what the next step is to find cold */
static volatile pid_t running; /* what the alarm kills */

struct end {
  pid_t pid;
  int status;
  uint64_t at;
};
static pid_t *storm_pids; /* in the order of the plan; these the alarm kills too */
static struct end *ends;  /* in the order in which they ended */
static sem_t started;

static void die(const char *what) {
  fprintf(stderr, "spawn: %s: %s\n", what, strerror(errno));
  exit(2);
}

static void refuse(const char *what) {
  fprintf(stderr, "spawn: %s\n", what);
  exit(2);
}

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Cuts the first tab-separated field off *rest and returns it, 0 when nothing is left. */
static char *field(char **rest) { return *rest ? strsep(rest, "\t") : 0; }

static void read_step(char *rest) {
  char *program = field(&rest), *input = field(&rest);
  if (!program || !input) refuse("a step needs a program and an input");
  if (step_count % 1024 == 0) {
    steps = realloc(steps, (size_t)(step_count + 1024) * sizeof *steps);
    if (!steps) die("memory");
  }
  struct step s = {atoi(program), atoi(input), rest, {0}};
  memcpy(s.cold, cold, sizeof cold);
  memset(cold, 0, sizeof cold);
  if (s.program < 0 || s.program >= program_count) refuse("a step names an unknown program");
  if (s.input < 0 || s.input >= input_count) refuse("a step names an unknown input");
  steps[step_count++] = s;
}

static void read_cold(char *path) {
  int at = 0;
  while (at < COLD_MAX && cold[at]) at++;
  if (at == COLD_MAX) refuse("a step has too many cold paths");
  cold[at] = path;
}

static void read_plan(const char *path) {
  FILE *file = fopen(path, "re");
  if (!file) die(path);
  char *line = 0;
  size_t room = 0;
  ssize_t length;
  while ((length = getline(&line, &room, file)) > 0) {
    if (line[length - 1] == '\n') line[length - 1] = 0;
    char *rest = strdup(line), *kind = field(&rest);
    if (!kind) refuse("a line of the plan is empty");
    if (!strcmp(kind, "program") && rest && program_count < PROGRAMS_MAX)
      programs[program_count++] = rest;
    else if (!strcmp(kind, "input") && rest && input_count < INPUTS_MAX)
      inputs[input_count++] = rest;
    else if (!strcmp(kind, "cold") && rest) read_cold(rest);
    else if (!strcmp(kind, "step")) read_step(rest);
    else refuse("a line of the plan is unknown or one too many");
  }
  free(line);
  fclose(file);
}

static int open_input(const struct step *s) {
  int fd = open(inputs[s->input], O_RDONLY | O_CLOEXEC);
  if (fd < 0) die(inputs[s->input]);
  return fd;
}

/* Starts one process with the two descriptors as stdin and stdout; its number, or -errno. */
static pid_t start(const struct step *s, int in, int out) {
  char *env[ENV_MAX + 1];
  char *argv[] = {programs[s->program], 0};
  char *rest = s->env ? strdup(s->env) : 0, *whole = rest, *one;
  int count = 0;
  while (count < ENV_MAX && (one = field(&rest))) env[count++] = one;
  env[count] = 0;

  posix_spawn_file_actions_t files;
  posix_spawn_file_actions_init(&files);
  posix_spawn_file_actions_adddup2(&files, in, 0);
  posix_spawn_file_actions_adddup2(&files, out, 1);
  pid_t pid;
  int error = posix_spawn(&pid, programs[s->program], &files, 0, argv, env);
  posix_spawn_file_actions_destroy(&files);
  free(whole);
  return error ? -error : pid;
}

static int status_of(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Reads a pipe whose writers are gone and prints it as the last field of a line. */
static void print_answer(FILE *answers, int fd) {
  char bytes[4096];
  ssize_t got;
  int space = 1; /* runs of white space become one space, leading ones none */
  while ((got = read(fd, bytes, sizeof bytes)) > 0)
    for (ssize_t at = 0; at < got; at++) {
      unsigned char c = (unsigned char)bytes[at];
      if (c <= ' ') {
        if (!space) fputc(' ', answers);
        space = 1;
      } else {
        fputc(c, answers);
        space = 0;
      }
    }
  fputc('\n', answers);
}

static void print_line(FILE *out, uint64_t ns, int status, long anon, long peak, int fd) {
  fprintf(out, "%llu\t%d\t%ld\t%ld\t", (unsigned long long)ns, status, anon, peak);
  print_answer(out, fd);
}

/* Its place among those that ended, -1 when it is still running. */
static int collected_at(pid_t pid) {
  for (int e = 0; e < step_count; e++)
    if (ends[e].pid == pid) return e;
  return -1;
}

static void on_alarm(int number) {
  (void)number;
  if (running > 0) kill(running, SIGKILL);
  for (int k = 0; storm_pids && k < step_count; k++)
    if (storm_pids[k] > 0 && collected_at(storm_pids[k]) < 0) kill(storm_pids[k], SIGKILL);
}

static void run_step(const struct step *s, FILE *answers) {
  int in = open_input(s), out[2], status;
  if (pipe2(out, O_CLOEXEC)) die("pipe");
  alarm(STEP_SECONDS_MAX);
  uint64_t begin = now_ns();
  pid_t pid = start(s, in, out[1]);
  if (pid < 0) errno = -pid, die(programs[s->program]);
  running = pid;
  while (wait4(pid, &status, 0, 0) < 0)
    if (errno != EINTR) die("wait4");
  uint64_t took = now_ns() - begin;
  running = 0;
  alarm(0);
  close(in);
  close(out[1]);
  print_line(answers, took, status_of(status), -1, -1, out[0]);
  close(out[0]);
}

/* Drops a file's pages from the page cache; dirty ones can't be dropped, so it is synced first. */
static int forget(const char *path, const struct stat *about, int kind, struct FTW *where) {
  (void)where;
  if (kind != FTW_F || !S_ISREG(about->st_mode)) return 0;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) die(path);
  if (fdatasync(fd)) die(path);
  int error = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  if (error) errno = error, die(path);
  close(fd);
  return 0;
}

static void cold_step(const struct step *s, FILE *answers) {
  for (int at = 0; at < COLD_MAX; at++)
    if (s->cold[at] && nftw(s->cold[at], forget, 16, FTW_PHYS)) die(s->cold[at]);
  run_step(s, answers);
}

/* One number, in KiB, of /proc/PID/status; -1 when it isn't there. */
static long status_kib(pid_t pid, const char *key) {
  char path[64], line[256];
  long value = -1;
  snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
  FILE *file = fopen(path, "re");
  if (!file) return -1;
  while (fgets(line, sizeof line, file))
    if (!strncmp(line, key, strlen(key))) value = atol(line + strlen(key));
  fclose(file);
  return value;
}

/* Does any thread of the process stand in a write to descriptor 1? */
static int stands_in_write(pid_t pid) {
  char path[64], name[128], line[256];
  int found = 0;
  snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
  DIR *tasks = opendir(path);
  if (!tasks) return 0;
  for (struct dirent *entry; (entry = readdir(tasks));) {
    if (entry->d_name[0] == '.') continue;
    snprintf(name, sizeof name, "%s/%.20s/syscall", path, entry->d_name);
    FILE *file = fopen(name, "re");
    if (!file) continue;
    long number = -1;
    unsigned long fd = 0;
    if (fgets(line, sizeof line, file) && sscanf(line, "%ld %lx", &number, &fd) == 2)
      found |= (number == SYS_write || number == SYS_writev) && fd == 1;
    fclose(file);
  }
  closedir(tasks);
  return found;
}

static void memory_step(const struct step *s, FILE *answers) {
  static char filler[ANSWER_BYTES_MAX];
  int in = open_input(s), out[2], status;
  if (pipe2(out, O_CLOEXEC)) die("pipe");
  int room = fcntl(out[1], F_GETPIPE_SZ);
  if (room <= 0 || room > ANSWER_BYTES_MAX) refuse("the pipe has an unexpected size");
  if (write(out[1], filler, (size_t)room) != room) die("filling the pipe");
  uint64_t begin = now_ns();
  pid_t pid = start(s, in, out[1]);
  if (pid < 0) errno = -pid, die(programs[s->program]);
  close(in);
  close(out[1]);
  long anon = -1, peak = -1;
  for (int tries = 0; tries < STEP_SECONDS_MAX * 1000; tries++) {
    siginfo_t gone = {0};
    if (!waitid(P_PID, (id_t)pid, &gone, WEXITED | WNOHANG | WNOWAIT) && gone.si_pid) break;
    if (stands_in_write(pid)) {
      anon = status_kib(pid, "RssAnon:");
      peak = status_kib(pid, "VmHWM:");
      break;
    }
    usleep(1000);
  }
  for (int left = room; left > 0;) { /* now let the answer through */
    ssize_t got = read(out[0], filler, (size_t)left);
    if (got <= 0) die("emptying the pipe");
    left -= (int)got;
  }
  memset(filler, 0, sizeof filler);
  alarm(STEP_SECONDS_MAX);
  running = pid;
  while (wait4(pid, &status, 0, 0) < 0)
    if (errno != EINTR) die("wait4");
  running = 0;
  alarm(0);
  print_line(answers, now_ns() - begin, status_of(status), anon, peak, out[0]);
  close(out[0]);
}

/* The storm: the main thread starts, this one collects. A post of `started` stands for one
 * child that is there to be waited for, so wait4 never finds none. */
static void *collect(void *unused) {
  (void)unused;
  for (int k = 0; k < step_count; k++) {
    while (sem_wait(&started))
      if (errno != EINTR) die("sem_wait");
    while ((ends[k].pid = wait4(-1, &ends[k].status, 0, 0)) < 0)
      if (errno != EINTR) die("wait4");
    ends[k].at = now_ns();
  }
  return 0;
}

static void storm(FILE *answers) {
  pid_t *pids = calloc((size_t)step_count, sizeof *pids);
  ends = calloc((size_t)step_count, sizeof *ends);
  int *ins = calloc((size_t)step_count, sizeof *ins);
  int(*pipes)[2] = calloc((size_t)step_count, sizeof *pipes);
  if (!pids || !ends || !ins || !pipes) die("memory");
  storm_pids = pids;
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  for (int k = 0; k < step_count; k++) {
    ins[k] = open_input(&steps[k]);
    if (pipe2(pipes[k], O_CLOEXEC)) die("pipe");
  }
  pthread_t collector;
  sem_init(&started, 0, 0);
  if (pthread_create(&collector, 0, collect, 0)) die("pthread_create");
  alarm(STORM_SECONDS_MAX);
  uint64_t begin = now_ns();
  for (int k = 0; k < step_count; k++) {
    pids[k] = start(&steps[k], ins[k], pipes[k][1]);
    if (pids[k] < 0) errno = -pids[k], die(programs[steps[k].program]);
    sem_post(&started);
  }
  pthread_join(collector, 0);
  alarm(0);
  for (int k = 0; k < step_count; k++) {
    const struct end *end = &ends[collected_at(pids[k])];
    close(pipes[k][1]);
    print_line(answers, end->at - begin, status_of(end->status), -1, -1, pipes[k][0]);
  }
}

int main(int argc, char **argv) {
  if (argc != 4) refuse("usage: spawn run|cold|storm|memory PLAN ANSWERS");
  read_plan(argv[2]);
  FILE *answers = fopen(argv[3], "we");
  if (!answers) die(argv[3]);
  struct sigaction action = {.sa_handler = on_alarm};
  sigaction(SIGALRM, &action, 0);
  void (*one)(const struct step *, FILE *) = 0;
  if (!strcmp(argv[1], "run")) one = run_step;
  else if (!strcmp(argv[1], "cold")) one = cold_step;
  else if (!strcmp(argv[1], "memory")) one = memory_step;
  if (one)
    for (int k = 0; k < step_count; k++) one(&steps[k], answers);
  else if (!strcmp(argv[1], "storm")) storm(answers);
  else refuse("the mode is run, cold, storm or memory");
  if (fclose(answers)) die(argv[3]);
  return 0;
}
