#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The demonstration: four nginx servers behind one address, and three DNS servers; then workers
# of which one is killed.
# Run as root where rlvs.ko fits the kernel: $RLVS_KO names it, rlvs is on the PATH.
#
#   clients                                   director
#   +---------------------------+   veth    +-----------------------------------+
#   | 192.0.2.100               +-----------+ 192.0.2.1                         |
#   | 2001:db8::100             |           | 2001:db8::1                       |
#   | curl, wrk, dig            |           | VIPs 198.51.100.10, 2001:db8:1::10|
#   +---------------------------+           | nginx :8001 to :8004              |
#                                           | dnsmasq :5301 to :5303            |
#                                           | workers :9001 to :9008            |
#                                           +-----------------------------------+
#
# All figures are counted during the run. The exit status is 0 only if no request failed,
# every server served, and every server saw the clients' real address.
set -euo pipefail

VIP4=198.51.100.10
VIP6=2001:db8:1::10
WEB_PORTS=(8001 8002 8003 8004)
DNS_PORTS=(5301 5302 5303)
LOAD=(-t 2 -c 16) # wrk: two threads, 16 connections

here=$(dirname "$(readlink -f "$0")")
dir=$(mktemp -d /tmp/rlvs-demo.XXXXXX)
failed=0

say() { printf '[%3d s] %s\n' "$SECONDS" "$*"; }
on_clients() { ip netns exec rlvs-clients "$@"; }
on_director() { ip netns exec rlvs-director "$@"; }

# Prints a command and runs it on the director.
show() {
	printf '        # %s\n' "$*"
	on_director "$@"
}

wrong() {
	printf '        WRONG: %s\n' "$*"
	failed=1
}

