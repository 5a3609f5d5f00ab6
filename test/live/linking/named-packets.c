/*
 * Sends packets whose payload names them, so that whoever sees one knows which it is.
 *
 *     named-packets send CPU FIRST-NAME COUNT BURST PAUSE-US FLOW…
 *     named-packets echo PORT…
 *
 * It sends BURST packets whenever PAUSE-US microseconds are over, by the machine's clock: so all senders start their bursts together.
 * A FLOW is KIND:SOURCE:PORT:DESTINATION:PORT, and packets go round the flows. The payload starts with the name, 32 bits in network order. KIND:
 *   u  UDP of an ordinary socket: identification 0, don't fragment, and of the checksum only the addresses' part (CHECKSUM_PARTIAL)
 *   c  the same, connected: an identification that counts
 *   f  the same, 3000 bytes: in fragments
 *   r  UDP with a whole checksum, identification 0, don't fragment
 *   z  UDP without a checksum: all headers of a flow are alike
 *   a  TCP segments of a connection long under way; the acknowledgement number is the name, so that a reset carries it
 *   t  the same SYN again and again, and a payload that leaves the checksum alike
 *   i  ICMP echo, identifier and sequence alike, and a payload that leaves the checksum alike
 *   e  ICMP echo with a sequence number that counts
 * `echo` sends each datagram back with the highest bit of its name set.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST_FLOWS 512

struct flow {
  char kind;
  int fd;
  struct sockaddr_in from, to;
  uint32_t count;
};

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static uint32_t sum16(const void *data, size_t length, uint32_t sum) {
  const uint8_t *bytes = data;
  for (size_t i = 0; i + 1 < length; i += 2) sum += bytes[i] << 8 | bytes[i + 1];
  return sum;
}

static uint16_t folded(uint32_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return ~sum;
}

static void put16(uint8_t *at, uint32_t value) {
  at[0] = value >> 8;
  at[1] = value;
}

static void put32(uint8_t *at, uint32_t value) {
  put16(at, value >> 16);
  put16(at + 2, value);
}

static int open_flow(struct flow *flow) {
  int on = 1, size = 1 << 20;
  int is_raw = strchr("rzatie", flow->kind) != NULL;
  int fd = socket(AF_INET, is_raw ? SOCK_RAW : SOCK_DGRAM, is_raw ? IPPROTO_RAW : 0);
  if (fd < 0) fail("socket");
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  if (is_raw) return fd;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  if (bind(fd, (struct sockaddr *)&flow->from, sizeof flow->from) < 0) fail("bind");
  if (flow->kind == 'c' && connect(fd, (struct sockaddr *)&flow->to, sizeof flow->to) < 0) fail("connect");
  return fd;
}

/* IP header of 20 bytes and what follows; the kernel fills in length and checksum, and leaves an identification of 0. */
static size_t build(struct flow *flow, uint32_t name, uint8_t *packet) {
  uint8_t *l4 = packet + 20, *payload;
  uint8_t protocol;
  size_t length;
  uint16_t sport = ntohs(flow->from.sin_port), dport = ntohs(flow->to.sin_port);
  int is_alike = strchr("zti", flow->kind) != NULL;
  memset(packet, 0, 128);
  switch (flow->kind) {
    case 'a':
    case 't':
      protocol = IPPROTO_TCP;
      payload = l4 + 20;
      put16(l4, sport);
      put16(l4 + 2, dport);
      put32(l4 + 4, flow->kind == 't' ? 4711 : 100000 + flow->count * 16);
      put32(l4 + 8, flow->kind == 't' ? 0 : name);
      l4[12] = 5 << 4;
      l4[13] = flow->kind == 't' ? 0x02 : 0x10;
      put16(l4 + 14, 1000);
      break;
    case 'i':
    case 'e':
      protocol = IPPROTO_ICMP;
      payload = l4 + 8;
      l4[0] = 8;
      put16(l4 + 4, sport);
      put16(l4 + 6, flow->kind == 'i' ? 1 : flow->count);
      break;
    default:
      protocol = IPPROTO_UDP;
      payload = l4 + 8;
      put16(l4, sport);
      put16(l4 + 2, dport);
  }
  length = payload - l4 + 16;
  put32(payload, name);
  if (is_alike) put32(payload + 4, ~name);
  if (protocol == IPPROTO_UDP) put16(l4 + 4, length);
  packet[0] = 0x45;
  packet[6] = 0x40;
  packet[8] = 64;
  packet[9] = protocol;
  memcpy(packet + 12, &flow->from.sin_addr, 4);
  memcpy(packet + 16, &flow->to.sin_addr, 4);
  uint32_t pseudo = protocol == IPPROTO_ICMP ? 0 : sum16(packet + 12, 8, protocol + length);
  uint16_t check = folded(sum16(l4, length, pseudo));
  if (protocol == IPPROTO_ICMP) put16(l4 + 2, check);
  if (protocol == IPPROTO_TCP) put16(l4 + 16, check);
  if (flow->kind == 'r') put16(l4 + 6, check ? check : 0xffff);
  return 20 + length;
}

