/** Part of the script: what runs, in order, and how it ends. The MANIFEST says what each file of the collection is. */
export const MAIN = String.raw`
nl='
'
dir=
name=
guardian=
armed=
mechanism=
export LC_ALL=C TZ=UTC
umask 077
: "${"$"}{NFPATH_MECHANISM:=auto}" "${"$"}{NFPATH_CAPTURE:=auto}"

say() { printf 'nfpath: %s\n' "$1" >&2; }
die() {
  say "$1"
  exit 3
}
have() { command -v "$1" >/dev/null 2>&1; }
manifest() { printf '%s\n' "$*" >>"$dir/MANIFEST"; }
note() {
  say "note: $1"
  manifest note "$1"
}

make_directory() {
  host=$(uname -n 2>/dev/null) || host=host
  case $host in '' | *[!A-Za-z0-9._-]*) host=host ;; esac
  now=$(date -u +%s)
  case $now in '' | *[!0-9]*) die "date +%s tells no time here; install coreutils or busybox" ;; esac
  deadline=$((now + seconds + 5))
  id=$((now % 100000000))$$
  name=nfpath-$host-$(date -u +%Y%m%dT%H%M%SZ)
  if [ -e "$name" ]; then name=$name-$$; fi
  mkdir "$name" || die "no directory can be made here; change to one where you may write"
  dir=$(pwd)/$name
  if ! { manifest nfpath collection 1 && : >"$dir/readers"; }; then die "cannot write into $dir; is the disk full?"; fi
  manifest version "$version"
  manifest id "$id"
  manifest host "$host"
  manifest filter "$filter"
  manifest begin "$(utc "$now")"
}

finish() {
  status=$?
  trap - EXIT
  trap '' INT TERM HUP
  if [ -z "$dir" ]; then exit "$status"; fi
  if [ -n "$armed" ]; then before_the_end; fi
  undo_all
  if [ -n "$armed" ]; then sleep 1; fi
  stop_captures
  if [ -n "$guardian" ]; then kill "$guardian" 2>/dev/null; fi
  left=$(not_undone)
  if [ -n "$left" ]; then
    say "not everything could be taken back:$left finish it with: sh $dir/undo.sh"
    status=1
  else
    rm -f "$dir/undo.sh" "$dir/readers"
  fi
  hand_over
  exit "$status"
}

before_the_end() {
  if [ "$mechanism" = nft ]; then count_marked; fi
  for be_value in $logger_values; do
    be_now=
    read -r be_now <"/proc/sys/net/netfilter/nf_log/$(before_sign "$be_value")"
    case $be_value in *="$be_now") ;; *) note "somebody set net.netfilter.nf_log during the trace: legacy steps are missing from then on" ;; esac
  done
  compare_rules
}

before_sign() { # NAME=VALUE
  IFS='=' read -r bs_name bs_rest <<END
$1
END
  : "$bs_rest"
  printf '%s' "$bs_name"
}

# The first counter of our chain counts the packets meant, the second those marked.
count_marked() {
  cm_meant=
  cm_marked=
  cm_before=
  for cm_word in $(nft list chain inet "$table" chosen 2>/dev/null); do
    case $cm_before$cm_word in
      packets*[!0-9]* | packets) ;;
      packets*) if [ -z "$cm_meant" ]; then cm_meant=$cm_word; else cm_marked=$cm_word; fi ;;
    esac
    cm_before=$cm_word
  done
  if [ -n "$cm_marked" ] && [ "$cm_meant" -gt "$cm_marked" ]; then
    note "$((cm_meant - cm_marked)) of $cm_meant chosen packets were not traced, because of the limit of $rate a second"
  fi
}

hand_over() {
  if [ -s "$dir/trace.log" ]; then manifest file trace trace.log; fi
  if [ -s "$dir/trace.pcap" ]; then manifest file nflog trace.pcap; fi
  if [ -s "$dir/tcpdump.txt" ]; then manifest file facts tcpdump.txt; fi
  if ! [ -s "$dir/errors.txt" ]; then rm -f "$dir/errors.txt"; fi
  manifest mechanism "$mechanism"
  manifest end "$(utc "$(date -u +%s)")"
  if have tar && tar -cf "$name.tar" "$name"; then
    say "collected in $name.tar; where nfpath is: nfpath explain $name.tar"
  else
    say "collected in $name; where nfpath is: nfpath explain $name"
  fi
}

wait_for_the_end() {
  say "tracing for $seconds s by $mechanism; Ctrl-C ends it"
  wf_left=$seconds
  while [ "$wf_left" -gt 0 ]; do
    sleep 1 &
    wait $!
    wf_left=$((wf_left - 1))
    check_captures || return 0
  done
}

case $(id -u 2>/dev/null) in '' | 0) ;; *) die "root is needed: sudo sh $0" ;; esac
# A user's PATH often lacks the directories of administrators.
if ! have nft && ! have iptables && ! have iptables-legacy && ! have iptables-nft; then
  PATH=$PATH:/usr/sbin:/sbin:/usr/local/sbin
fi
make_directory
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
choose_mechanism
choose_capture
start_guardian
start_captures
arm
take_snapshot
wait_for_the_end
`;
