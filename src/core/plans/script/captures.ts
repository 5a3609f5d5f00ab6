/**
 * Part of the script: the readers. Kernel log, nft monitor and xtables-monitor append to one file as they speak, so that
 * legacy and nft steps of a packet stand together; tcpdump writes a capture of its own.
 *
 * `cat` gives up when the kernel overwrites records before it has read them (EPIPE); the open file goes on behind the
 * hole, and the records' numbers show how wide it was.
 */
export const CAPTURES = String.raw`
readers=
kmsg_reader=
log_reader=

remember() { # PID
  readers="$readers $1"
  printf '%s\n' "$1" >>"$dir/readers"
}

can_read_kmsg() { (: </dev/kmsg) 2>/dev/null; }

choose_log_reader() {
  if can_read_kmsg; then
    log_reader=kmsg
  elif have dmesg && case $(dmesg --help 2>&1) in *--follow*) ;; *) false ;; esac && dmesg >/dev/null 2>&1; then
    log_reader=dmesg
  elif have journalctl && journalctl -k -n 1 >/dev/null 2>&1; then
    log_reader=journalctl
  fi
}

# How legacy TRACE events will be read: the kernel log, or netlink group 0 through tcpdump.
choose_capture() {
  capture=none
  if [ "$mechanism" != iptables-legacy ] && ! is_legacy_in_use; then return 0; fi
  choose_log_reader
  case $NFPATH_CAPTURE in
    nflog) have tcpdump || die "NFPATH_CAPTURE=nflog needs tcpdump; install it" ; capture=nflog ;;
    log) [ -n "$log_reader" ] || die "the kernel log cannot be read here; use NFPATH_CAPTURE=nflog with tcpdump" ; capture=log ;;
    auto)
      if [ -n "$log_reader" ] && is_first_netns; then
        capture=log
      elif have tcpdump; then
        capture=nflog
      elif [ -n "$log_reader" ]; then
        capture=log
        note "in this network namespace TRACE reaches the kernel log only while net.netfilter.nf_log_all_netns is 1 in the first one"
      else
        die "neither the kernel log nor tcpdump is there to read TRACE from; install tcpdump"
      fi ;;
    *) die "NFPATH_CAPTURE is auto, log or nflog" ;;
  esac
}

start_captures() {
  case $capture in
    log) start_log ;;
    nflog) start_nflog ;;
  esac
  # A capture and nft's trace have no clock in common: where only our own table would speak, the capture alone tells more.
  case $capture-$mechanism-$nft_tables in
    nflog-nft-) ;;
    *-iptables-nft-*) xtables-monitor --trace >>"$dir/trace.log" 2>>"$dir/errors.txt" & remember $! ;;
    *-nft-*) nft monitor trace >>"$dir/trace.log" 2>>"$dir/errors.txt" & remember $! ;;
  esac
  sleep 1
  for sc_reader in $readers; do
    kill -0 "$sc_reader" 2>/dev/null || die "a reader of the trace ended at once; see errors.txt and tcpdump.txt in $dir"
  done
}

start_log() {
  use_logger 2 'nf_log_ipv4 ipt_LOG' 'nf_log_syslog nf_log_ipv4 ipt_LOG' ||
    die "no kernel module logs IPv4 packets (nf_log_syslog, nf_log_ipv4, ipt_LOG); install the kernel's modules, or use tcpdump with NFPATH_CAPTURE=nflog"
  if [ -e /proc/net/if_inet6 ] && ! use_logger 10 'nf_log_ipv6 ip6t_LOG' 'nf_log_syslog nf_log_ipv6 ip6t_LOG'; then
    note "no kernel module logs IPv6 packets: legacy ip6tables stays silent"
  fi
  mark=
  if (printf '<6>nfpath %s: a trace begins here\n' "$id" >/dev/kmsg) 2>/dev/null; then mark="nfpath $id: a trace begins here"; fi
  case $log_reader in
    kmsg) exec 4</dev/kmsg; read_kmsg ;;
    dmesg) dmesg -w >>"$dir/trace.log" 2>>"$dir/errors.txt" & remember $! ;;
    journalctl) mark=; journalctl -k -f -n 0 -o short-monotonic >>"$dir/trace.log" 2>>"$dir/errors.txt" & remember $! ;;
  esac
}

read_kmsg() {
  cat <&4 >>"$dir/trace.log" 2>>"$dir/errors.txt" &
  kmsg_reader=$!
  printf '%s\n' "$kmsg_reader" >>"$dir/readers"
}

# tcpdump binds the IPv4 family to netlink and leaves it so; the settings are noted before, and put back by the undo.
# Its buffer is 128 bytes larger than what it wants of a packet (libpcap's pcap-netfilter-linux.c): a packet that is cut for it
# comes with more than that beside it, and tcpdump ends with "Message truncated". So none is cut.
start_nflog() {
  load_module nfnetlink_log || :
  use_logger 2 nfnetlink_log nfnetlink_log || die "this kernel has no nfnetlink_log for tcpdump to read; try NFPATH_CAPTURE=log"
  if [ -e /proc/net/if_inet6 ]; then use_logger 10 nfnetlink_log nfnetlink_log || :; fi
  tcpdump -i nflog:0 -s 262144 -B 8192 -U -w - >"$dir/trace.pcap" 2>"$dir/tcpdump.txt" &
  remember $!
}

# Fails when a reader has ended by itself.
check_captures() {
  if [ -n "$kmsg_reader" ] && ! kill -0 "$kmsg_reader" 2>/dev/null; then read_kmsg; fi
  for cc_reader in $readers; do
    if kill -0 "$cc_reader" 2>/dev/null; then continue; fi
    note "a reader ended during the trace (see errors.txt and tcpdump.txt): what came later is missing"
    return 1
  done
}

stop_captures() {
  for st_reader in $readers $kmsg_reader; do kill "$st_reader" 2>/dev/null; done
  for st_reader in $readers $kmsg_reader; do wait "$st_reader" 2>/dev/null; done
  trim_log
}

# What the kernel logged before is nobody's business here, and might hold somebody's older trace.
trim_log() {
  if [ -z "$mark" ] || ! [ -f "$dir/trace.log" ]; then return 0; fi
  tl_seen=
  while IFS= read -r tl_line; do
    if [ -n "$tl_seen" ]; then
      cat
      break
    fi
    case $tl_line in *"$mark"*) tl_seen=yes ;; esac
  done <"$dir/trace.log" >"$dir/trace.new"
  if [ -n "$tl_seen" ]; then mv "$dir/trace.new" "$dir/trace.log"; else rm -f "$dir/trace.new"; fi
}
mark=
`;
