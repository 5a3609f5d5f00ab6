/*
 * What a packet costs that is not chosen: sends datagrams of 64 bytes over the loopback, 64 a system call, to a socket that
 * nobody reads, and prints the CPU time of each. Over the loopback the whole way of a packet, in and out, is done in the
 * sender's time.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum { BATCH = 64, BYTES = 64 };

static double cpu_nanos(void) {
  struct timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return now.tv_sec * 1e9 + now.tv_nsec;
}

int main(int argc, char **argv) {
  long wanted = argc > 1 ? atol(argv[1]) : 1000000;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(9)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int receiver = socket(AF_INET, SOCK_DGRAM, 0), sender = socket(AF_INET, SOCK_DGRAM, 0);
  if (bind(receiver, (void *)&address, sizeof address) || connect(sender, (void *)&address, sizeof address)) {
    perror("packet-cost");
    return 1;
  }
  char payload[BYTES] = {0};
  struct iovec data = {payload, sizeof payload};
  struct mmsghdr batch[BATCH];
  memset(batch, 0, sizeof batch);
  for (int i = 0; i < BATCH; i++) batch[i].msg_hdr = (struct msghdr){.msg_iov = &data, .msg_iovlen = 1};
  long sent = 0;
  double began = cpu_nanos();
  while (sent < wanted) {
    int count = sendmmsg(sender, batch, BATCH, 0);
    if (count < 0) {
      perror("packet-cost: sendmmsg");
      return 1;
    }
    sent += count;
  }
  printf("%.0f\n", (cpu_nanos() - began) / sent);
  return 0;
}
