# shellcheck shell=bash
# What the laboratory's scripts share: where the state lives, which processes and network
# namespaces are ours, certificates, and the file of variables that tests read. Sourced, never run.

LAB_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
export LAB_DIR

say() { echo "[lab] $*" >&2; }
die() { say "$*"; exit 1; }

# Seconds since the given $EPOCHREALTIME, for messages.
since() { awk -v a="$1" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f s", b - a }'; }

# run_logged WHAT LOG COMMAND...: dies with the end of the log when the command fails.
run_logged() {
  local what=$1 log=$2 began=$EPOCHREALTIME
  shift 2
  "$@" > "$log" 2>&1 || { tail -n 8 "$log" >&2; die "$what failed; all of it: $log"; }
  say "$what: $(since "$began")"
}

# until_true SECONDS COMMAND...: tries COMMAND again and again until it succeeds.
until_true() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    [ $SECONDS -lt $deadline ] || return 1
    sleep 0.05
  done
}

# --- where ----------------------------------------------------------------------------------------

# Everything is kept below one directory, so that two checkouts that use two of them never meet.
LAB_ROOT=${LAB_ROOT:-${TMPDIR:-/var/tmp}/automend-lab}
mkdir -p -- "$LAB_ROOT" || die "cannot make $LAB_ROOT: set LAB_ROOT to a directory that can be written"
LAB_ROOT=$(cd -- "$LAB_ROOT" && pwd -P)
# Names that must differ between two laboratories on one machine end with this.
LAB_ID=$(printf '%s' "$LAB_ROOT" | sha256sum | cut -c1-6)

# The servers' configuration files have no common way to quote a path, and a path of a socket has
# room for 107 bytes. A directory with a name that is odd or long is reached over a plain link.
LAB_ALIAS=/var/tmp/automend-lab-$LAB_ID
if [[ ! $LAB_ROOT =~ ^[A-Za-z0-9/._-]{1,60}$ ]]; then
  if [ "$(readlink -- "$LAB_ALIAS" || true)" != "$LAB_ROOT" ]; then
    ln -s -- "$LAB_ROOT" "$LAB_ALIAS" || die "cannot make the link $LAB_ALIAS"
  fi
  LAB_ROOT=$LAB_ALIAS
fi
export LAB_ROOT
mkdir -p "$LAB_ROOT/run" "$LAB_ROOT/cache"

# Only one script at a time starts or stops servers. These are started with descriptor 9 closed, so
# that the lock ends with the script.
lock_lab() {
  exec 9> "$LAB_ROOT/lock"
  flock -w 900 9 || die "another script holds $LAB_ROOT/lock"
}

# --- processes ------------------------------------------------------------------------------------