cleanup() {
	local pid
	for pid in "$dir"/*.pid; do
		if [[ -s $pid ]]; then kill "$(<"$pid")" 2>/dev/null || true; fi
	done
	ip netns del rlvs-clients 2>/dev/null || true
	ip netns del rlvs-director 2>/dev/null || true
	rm -rf "$dir"
}

network() {
	ip netns add rlvs-director
	ip netns add rlvs-clients
	on_director ip -batch - <<-EOF
		link set lo up
		link add wan type veth peer name eth netns rlvs-clients
		link set wan up
		addr add 192.0.2.1/24 dev wan
		addr add 2001:db8::1/64 dev wan nodad
		addr add $VIP4/32 dev lo
		addr add $VIP6/128 dev lo nodad
	EOF
	on_clients ip -batch - <<-EOF
		link set lo up
		link set eth up
		addr add 192.0.2.100/24 dev eth
		addr add 2001:db8::100/64 dev eth nodad
		route add 198.51.100.0/24 via 192.0.2.1
		route add 2001:db8:1::/64 via 2001:db8::1
	EOF
}

servers() {
	local port template config
	mkdir "$dir/www"
	template=$(<"$here/nginx.conf")
	printf 'A page of a hundred bytes or so, as small pages are, so that connections count more than bytes.\n' \
		>"$dir/www/index.html"
	for port in "${WEB_PORTS[@]}"; do
		config=${template//@PORT@/$port}
		printf '%s\n' "${config//@DIR@/$dir}" >"$dir/nginx-$port.conf"
	done
	# A namespace is entered once for all of them: starting programs is slow in an emulated
	# machine. Each nginx returns when its ports are bound, and so does each dnsmasq.
	# shellcheck disable=SC2016 # the inner shell is to expand these
	on_director bash -euo pipefail -c '
		dir=$1 vip4=$2 vip6=$3
		shift 3
		for conf in "$dir"/nginx-*.conf; do nginx -c "$conf" -e "$dir/start.log"; done
		for port; do
			dnsmasq --conf-file=/dev/null --port="$port" --listen-address="$vip4,$vip6" \
				--bind-interfaces --no-resolv --no-hosts --user=root \
				--pid-file="$dir/dnsmasq-$port.pid" --log-queries \
				--log-facility="$dir/dns-$port.log" \
				--txt-record="whoami.example,port $port"
		done' servers "$dir" "$VIP4" "$VIP6" "${DNS_PORTS[@]}"
}

# Counts the lines of each server's access log so far into the array `logged`.
requests() {
	mapfile -t logged < <(wc -l "${WEB_PORTS[@]/#/$dir/access-}" | awk '{ print $1 }')
}

# Counts lines of the kind "word NAME", and prints them in the order of the names given.
tally() {
	awk -v names="$*" '{ gsub(/["\r]/, ""); count[$NF]++ }
		END { n = split(names, name, " ")
			for (i = 1; i <= n; i++) printf "port %s: %d  ", name[i], count[name[i]] }'
}

# Waits until the server at index $1 has logged at least $2 requests; the limit is generous
# because nothing is measured here.
wait_for() {
	local limit=$((SECONDS + 20))
	until requests && ((logged[$1] >= $2)); do
		if ((SECONDS > limit)); then
			wrong "port ${WEB_PORTS[$1]} has logged ${logged[$1]} requests, and no $2"
			return
		fi
		sleep 0.3
	done
}

# wrk's report $1: requests, requests a second, failures of every kind.
requests_in() { awk '/requests in/ { print $1 }' "$1"; }
rate_in() { awk '/^Requests\/sec/ { printf "%.0f\n", $2 }' "$1"; }
failures_in() {
	awk -F '[:, ]+' '
		/Socket errors/ { for (i = 1; i < NF; i++) if ($i ~ /^(connect|read|write|timeout)$/) n += $(i + 1) }
		/Non-2xx/ { n += $NF }
		END { print n + 0 }' "$1"
}

# Runs wrk for $1 seconds with URL $2 into the report $3, with the further options.
load() {
	local seconds=$1 url=$2 report=$3
	shift 3
	on_clients wrk "${LOAD[@]}" -d "$seconds" "$@" "$url" >"$report"
	[[ $(failures_in "$report") == 0 ]] || wrong "failed requests: $(failures_in "$report"), see: $(<"$report")"
	((10#$(requests_in "$report") > 0)) || wrong "no request was served"
}

say "the machine: $(uname -r), $(nproc) CPUs; two network namespaces, joined by a veth pair"
if grep -qs 'QEMU TCG' /proc/cpuinfo; then
	say "the processor is emulated: rates compare with one another, they say nothing about speed"
fi
trap cleanup EXIT
network
if ! grep -q '^rlvs ' /proc/modules; then
	modinfo -F depends "$RLVS_KO" | tr , '\n' | xargs -r modprobe -a
	insmod "$RLVS_KO"
fi

say "starting nginx on ports ${WEB_PORTS[*]} and dnsmasq on ports ${DNS_PORTS[*]}"
servers

say "one address for the four web servers, for IPv4 and for IPv6: two commands each"
show rlvs service add "tcp://$VIP4:80" --scheduler rr
show rlvs dest add "tcp://$VIP4:80" :8001-8004 --method nat
show rlvs service add "tcp://[$VIP6]:80" --scheduler rr
show rlvs dest add "tcp://[$VIP6]:80" :8001-8004 --method nat

say "curl, eight connections to each address:"
for url in "http://$VIP4/?[1-8]" "http://[$VIP6]/"; do
	# IPv6 brackets and curl's ranges exclude each other: eight times the same URL then.
	if [[ $url == *'?'* ]]; then urls=("$url"); else urls=("-g" "$url" "$url" "$url" "$url" "$url" "$url" "$url" "$url"); fi
	answers=$(on_clients curl -sS --max-time 10 -D - -o /dev/null -H 'Connection: close' "${urls[@]}" |
		grep '^X-Served-By' | tally "${WEB_PORTS[@]}")
	printf '        %-24s %s\n' "${url%%\?*}" "$answers"
	[[ $answers != *": 0 "* ]] || wrong "not all four ports answered"
done

say "wrk, 4 s of load on the IPv4 address, then 2 s on the IPv6 one"
load 4 "http://$VIP4/" "$dir/wrk-4"
load 2 "http://[$VIP6]/" "$dir/wrk-6"
say "wrk, the same 4 s straight to one server, without rlvs in the way"
requests
balanced=("${logged[@]}")
mapfile -t clients < <(awk '
	FNR == 1 && NR > 1 { print list; list = "" }
	!seen[FILENAME, $1]++ { list = list (list == "" ? "" : " ") $1 }
	END { print list }' "${WEB_PORTS[@]/#/$dir/access-}")
load 4 "http://$VIP4:8001/" "$dir/wrk-straight"

say "requests that each server has logged, those straight to 8001 left out, and the clients it saw"
say "(the clients' own addresses are 192.0.2.100 and 2001:db8::100):"
printf '        %-8s %10s   %s\n' port requests 'client addresses in its log'
for i in "${!WEB_PORTS[@]}"; do
	port=${WEB_PORTS[i]}
	printf '        %-8s %10d   %s\n' "$port" "${balanced[i]}" "${clients[i]}"
	((balanced[i] > 0)) || wrong "port $port served nothing"
	[[ ${clients[i]} == "192.0.2.100 2001:db8::100" ]] || wrong "port $port saw other clients than there are"
done
printf '        %-26s %10s %12s %9s\n' wrk requests 'requests/s' failures
for run in "4 $VIP4:80" "6 [$VIP6]:80" "straight $VIP4:8001"; do
	report=$dir/wrk-${run%% *}
	printf '        %-26s %10d %12d %9d\n' "${run#* }" "$(requests_in "$report")" "$(rate_in "$report")" "$(failures_in "$report")"
done

say "a new connection for every request, and meanwhile a server is taken out and put back:"
requests
start=("${logged[@]}")
load 10 "http://$VIP4/" "$dir/wrk-change" -H 'Connection: close' --timeout 4s &
load_job=$!
wait_for 3 $((start[3] + 20))
show rlvs dest del "tcp://$VIP4:80" :8004
requests
wait_for 0 $((logged[0] + 40)) # meanwhile the connections that 8004 still has finish
out=("${logged[@]}")
wait_for 0 $((out[0] + 60))
back=("${logged[@]}")
show rlvs dest add "tcp://$VIP4:80" :8004 --method nat
# On a slow machine little is left of the ten seconds, or nothing.
load 2 "http://$VIP4/" "$dir/wrk-back" -H 'Connection: close' --timeout 4s || failed=1
wait "$load_job" || failed=1
requests
failures=$(($(failures_in "$dir/wrk-change") + $(failures_in "$dir/wrk-back")))
printf '        %-44s %6d\n' \
	"requests served meanwhile" \
	"$(($(requests_in "$dir/wrk-change") + $(requests_in "$dir/wrk-back")))" \
	"failed" "$failures" \
	"requests to 8004 before it was taken out" "$((out[3] - start[3]))" \
	"without 8004, requests to 8001" "$((back[0] - out[0]))" \
	"without 8004, requests to 8004" "$((back[3] - out[3]))" \
	"requests to 8004 after it came back" "$((logged[3] - back[3]))"
((failures == 0)) || failed=1
((back[3] == out[3])) || wrong "8004 got requests while it was no destination"
((logged[3] > back[3])) || wrong "8004 got no requests after it came back"

say "one address for the three DNS servers, udp port 53"
show rlvs service add "udp://$VIP4:53" --scheduler rr
show rlvs dest add "udp://$VIP4:53" :5301-5303
show rlvs service add "udp://[$VIP6]:53" --scheduler rr
show rlvs dest add "udp://[$VIP6]:53" :5301-5303
for server in "$VIP4" "$VIP6"; do
	names=()
	for _ in {1..9}; do names+=("@$server" whoami.example TXT +short +tries=1 +time=5); done
	answers=$(on_clients dig "${names[@]}" | tally "${DNS_PORTS[@]}")
	printf '        dig @%-20s %s\n' "$server" "$answers"
	[[ $answers != *": 0 "* ]] || wrong "not all three DNS servers answered"
done

say "one address for eight workers, port 90; 64 clients open connections without pause, and after"
say "a second a worker is killed (kill -9), to be started again two seconds later"
show rlvs service add "tcp://$VIP4:90" --scheduler p2c
show rlvs dest add "tcp://$VIP4:90" :9001-9008
"$here/failover.py" "$VIP4" 90 9001-9008 || wrong "connections were lost"

say "what rlvs says about it:"
on_director rlvs list --stats | sed 's/^/        /'

if ((failed)); then
	say "something was wrong, see above"
	exit 1
fi
say "done: no request failed but those that the killed worker had"
