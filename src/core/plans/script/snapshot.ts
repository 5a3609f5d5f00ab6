/**
 * Part of the script: what the host looks like while the trace runs. Only reads; legacy iptables is asked only where it is in
 * use, because asking would create its tables.
 */
export const SNAPSHOT = String.raw`
take_snapshot() {
  take_rules rules
  {
    if have ip; then
      for ts_words in 'address show' 'rule show' '-6 rule show' 'route show table all' '-6 route show table all' 'neighbour show'; do
        printf '# ip %s\n' "$ts_words"
        # shellcheck disable=SC2086 # words
        ip $ts_words
      done
      # What kind each is; busybox has no -d.
      printf '# ip -d link show\n'
      ip -d link show 2>/dev/null
    else
      for ts_file in /proc/net/dev /proc/net/route /proc/net/fib_trie /proc/net/ipv6_route /proc/net/if_inet6 /proc/net/arp; do
        if [ -r "$ts_file" ]; then
          printf '# %s\n' "$ts_file"
          cat "$ts_file"
        fi
      done
    fi
    list_queues
    list_groups
    list_ipsets
  } >"$dir/network.txt" 2>&1
  list_interfaces >"$dir/interfaces.txt" 2>/dev/null
  list_settings >"$dir/settings.txt" 2>/dev/null
  { uname -a; cat /etc/os-release /proc/uptime /proc/modules; } >"$dir/host.txt" 2>/dev/null
  for ts_file in network.txt interfaces.txt settings.txt host.txt; do manifest file facts "$ts_file"; done
}

# The queues on which a program waits; without the kernel's module nobody can.
list_queues() {
  lq_folder=/proc/net/netfilter
  lq_file=$lq_folder/nfnetlink_queue
  if [ -r "$lq_file" ]; then
    printf '# cat %s\n' "$lq_file"
    cat "$lq_file"
  elif [ -d "$lq_folder" ] && [ ! -e "$lq_file" ]; then
    printf '# cat %s\n' "$lq_file"
  fi
}

# Joined multicast groups, and the sources that sockets asked for.
list_groups() {
  for lg_file in igmp igmp6 mcfilter; do
    if [ -r "/proc/net/$lg_file" ]; then
      printf '# cat /proc/net/%s\n' "$lg_file"
      cat "/proc/net/$lg_file"
    fi
  done
}

# Where rules ask them: without one, the program would load the kernel's module for nothing.
list_ipsets() {
  have ipset && grep -q -e --match-set "$dir"/rules-*.txt 2>/dev/null || return 0
  printf '# ipset save\n'
  ipset save
}

take_rules() { # PREFIX
  if have nft; then save_rules "$1-nft.txt" nft -a list ruleset; fi
  if have iptables-legacy-save; then
    if is_legacy_in_use; then
      save_rules "$1-iptables-legacy.txt" iptables-legacy-save -c
      save_rules "$1-ip6tables-legacy.txt" ip6tables-legacy-save -c
    fi
    if have iptables-nft-save; then
      save_rules "$1-iptables-nft.txt" iptables-nft-save -c
      save_rules "$1-ip6tables-nft.txt" ip6tables-nft-save -c
    fi
  elif have iptables-save; then
    save_rules "$1-iptables.txt" iptables-save -c
    save_rules "$1-ip6tables.txt" ip6tables-save -c
  fi
}

save_rules() { # FILE COMMAND…
  sr_file=$1
  shift
  have "$1" || return 0
  if ! "$@" >"$dir/$sr_file" 2>>"$dir/errors.txt"; then note "$* failed: its rules may be missing"; fi
  if [ -s "$dir/$sr_file" ]; then
    case $sr_file in rules-*) manifest file rules "$sr_file" ;; esac
  fi
}

# Index and name of each interface, for captures that know only the index.
list_interfaces() {
  if have ip; then
    ip -o link show | while read -r l_index l_name l_rest; do
      l_name=$(until_sign "$l_name")
      printf '%s %s\n' "$(until_sign "$l_index")" "$l_name"
    done
  else
    # Every interface has addresses of its own groups in one of these.
    while read -r l_index l_name l_rest; do printf '%s %s\n' "$l_index" "$l_name"; done </proc/net/dev_mcast
    while read -r l_address l_hex l_prefix l_scope l_flags l_name; do
      printf '%s %s\n' "$((0x$l_hex))" "$l_name"
    done </proc/net/if_inet6
    while read -r l_index l_name l_rest; do
      case $l_index in [0-9]*) if [ -n "$l_name" ]; then printf '%s %s\n' "$l_index" "$l_name"; fi ;; esac
    done </proc/net/igmp
  fi
  : "$l_rest $l_address $l_prefix $l_scope $l_flags"
}

until_sign() { # NAME[@…][:]
  IFS=@: read -r us_name us_rest <<END
$1
END
  : "$us_rest"
  printf '%s' "$us_name"
}

# A shell reads byte by byte, and the kernel gives a number in one read or not at all (proc_dointvec): so cat, or sysctl for all.
list_settings() {
  if have sysctl; then
    sysctl -a 2>/dev/null | while IFS= read -r ls_line; do
      case $ls_line in
        *secret* | *_key\ *) ;;
        net.ipv4.ip_forward\ * | net.ipv4.conf.* | net.ipv6.conf.* | net.ipv4.icmp_* | net.netfilter.* | net.bridge.*) printf '%s\n' "$ls_line" ;;
      esac
    done
    return 0
  fi
  for ls_file in /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/conf/*/* /proc/sys/net/ipv6/conf/*/* \
    /proc/sys/net/ipv4/icmp_* /proc/sys/net/netfilter/nf_log/* /proc/sys/net/netfilter/nf_* /proc/sys/net/bridge/*; do
    case $ls_file in *secret) continue ;; esac
    if [ -f "$ls_file" ] && ls_value=$(cat "$ls_file"); then printf '%s = %s\n' "$ls_file" "$ls_value"; fi
  done
}

# A second look at the rules, without counters and dates: numbers mean nothing if the rules were others at the end.
compare_rules() {
  have sed || return 0
  take_rules later
  for cr_later in "$dir"/later-*.txt; do
    [ -f "$cr_later" ] || continue
    cr_first=$dir/rules-$(printf '%s' "$cr_later" | sed 's/^.*later-//')
    if [ -f "$cr_first" ] && [ "$(without_counts "$cr_first")" = "$(without_counts "$cr_later")" ]; then
      rm -f "$cr_later"
    else
      note "the rules changed during the trace: compare $(printf '%s' "$cr_later" | sed 's/^.*later-/rules-/') with later-…"
    fi
  done
}

without_counts() { # FILE
  sed -e '/^#/d' -e 's/\[[0-9]*:[0-9]*\]//' -e 's/packets [0-9]* bytes [0-9]*//' "$1"
}
`;