# A process is known by its id and its start time, so that an id that was given again to another
# process is never mistaken. Field 22 of `stat` is the start time; the name in field 2 may hold
# blanks, so that counting begins behind its closing parenthesis.
start_time() {
  local stat
  { read -r stat < "/proc/$1/stat"; } 2>/dev/null || return 1
  stat=${stat##*) }
  # A zombie has ended, and only waits for its parent to notice.
  [ "${stat%% *}" != Z ] || return 1
  awk '{ print $20 }' <<< "$stat"
}

# start_server NAME LOG COMMAND...: starts a daemon in a session of its own and writes down who it is.
# The session's id is the process id, as a background command of a script never leads a group.
start_server() {
  local name=$1 log=$2 pid
  shift 2
  setsid "$@" >> "$log" 2>&1 < /dev/null 9>&- &
  pid=$!
  echo "$pid $(start_time "$pid")" > "$LAB_ROOT/run/$name.pid"
  disown "$pid"
}

is_running() {
  local pid began
  read -r pid began 2>/dev/null < "$LAB_ROOT/run/$1.pid" || return 1
  [ "$(start_time "$pid")" = "$began" ]
}
is_gone() { ! is_running "$1"; }

# stop_server NAME: asks the daemon to end, and ends what is left of its session after 20 s.
stop_server() {
  local name=$1 pid
  if is_running "$name"; then
    read -r pid _ < "$LAB_ROOT/run/$name.pid"
    kill -TERM "$pid" 2>/dev/null || true
    until_true 20 is_gone "$name" || say "$name (process $pid) did not end when asked"
    # A worker that hangs outlives its master, but it stays in the master's process group.
    kill -KILL -- "-$pid" 2>/dev/null || true
    until_true 5 is_gone "$name" || die "$name (process $pid) cannot be ended"
    say "stopped $name"
  fi
  rm -f "$LAB_ROOT/run/$name.pid"
}

# --- network namespaces ---------------------------------------------------------------------------

need_root() { [ "$(id -u)" = 0 ] || die "$1 needs root, for the ports below 1024 and the network namespaces"; }

# own_namespace NAME: makes it when it is not there, and remembers that it is this laboratory's.
own_namespace() {
  local name=$1 list=$LAB_ROOT/run/namespaces
  touch "$list"
  if ! grep -qx -- "$name" "$list"; then
    [ ! -e "/run/netns/$name" ] || die "the network namespace $name exists, and this laboratory did not make it"
    echo "$name" >> "$list"
  fi
  [ -e "/run/netns/$name" ] || ip netns add "$name"
  ip -n "$name" link set lo up
  # `ip netns exec` puts the files of this directory over those in /etc.
  mkdir -p "/etc/netns/$name"
}

remove_namespaces() {
  local name list=$LAB_ROOT/run/namespaces
  [ -f "$list" ] || return 0
  while read -r name; do
    [ ! -e "/run/netns/$name" ] || ip netns del "$name"
    rm -rf "/etc/netns/${name:?}"
  done < "$list"
  rm -f "$list"
  [ ! -d /etc/netns ] || rmdir --ignore-fail-on-non-empty /etc/netns
}

# --- certificates ---------------------------------------------------------------------------------

# make_certificate DIR HOST ADDRESS [CA-DIR [NAMES]]: DIR/ca.pem, DIR/cert.pem and DIR/key.pem for a
# server. The CA is made when CA-DIR (by default DIR) has none. NAMES are more of what the certificate
# is good for, as in `DNS:a.example,DNS:b.example`. Samba's own certificate is an X.509 v1 one without a
# subjectAltName, which no modern TLS library accepts.
make_certificate() {
  local dir=$1 host=$2 address=$3 ca=${4:-$1}
  mkdir -p "$dir"
  [ ! -s "$dir/cert.pem" ] || return 0
  if [ ! -s "$ca/ca.key" ]; then
    openssl req -x509 -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256 -days 3650 \
      -subj "/CN=automend lab CA" -addext basicConstraints=critical,CA:TRUE \
      -addext keyUsage=critical,keyCertSign,cRLSign -keyout "$ca/ca.key" -out "$ca/ca.pem" 2>/dev/null
  fi
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$host" \
    -keyout "$dir/key.pem" -out "$dir/request.pem" 2>/dev/null
  openssl x509 -req -in "$dir/request.pem" -CA "$ca/ca.pem" -CAkey "$ca/ca.key" -CAcreateserial -days 3650 \
    -sha256 -out "$dir/cert.pem.new" 2>/dev/null -extfile <(
    echo "subjectAltName=DNS:$host,DNS:localhost,IP:$address,IP:127.0.0.1${5:+,$5}"
    echo "extendedKeyUsage=serverAuth"
    echo "keyUsage=critical,digitalSignature"
    echo "basicConstraints=critical,CA:FALSE"
  )
  [ "$ca" = "$dir" ] || cp "$ca/ca.pem" "$dir/ca.pem"
  chmod 600 "$dir/key.pem"
  mv "$dir/cert.pem.new" "$dir/cert.pem"
}

# --- what tests read ------------------------------------------------------------------------------

# publish NAME KEY=VALUE...: writes the variables to LAB_ROOT/NAME.env and prints them. No value
# needs quoting, so that a shell can source the file and a test can split it at lines and at `=`.
# Beside each X_PASSWORD stands X_PASSWORD_FILE, a file with the password and no end of line.
publish() {
  local name=$1 pair file
  shift
  for pair; do
    [[ $pair =~ ^[A-Z0-9_]+=[A-Za-z0-9/.,:@=%_+-]*$ ]] || die "a variable would need quoting: $pair"
    echo "$pair"
    if [[ $pair = *_PASSWORD=* ]]; then
      file=$LAB_ROOT/run/$name.${pair%%=*}
      (umask 077 && printf '%s' "${pair#*=}" > "$file")
      echo "${pair%%=*}_FILE=$file"
    fi
  done > "$LAB_ROOT/$name.env.new"
  mv "$LAB_ROOT/$name.env.new" "$LAB_ROOT/$name.env"
  cat "$LAB_ROOT/$name.env"
}
