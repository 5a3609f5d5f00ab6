/*
 * How long a datagram is under way, there and back:
 *
 *     round-trip echo PORT
 *     round-trip ask ADDRESS PORT COUNT
 *
 * `ask` sends one, waits for it to come back, and sends the next; it prints the median and the 99th percentile in
 * nanoseconds, and how many never came back within 100 ms.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

static long nanos(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000000L + time.tv_nsec;
}

static int by_size(const void *a, const void *b) {
  long left = *(const long *)a, right = *(const long *)b;
  return (left > right) - (left < right);
}

static int echo(int fd, struct sockaddr_in *here) {
  char data[2048];
  if (bind(fd, (void *)here, sizeof *here)) return 1;
  puts("ready");
  fflush(stdout);
  for (;;) {
    struct sockaddr_in who;
    socklen_t length = sizeof who;
    ssize_t got = recvfrom(fd, data, sizeof data, 0, (void *)&who, &length);
    if (got > 0) sendto(fd, data, got, 0, (void *)&who, length);
  }
}

static int ask(int fd, struct sockaddr_in *there, long count) {
  long *took = calloc(count, sizeof *took), number = 0, got = 0, lost = 0;
  struct timeval patience = {.tv_usec = 100000};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (!took || connect(fd, (void *)there, sizeof *there)) return 1;
  for (; number < count; number++) {
    char data[64] = {0};
    long answer = -1, began = nanos();
    memcpy(data, &number, sizeof number);
    send(fd, data, sizeof data, 0);
    /* A late answer to an earlier one is none. */
    while (answer != number && recv(fd, data, sizeof data, 0) > 0) memcpy(&answer, data, sizeof answer);
    if (answer == number) took[got++] = nanos() - began;
    else lost++;
  }
  if (got == 0) return 1;
  qsort(took, got, sizeof *took, by_size);
  printf("%ld %ld %ld\n", took[got / 2], took[got * 99 / 100], lost);
  return 0;
}

int main(int argc, char **argv) {
  struct sockaddr_in address = {.sin_family = AF_INET};
  int fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (argc == 3 && strcmp(argv[1], "echo") == 0) {
    address.sin_port = htons(atoi(argv[2]));
    return echo(fd, &address);
  }
  if (argc != 5 || strcmp(argv[1], "ask") != 0 || inet_pton(AF_INET, argv[2], &address.sin_addr) != 1) return 2;
  address.sin_port = htons(atoi(argv[3]));
  return ask(fd, &address, atol(argv[4]));
}
