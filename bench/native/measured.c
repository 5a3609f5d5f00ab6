/*
 * Runs a command and writes to file descriptor 3 what it took: wall-clock seconds, CPU seconds, the high-water mark of its
 * resident memory in KiB (of the largest process, where there are several), and its exit status (128 and the signal's
 * number for one that a signal ended).
 *
 *     measured COMMAND ARGUMENT…
 *
 * Small on purpose: what `wait4` says of a child begins with what its parent occupied at the fork.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
static pid_t child;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

/* Whoever ends us means the command. */
static void pass_on(int number) {
  if (child > 0) kill(child, number);
}

int main(int argc, char **argv) {
  struct rusage used;
  int status;
  if (argc < 2) return 2;
  fcntl(3, F_SETFD, FD_CLOEXEC);
  double began = now();
  int failed = posix_spawnp(&child, argv[1], NULL, NULL, argv + 1, environ);
  if (failed) {
    fprintf(stderr, "measured: %s: %s\n", argv[1], strerror(failed));
    return 127;
  }
  signal(SIGTERM, pass_on);
  signal(SIGINT, pass_on);
  while (wait4(child, &status, 0, &used) < 0)
    if (errno != EINTR) return 1;
  double wall = now() - began;
  double cpu = used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
  int ended = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  dprintf(3, "%.6f %.6f %ld %d\n", wall, cpu, used.ru_maxrss, ended);
  return 0;
}