static void send_one(struct flow *flow, uint32_t name) {
  uint8_t packet[4096] = {0};
  size_t length = 24;
  if (strchr("rzatie", flow->kind)) length = build(flow, name, packet);
  else {
    if (flow->kind == 'f') length = 3000;
    put32(packet, name);
  }
  flow->count++;
  /* An ICMP error of an earlier packet is no fault of this one's. */
  for (int tries = 0; tries < 8; tries++) {
    const struct sockaddr *to = flow->kind == 'c' ? NULL : (struct sockaddr *)&flow->to;
    if (sendto(flow->fd, packet, length, 0, to, to ? sizeof flow->to : 0) >= 0) return;
    if (errno == ENOBUFS) usleep(100);
    else if (errno == EPERM) return;
    else if (errno != ECONNREFUSED && errno != EHOSTUNREACH && errno != ENETUNREACH) fail("sendto");
  }
}

static void parse_flow(const char *text, struct flow *flow) {
  char from[64], to[64];
  unsigned sport, dport;
  if (sscanf(text, "%c:%63[0-9.]:%u:%63[0-9.]:%u", &flow->kind, from, &sport, to, &dport) != 5) {
    fprintf(stderr, "no flow: %s\n", text);
    exit(2);
  }
  flow->from = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(sport)};
  flow->to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(dport)};
  inet_pton(AF_INET, from, &flow->from.sin_addr);
  inet_pton(AF_INET, to, &flow->to.sin_addr);
  flow->fd = open_flow(flow);
}

static long microseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000L + now.tv_nsec / 1000;
}

static void run_send(int argc, char **argv) {
  static struct flow flows[MOST_FLOWS];
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(atoi(argv[0]), &cpus);
  sched_setaffinity(0, sizeof cpus, &cpus);
  uint32_t name = strtoul(argv[1], NULL, 0), count = strtoul(argv[2], NULL, 0), burst = strtoul(argv[3], NULL, 0);
  long pause_us = strtol(argv[4], NULL, 0);
  int many = argc - 5;
  if (many > MOST_FLOWS) many = MOST_FLOWS;
  for (int i = 0; i < many; i++) parse_flow(argv[5 + i], &flows[i]);
  for (uint32_t i = 0; i < count; i++) {
    send_one(&flows[i % many], name + i);
    if ((i + 1) % burst == 0) usleep(pause_us - microseconds() % pause_us);
  }
}

static void run_echo(int argc, char **argv) {
  struct pollfd fds[64];
  int many = argc > 64 ? 64 : argc, size = 4 << 20;
  for (int i = 0; i < many; i++) {
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[i]))};
    fds[i].fd = socket(AF_INET, SOCK_DGRAM, 0);
    fds[i].events = POLLIN;
    setsockopt(fds[i].fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (bind(fds[i].fd, (struct sockaddr *)&here, sizeof here) < 0) fail("bind");
  }
  puts("ready");
  fflush(stdout);
  for (;;) {
    if (poll(fds, many, -1) < 0) fail("poll");
    for (int i = 0; i < many; i++) {
      uint8_t data[4096];
      struct sockaddr_in who;
      socklen_t length = sizeof who;
      if (!(fds[i].revents & POLLIN)) continue;
      ssize_t got = recvfrom(fds[i].fd, data, sizeof data, MSG_DONTWAIT, (struct sockaddr *)&who, &length);
      if (got < 4) continue;
      data[0] |= 0x80;
      sendto(fds[i].fd, data, got, MSG_DONTWAIT, (struct sockaddr *)&who, length);
    }
  }
}

int main(int argc, char **argv) {
  if (argc >= 8 && strcmp(argv[1], "send") == 0) run_send(argc - 2, argv + 2);
  else if (argc >= 3 && strcmp(argv[1], "echo") == 0) run_echo(argc - 2, argv + 2);
  else return 2;
  return 0;
}
