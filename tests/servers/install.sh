#!/bin/sh
# The Debian packages that the tests take their servers from, where they are missing and we may install them.
#
# Nothing is started: the tests run instances of their own, in folders and on ports of their own.
set -eu

missing=""
need() { # COMMAND PACKAGE
	for place in $(echo "$PATH" | tr : ' ') /usr/sbin /usr/lib/postgresql/*/bin; do
		[ -x "$place/$1" ] && return
	done
	missing="$missing $2"
}
need initdb postgresql
need mariadbd mariadb-server
need doveadm dovecot-imapd
need systemd-analyze systemd
need postmap postfix
need promtool prometheus
need chromium chromium
need nginx nginx-light
need curl curl
need nsd nsd
need faketime faketime

[ -z "$missing" ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "not installed, so the tests that need them are skipped:$missing" >&2
	exit 0
fi

# invoke-rc.d(8) asks this script whether a package may start its service; 101 is no.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
	trap 'rm -f $policy' EXIT
	printf '#!/bin/sh\nexit 101\n' >$policy
	chmod +x $policy
fi
export DEBIAN_FRONTEND=noninteractive
echo "installing$missing" >&2
apt-get update -qq
# shellcheck disable=SC2086 # words on purpose
apt-get install -qq -y --no-install-recommends $missing >/dev/null
