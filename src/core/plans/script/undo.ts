/**
 * Part of the script: the undo. Each change's undo is on disk before the change, in `undo.sh`, newest first; every line of
 * it does no harm when it runs twice or when its change never happened.
 *
 * It runs in a trap on every exit; if the script is killed outright, a guardian in the background runs it a second later,
 * and by hand `sh undo.sh` does. The marking rules end by themselves at their deadline besides.
 */
export const UNDO = String.raw`
undo_lines=
settings=
will_undo() { # LINE
  undo_lines=$1$nl$undo_lines
  if { printf '%s\n' "$undo_head" && printf '%s' "$undo_lines"; } >"$dir/undo.new" && mv "$dir/undo.new" "$dir/undo.sh"; then
    return 0
  fi
  die "cannot write $dir/undo.sh, so nothing more is changed; is the disk full?"
}
undo_head='#!/bin/sh
# Takes back what nfpath changed here. Run it in the network namespace of the trace; twice does no harm.'

undo_all() {
  if [ -f "$dir/undo.sh" ]; then (. "$dir/undo.sh") >/dev/null 2>&1; fi
}

# What is still changed after the undo, in words; nothing if all is as it was.
not_undone() {
  if [ "$mechanism" = nft ] && nft list table inet "$table" >/dev/null 2>&1; then printf ' table inet %s;' "$table"; fi
  case $mechanism in iptables*)
    for nu_program in "$ipt4" "$ipt6"; do
      [ -n "$nu_program" ] || continue
      case $("$nu_program" -t raw -S 2>/dev/null) in *"nfpath:$id"*) printf ' rules of %s;' "$nu_program" ;; esac
    done ;;
  esac
  for nu_setting in $settings; do
    nu_now=
    read -r nu_now <"/proc/sys/net/netfilter/nf_log/$nu_setting" || continue
    case " $logger_values " in *" $nu_setting=$nu_now "*) printf ' net.netfilter.nf_log.%s;' "$nu_setting" ;; esac
  done
}

# Undoes and ends the readers when the script has died without doing it, and at the latest a while after its end.
start_guardian() {
  (
    trap '' INT HUP
    exec </dev/null >/dev/null 2>&1
    g_left=$((seconds + 60))
    while kill -0 "$$" && [ "$g_left" -gt 0 ]; do
      sleep 1
      g_left=$((g_left - 1))
    done
    undo_all
    while read -r g_reader; do kill "$g_reader"; done <"$dir/readers"
  ) &
  guardian=$!
}
`;
