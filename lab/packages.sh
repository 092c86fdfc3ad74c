#!/bin/bash
# Installs the Debian packages that the laboratory needs; does nothing when they are there.
#
#   packages.sh            everything
#   packages.sh samba      only what the Samba domain controllers need
#   packages.sh slapd      only what slapd needs
#   packages.sh mit        only what MIT's key distribution centre and its clients need
#   packages.sh clients    only what the clients of Autodiscover need
#   packages.sh recorders  only what records HTTP: tshark, Chromium, curl, and what installs the others
#   packages.sh lint       what `make lint` needs: shellcheck, and what installs typos
#   packages.sh bench      wrk, the load generator of `make bench`
#
# None of Debian's own daemons is started by the installation. Where nothing may be installed, this
# names what is missing, says which tests therefore cannot run, and ends with 3.
set -euo pipefail

base=(curl iproute2 ldap-utils openssl python3)
samba=(samba samba-ad-dc samba-ad-provision samba-common-bin samba-dsdb-modules python3-samba winbind
  krb5-user libsasl2-modules-gssapi-mit)
mit=(krb5-kdc krb5-admin-server krb5-user krb5-gss-samples libsasl2-modules-gssapi-mit)
# Node.js often comes from elsewhere, with npm in the same package.
node=()
command -v node > /dev/null || node+=(nodejs)
command -v npm > /dev/null || node+=(npm)
clients=(curl dnsmasq-base evolution-ews python3-venv thunderbird "${node[@]}")
recorders=(tshark chromium curl python3-venv "${node[@]}")

case "${1:-all}" in
  all)       wanted=("${base[@]}" "${samba[@]}" slapd "${mit[@]}" "${clients[@]}" "${recorders[@]}") ;;
  samba)     wanted=("${base[@]}" "${samba[@]}") ;;
  slapd)     wanted=("${base[@]}" slapd) ;;
  mit)       wanted=("${base[@]}" "${mit[@]}") ;;
  clients)   wanted=("${base[@]}" "${clients[@]}") ;;
  recorders) wanted=("${recorders[@]}") ;;
  lint)      wanted=(shellcheck python3-venv) ;;
  bench)     wanted=(wrk openssl python3) ;;
  *)         echo "usage: packages.sh [samba|slapd|mit|clients|recorders|lint|bench]" >&2; exit 2 ;;
esac

find_missing() {
  local package
  missing=()
  for package in "${wanted[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null)" = "ii " ] || missing+=("$package")
  done
}

# tests_without: the tests that cannot run without what is missing, if any.
tests_without() {
  local package
  for package in "${missing[@]}"; do
    case " slapd ${base[*]} " in *" $package "*) echo slapd ;; esac
    case " ${samba[*]} ${base[*]} " in *" $package "*) printf '%s\n' samba samba_recycle_bin samba_two_dcs ;; esac
    case " ${mit[*]} ${base[*]} " in *" $package "*) echo mit ;; esac
    case " ${clients[*]} ${base[*]} " in *" $package "*) echo clients ;; esac
    case " ${recorders[*]} " in *" $package "*) echo trace_recorders ;; esac
  done | sort -u | paste -sd ' '
}

give_up() {
  local tests
  tests=$(tests_without)
  {
    echo "[lab] $1"
    echo "[lab] missing Debian packages: ${missing[*]}"
    echo "[lab] to install them: apt-get install --no-install-recommends ${missing[*]}"
    [ -z "$tests" ] || echo "[lab] these tests need them and cannot run: $tests"
  } >&2
  exit 3
}

find_missing
[ ${#missing[@]} -gt 0 ] || exit 0
command -v apt-get >/dev/null || give_up "this system has no apt-get; the laboratory is written for Debian 12"
[ "$(id -u)" = 0 ] || give_up "installing packages needs root"

# invoke-rc.d asks this file whether it may start a service. One that an administrator put here
# stays as it is.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  printf '#!/bin/sh\nexit 101\n' > "$policy"
  chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
echo "[lab] installing ${missing[*]}" >&2
if ! output=$({ apt-get update -q && apt-get install -y -q --no-install-recommends "${missing[@]}"; } 2>&1); then
  tail -n 15 <<< "$output" >&2
  find_missing
  give_up "apt-get failed"
fi
