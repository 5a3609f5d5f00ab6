/**
 * Part of the script: what marks the packets. An nft table of its own where nft can make one, because it adds no rule to
 * anybody's chain and marks for legacy iptables too; otherwise rules in raw, appended and tagged.
 *
 * A rule needs `-m bpf` for what plain matches cannot say, and its deadline needs `-m time`; a host may lack either.
 */
export const MECHANISMS = String.raw`
table=
nft_tables=
ipt4=
ipt6=
wait_flag=
bytecode=
why=

# Whether legacy iptables has a table in this network namespace. Asking this way creates none.
is_legacy_in_use() {
  for li_names in /proc/net/ip_tables_names /proc/net/ip6_tables_names; do
    li_name=
    if [ -r "$li_names" ]; then read -r li_name <"$li_names"; fi
    if [ -n "$li_name" ]; then return 0; fi
  done
  return 1
}

choose_mechanism() {
  mechanism=
  case $NFPATH_MECHANISM in
    auto) try_nft || try_iptables ;;
    nft) try_nft ;;
    iptables) try_iptables ;;
    *) die "NFPATH_MECHANISM is auto, nft or iptables" ;;
  esac
  [ -n "$mechanism" ] || die "packets cannot be marked here:$why"
}

try_nft() {
  if ! have nft; then
    why="$why nft is not installed;"
    return 1
  fi
  if [ -n "$nft_problem" ]; then
    why="$why with nft: $nft_problem;"
    return 1
  fi
  table=nfpath_$id
  nft_tables=$(nft list tables 2>/dev/null)
  for tn_deadline in "    meta time >= $deadline return" ''; do
    write_table "$tn_deadline" || die "cannot write into $dir; is the disk full?"
    if nft -c -f "$dir/table.nft" 2>>"$dir/errors.txt"; then
      mechanism=nft
      if [ -z "$tn_deadline" ]; then note "this nft knows no time: the rules have no deadline of their own"; fi
      return 0
    fi
  done
  why="$why nft refuses our table (see $dir/errors.txt);"
  return 1
}

write_table() { # DEADLINE
  {
    printf 'table inet %s {\n  chain chosen {\n' "$table"
    if [ -n "$1" ]; then printf '%s\n' "$1"; fi
    printf '    counter\n    limit rate %s/second burst %s packets counter meta nftrace set 1 accept\n  }\n' "$rate" "$rate"
    for wt_hook in prerouting output; do
      printf '  chain %s {\n    type filter hook %s priority -350;\n' "$wt_hook" "$wt_hook"
      nft_selectors "$wt_hook"
      printf '  }\n'
    done
    # Empty chains would report two events a packet where a rule makes one.
    for wt_hook in input forward postrouting; do
      printf '  chain %s { type filter hook %s priority 350; accept; }\n' "$wt_hook" "$wt_hook"
    done
    printf '}\n'
  } >"$dir/table.nft"
}

try_iptables() {
  for ti_program in iptables iptables-legacy iptables-nft; do
    have "$ti_program" || continue
    case $("$ti_program" -V 2>/dev/null) in
      *nf_tables*)
        if ! have xtables-monitor; then
          why="$why $ti_program writes nft rules, and neither nft nor xtables-monitor is there to read their trace;"
          continue
        fi
        mechanism=iptables-nft ;;
      *) mechanism=iptables-legacy ;;
    esac
    ipt4=$ti_program
    break
  done
  if [ -z "$ipt4" ]; then
    why="$why no iptables that could be used;"
    return 1
  fi
  case $ipt4 in
    iptables) ipt6=ip6tables ;;
    iptables-legacy) ipt6=ip6tables-legacy ;;
    iptables-nft) ipt6=ip6tables-nft ;;
  esac
  if ! [ -e /proc/net/if_inet6 ]; then
    ipt6=
  elif ! have "$ipt6"; then
    note "$ipt6 is not installed: IPv6 packets are not traced"
    ipt6=
  fi
  # Older versions do not know the lock.
  if "$ipt4" -w -V >/dev/null 2>&1; then wait_flag=-w; fi
  compile_filter
}

# The filter as bytecode for -m bpf, which says exactly what tcpdump means; at most 64 instructions fit.
compile_filter() {
  if [ -z "$tcpdump_filter" ] || ! have tcpdump; then return 0; fi
  cf_lines=$(tcpdump -y RAW -ddd "$tcpdump_filter" 2>>"$dir/errors.txt") || return 0
  cf_count=0
  while read -r cf_line; do
    if [ -n "$bytecode" ]; then bytecode=$bytecode,; fi
    bytecode=$bytecode$cf_line
    cf_count=$((cf_count + 1))
  done <<END
$cf_lines
END
  if [ "$cf_count" -gt 65 ]; then bytecode=; fi
}

arm() {
  case $mechanism in
    nft)
      will_undo "nft delete table inet $table"
      armed=yes
      nft -f "$dir/table.nft" 2>>"$dir/errors.txt" || die "nft refused our table; see $dir/errors.txt" ;;
    *)
      arm_rules ;;
  esac
}

arm_rules() {
  if [ "$mechanism" = iptables-legacy ]; then
    ar_raw=
    if [ -r /proc/net/ip_tables_names ]; then
      while read -r ar_name; do if [ "$ar_name" = raw ]; then ar_raw=yes; fi; done </proc/net/ip_tables_names
    fi
    if [ -z "$ar_raw" ]; then note "iptables had no raw table in use: an empty one stays"; fi
  else
    note "an empty raw table of iptables-nft stays, if there was none"
  fi
  for ar_way in 'bpf time' 'plain time' 'bpf' 'plain'; do
    case $ar_way in
      bpf*) [ -n "$bytecode" ] || continue ;;
      plain*) [ -z "$plain_problem" ] || continue ;;
    esac
    if arm_rules_as "$ar_way"; then
      case $ar_way in *time) ;; *) note "this iptables has no time match: the rules have no deadline of their own" ;; esac
      return 0
    fi
    undo_rules
  done
  if [ -n "$plain_problem" ]; then die "the rules cannot be made here: $plain_problem"; fi
  die "iptables refused the rules; see $dir/errors.txt"
}

arm_rules_as() { # WAY
  way=$1
  for aw_family in $families; do
    case $aw_family in
      4) program=$ipt4 ;;
      6) program=$ipt6 ;;
    esac
    [ -n "$program" ] || continue
    for aw_chain in PREROUTING OUTPUT; do
      case $way in
        bpf*) add_rule "$aw_chain" -m bpf --bytecode "$bytecode" || return 1 ;;
        *) plain_rules "$aw_family" "$aw_chain" || return 1 ;;
      esac
    done
  done
}

# Behind all others in its chain, so that no other rule's number changes.
add_rule() { # CHAIN MATCH…
  ad_chain=$1
  shift
  set -- "$@" -m comment --comment "nfpath:$id" -m limit --limit "$rule_rate/second" --limit-burst "$rule_rate"
  case $way in *time) set -- "$@" -m time --datestop "$(utc "$deadline")" ;; esac
  set -- "$@" -j TRACE
  ad_words=
  for ad_word; do ad_words="$ad_words '$ad_word'"; done
  will_undo "while $program $wait_flag -t raw -D $ad_chain$ad_words; do :; done"
  armed=yes
  # shellcheck disable=SC2086 # one flag or none
  "$program" $wait_flag -t raw -A "$ad_chain" "$@" 2>>"$dir/errors.txt"
}

# Takes back what one way has added before the next is tried.
undo_rules() {
  printf '%s' "$undo_lines" >"$dir/undo.new"
  while read -r ur_line; do
    case $ur_line in 'while ip'*' -t raw -D '*) (eval "$ur_line") >/dev/null 2>&1 ;; esac
  done <"$dir/undo.new"
  rm -f "$dir/undo.new"
}

# 2026-01-31T12:00:00 of seconds since 1970, in UTC: not every date turns them round.
utc() { # SECONDS
  u_days=$(($1 / 86400))
  u_rest=$(($1 % 86400))
  u_year=1970
  u_month=1
  while :; do
    u_leap=$((u_year % 4 == 0 && (u_year % 100 != 0 || u_year % 400 == 0)))
    if [ "$u_days" -lt $((365 + u_leap)) ]; then break; fi
    u_days=$((u_days - 365 - u_leap))
    u_year=$((u_year + 1))
  done
  for u_length in 31 $((28 + u_leap)) 31 30 31 30 31 31 30 31 30 31; do
    if [ "$u_days" -lt "$u_length" ]; then break; fi
    u_days=$((u_days - u_length))
    u_month=$((u_month + 1))
  done
  printf '%04d-%02d-%02dT%02d:%02d:%02d' "$u_year" "$u_month" $((u_days + 1)) \
    $((u_rest / 3600)) $((u_rest / 60 % 60)) $((u_rest % 60))
}
`;
