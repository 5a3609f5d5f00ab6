/*
 * Does nothing with the kernel's trace messages but receive and count them: what is lost here, no reader can have.
 *
 *     sink nftrace|nflog
 *
 * Prints `ready` when it hears, and when standard input ends takes what is queued and prints how many messages it had and how
 * many the kernel could not queue for it. Its buffer is as large as nfpath's.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER = 64 << 20, SLOTS = 128, SLOT_BYTES = 8192, COPY_BYTES = 256 };

static char slots[SLOTS][SLOT_BYTES];

static void fail(const char *what) {
  perror(what);
  _exit(1);
}

static void configure(int fd, int attribute, const void *value, int length) {
  struct {
    struct nlmsghdr head;
    struct nfgenmsg generic;
    struct nlattr attribute;
    char value[16];
  } message = {
      .head = {.nlmsg_type = NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_CONFIG, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
      .attribute = {.nla_len = NLA_HDRLEN + length, .nla_type = attribute},
  };
  struct {
    struct nlmsghdr head;
    struct nlmsgerr error;
    char rest[1024];
  } answer;
  memcpy(message.value, value, length);
  message.head.nlmsg_len = offsetof(typeof(message), value) + NLA_ALIGN(length);
  if (send(fd, &message, message.head.nlmsg_len, 0) < 0) fail("sink: send");
  do
    if (recv(fd, &answer, sizeof answer, 0) < 0) fail("sink: recv");
  while (answer.head.nlmsg_type != NLMSG_ERROR);
  errno = -answer.error.error;
  if (errno) fail("sink: the kernel refused the group");
}

static void bind_nflog(int fd) {
  struct nfulnl_msg_config_cmd command = {.command = NFULNL_CFG_CMD_BIND};
  struct nfulnl_msg_config_mode mode = {.copy_range = htonl(COPY_BYTES), .copy_mode = NFULNL_COPY_PACKET};
  uint32_t size = htonl(256), threshold = htonl(1);
  configure(fd, NFULA_CFG_CMD, &command, sizeof command);
  configure(fd, NFULA_CFG_MODE, &mode, sizeof mode);
  configure(fd, NFULA_CFG_NLBUFSIZ, &size, sizeof size);
  configure(fd, NFULA_CFG_QTHRESH, &threshold, sizeof threshold);
}

static uint32_t dropped(int fd) {
  uint32_t words[SK_MEMINFO_VARS] = {0};
  socklen_t length = sizeof words;
  getsockopt(fd, SOL_SOCKET, SO_MEMINFO, words, &length);
  return words[SK_MEMINFO_DROPS];
}

static uint64_t messages_in(char *datagram, int length) {
  uint64_t count = 0;
  for (struct nlmsghdr *head = (void *)datagram; NLMSG_OK(head, (unsigned)length); head = NLMSG_NEXT(head, length))
    if (head->nlmsg_type >= NLMSG_MIN_TYPE) count++;
  return count;
}

int main(int argc, char **argv) {
  int size = BUFFER, group = NFNLGRP_NFTRACE, is_over = 0;
  uint64_t messages = 0;
  struct sockaddr_nl here = {.nl_family = AF_NETLINK};
  if (argc != 2) return 2;
  int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);
  if (fd < 0 || bind(fd, (void *)&here, sizeof here)) fail("sink: socket");
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size)) fail("sink: SO_RCVBUFFORCE");
  if (strcmp(argv[1], "nflog") == 0) bind_nflog(fd);
  else if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group)) fail("sink: group");
  puts("ready");
  fflush(stdout);
  struct iovec data[SLOTS];
  struct mmsghdr batch[SLOTS];
  memset(batch, 0, sizeof batch);
  for (int i = 0; i < SLOTS; i++) {
    data[i] = (struct iovec){slots[i], SLOT_BYTES};
    batch[i].msg_hdr = (struct msghdr){.msg_iov = &data[i], .msg_iovlen = 1};
  }
  for (;;) {
    struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.fd = is_over ? -1 : 0, .events = POLLIN}};
    if (poll(fds, 2, is_over ? 200 : -1) == 0) break;
    if (fds[1].revents) is_over = 1;
    if (!fds[0].revents) continue;
    int count = recvmmsg(fd, batch, SLOTS, MSG_DONTWAIT, NULL);
    for (int i = 0; i < count; i++) messages += messages_in(slots[i], batch[i].msg_len);
  }
  printf("%llu %u\n", (unsigned long long)messages, dropped(fd));
  return 0;
}
