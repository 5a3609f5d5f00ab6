/**
 * Part of the script: where legacy TRACE lines go. `net.netfilter.nf_log.2` and `.10` name the logger of a family; the
 * kernel takes only names of loggers that are loaded or built in.
 *
 * The modules' names changed twice: `ipt_LOG` and `ip6t_LOG`, then `nf_log_ipv4` and `nf_log_ipv6` (3.x), then
 * `nf_log_syslog` for all (5.13). The loggers' own names stayed those of the second until today.
 */
export const LOGGERS = String.raw`
# The file of a module below a kernel's directory, compressed or not; fails if there is none.
module_file() { # DIRECTORY NAME
  for mf_place in kernel/net/netfilter kernel/net/ipv4/netfilter kernel/net/ipv6/netfilter kernel/net extra updates updates/dkms; do
    for mf_end in ko ko.xz ko.zst ko.gz; do
      if [ -f "$1/$mf_place/$2.$mf_end" ]; then
        printf '%s\n' "$1/$mf_place/$2.$mf_end"
        return 0
      fi
    done
  done
  return 1
}

# Whether a module is part of the kernel itself.
is_built_in() { # DIRECTORY NAME
  [ -f "$1/modules.builtin" ] || return 1
  while read -r ib_line; do
    case $ib_line in */"$2".ko | "$2".ko) return 0 ;; esac
  done <"$1/modules.builtin"
  return 1
}

is_loaded() { # NAME
  while read -r il_name il_rest; do
    if [ "$il_name" = "$1" ]; then return 0; fi
  done </proc/modules
  : "$il_rest"
  return 1
} 2>/dev/null

# Loads the first of these modules that the host has. Undone by unloading it, which the kernel refuses while others use it.
load_module() { # NAME…
  lm_directory=/lib/modules/$(uname -r)
  for lm_name; do
    if is_loaded "$lm_name" || is_built_in "$lm_directory" "$lm_name"; then continue; fi
    lm_file=$(module_file "$lm_directory" "$lm_name") || continue
    if have modprobe; then
      will_undo "modprobe -r $lm_name"
      modprobe "$lm_name" 2>>"$dir/errors.txt" || continue
    elif have insmod; then
      will_undo "rmmod $lm_name"
      insmod "$lm_file" 2>>"$dir/errors.txt" || continue
    else
      continue
    fi
    note "loaded the kernel module $lm_name"
    return 0
  done
  return 1
}

write_logger() { # FAMILY LOGGER
  (printf '%s\n' "$2" >"/proc/sys/net/netfilter/nf_log/$1") 2>/dev/null
}

# Sets a family's logger to the first name the kernel takes, loading a module if it must.
use_logger() { # FAMILY "LOGGERS" "MODULES"
  ul_path=/proc/sys/net/netfilter/nf_log/$1
  if ! [ -r "$ul_path" ]; then
    note "this kernel has no setting net.netfilter.nf_log.$1: its TRACE lines go where they always go"
    return 0
  fi
  read -r ul_now <"$ul_path"
  case $ul_now in *[!A-Za-z0-9_]*) die "net.netfilter.nf_log.$1 has a strange value; set it by hand first" ;; esac
  for ul_name in $2; do
    if [ "$ul_now" = "$ul_name" ]; then return 0; fi
  done
  ul_path=/proc/sys/net/netfilter/nf_log/$1
  for ul_name in $2; do
    will_undo "read -r now <$ul_path; if [ \"\$now\" = $ul_name ]; then echo $ul_now >$ul_path; fi"
  done
  for ul_try in 1 2; do
    for ul_name in $2; do
      write_logger "$1" "$ul_name" || continue
      settings="$settings $1"
      logger_values="$logger_values $1=$ul_name"
      return 0
    done
    if [ "$ul_try" = 1 ]; then
      # shellcheck disable=SC2086 # a list of names
      load_module $3 || break
    fi
  done
  return 1
}
logger_values=

# Whether these TRACE lines would reach the kernel log whatever net.netfilter.nf_log_all_netns says: a few settings are
# shown in the first network namespace only.
is_first_netns() {
  [ -e /proc/sys/net/netfilter/nf_log_all_netns ] || [ -e /proc/sys/net/core/netdev_max_backlog ]
}
`;
