/*
 * Sends UDP datagrams of 64 bytes at a steady rate, by sendmmsg, from several sockets in turn, and prints how many the kernel
 * took and in how many seconds:
 *
 *     flood ADDRESS PORT RATE SECONDS FLOWS SEED
 *
 * RATE 0 is as fast as it goes. The seed decides which bytes they hold. Each datagram has an identification that counts, since its socket is
 * connected.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { MOST_FLOWS = 1024, MOST_BATCH = 64, BYTES = 64, BURSTS_A_SECOND = 2000 };

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

static void wait_until(double when) {
  struct timespec time = {.tv_sec = (time_t)when, .tv_nsec = (long)((when - (time_t)when) * 1e9)};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

int main(int argc, char **argv) {
  if (argc != 7) return 2;
  double rate = atof(argv[3]), seconds = atof(argv[4]);
  int flows = atoi(argv[5]), fds[MOST_FLOWS];
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
  if (flows < 1 || flows > MOST_FLOWS || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) return 2;
  for (int i = 0; i < flows; i++) {
    int size = 1 << 20;
    fds[i] = socket(AF_INET, SOCK_DGRAM, 0);
    setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    if (connect(fds[i], (void *)&to, sizeof to)) {
      perror("flood: connect");
      return 1;
    }
  }
  srand(atoi(argv[6]));
  char payload[MOST_BATCH][BYTES];
  struct iovec data[MOST_BATCH];
  struct mmsghdr messages[MOST_BATCH];
  memset(messages, 0, sizeof messages);
  for (int i = 0; i < MOST_BATCH; i++) {
    for (int byte = 0; byte < BYTES; byte++) payload[i][byte] = rand();
    data[i] = (struct iovec){payload[i], BYTES};
    messages[i].msg_hdr = (struct msghdr){.msg_iov = &data[i], .msg_iovlen = 1};
  }
  int batch = rate == 0 ? MOST_BATCH : rate / BURSTS_A_SECOND;
  if (batch < 1) batch = 1;
  if (batch > MOST_BATCH) batch = MOST_BATCH;
  uint64_t tried = 0, sent = 0;
  uint64_t most = rate == 0 ? UINT64_MAX : (uint64_t)(rate * seconds);
  double began = now();
  for (int flow = 0; tried < most && (rate > 0 || now() - began < seconds); flow = (flow + 1) % flows) {
    if (rate > 0) wait_until(began + tried / rate);
    /* One that cannot keep the rate gives up when it has taken twice as long. */
    if (rate > 0 && now() - began > 2 * seconds) break;
    int wanted = most - tried < (uint64_t)batch ? (int)(most - tried) : batch;
    int count = sendmmsg(fds[flow], messages, wanted, 0);
    tried += wanted;
    if (count > 0) sent += count;
    /* An ICMP error of an earlier one is no fault of this one's. */
    else if (errno != ECONNREFUSED && errno != ENOBUFS && errno != EAGAIN && errno != EPERM) {
      perror("flood: sendmmsg");
      return 1;
    }
  }
  printf("%llu %.6f\n", (unsigned long long)sent, now() - began);
  return 0;
}
