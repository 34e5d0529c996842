# Three real nodes with mutual TLS on loopback, for scripts that source this (bash, set -euo pipefail).
#
#   cluster_build                build the release binary; sets $tidemark
#   cluster_prepare NAME [DIR]   a work folder (below DIR), free ports, certificates, a policy with the
#                                user NAME allowed everything on topics; sets $work and exports
#                                TIDEMARK_{SERVERS,CA,CERT,KEY} of that user
#   cluster_start NODE [FLAG...] start a node; its process is ${pid[NODE]}, its log $work/nodeNODE.log
#   cluster_kill NODE            SIGKILL, and wait until it is gone
#   cluster_cleanup [STATUS]     for a trap: stop every node, show the ends of their logs after a
#                                failure, remove $work, exit with STATUS (default: the last one)
#   cluster_end_command          what a person types to end a cluster that is left running
#   address NODE                 where it listens
#   leader_of TOPIC              the node that leads partition 0, as the nodes say; waits for one
#   high_watermark NODE TOPIC    what that node itself says of partition 0; empty if it does not answer

declare -A pid=()
tidemark=
work=
cluster_name=
cluster_base=7601

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
now_ms() { date +%s%3N; }

cluster_build() {
  tools/bootstrap build
  [ -f build/release/CMakeCache.txt ] || cmake --preset release -DTIDEMARK_TESTS=OFF >/dev/null
  cmake --build build/release --target tidemark
  tidemark=$PWD/build/release/bin/tidemark
}

cluster_cleanup() {
  local status=${1:-$?} node
  trap - EXIT INT TERM
  for node in $(jobs -p); do kill "$node" 2>/dev/null || true; done
  for node in "${!pid[@]}"; do wait "${pid[$node]}" 2>/dev/null || true; done
  if [ "$status" -ne 0 ] && [ "$status" -ne 130 ]; then
    echo "$0: failed; the logs of the nodes end with:" >&2
    tail -n 5 "$work"/node*.log >&2 || true
  fi
  [ -z "$work" ] || rm -rf "$work"
  exit "$status"
}

cluster_end_command() {
  # Nodes write until they have shut down: the folder goes after them.
  cat >"$work/end" <<END
kill ${pid[*]}
for _ in {1..100}; do
  kill -0 ${pid[*]} 2>/dev/null || break
  sleep 0.1
done
rm -rf $work
END
  echo "bash $work/end"
}

free_port() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
address() { echo "127.0.0.1:$((cluster_base + $1 - 1))"; }

cluster_prepare() {
  local node
  cluster_name=$1
  work=$(mktemp -d "${2:-${TMPDIR:-/tmp}}/tidemark-$cluster_name.XXXXXX")

  # Three neighbouring ports nobody listens on.
  until free_port $cluster_base && free_port $((cluster_base + 1)) && free_port $((cluster_base + 2)); do
    cluster_base=$((cluster_base + 10))
    [ $cluster_base -lt 9000 ] || { echo "$0: no free ports between 7601 and 9000" >&2; exit 1; }
  done

  "$tidemark" cert ca --out "$work/tls" --cluster "$cluster_name"
  for node in 1 2 3; do
    "$tidemark" cert node --ca-dir "$work/tls" --out "$work/tls" --cluster "$cluster_name" \
      --id $node --ip 127.0.0.1
  done
  "$tidemark" cert client --ca-dir "$work/tls" --out "$work/tls" --name "$cluster_name"
  head -c 32 /dev/urandom | base64 >"$work/tls/gossip.key"
  cat >"$work/policy.csv" <<POLICY
p, $cluster_name, topic:*, *
p, $cluster_name, cluster, describe
POLICY
  export TIDEMARK_CA=$work/tls/ca.crt TIDEMARK_CERT=$work/tls/client-$cluster_name.crt \
    TIDEMARK_KEY=$work/tls/client-$cluster_name.key
  TIDEMARK_SERVERS="$(address 1),$(address 2),$(address 3)"
  export TIDEMARK_SERVERS
}

cluster_start() {
  local node=$1
  shift
  "$tidemark" server --node-id "$node" --cluster-id "$cluster_name" --data-dir "$work/data$node" \
    --listen "$(address "$node")" --join "$(address 1)" --join "$(address 2)" --voters 1,2,3 \
    --ca "$work/tls/ca.crt" --cert "$work/tls/node-$node.crt" --key "$work/tls/node-$node.key" \
    --acl-policy "$work/policy.csv" --gossip-key-file "$work/tls/gossip.key" \
    "$@" >>"$work/node$node.log" 2>&1 &
  pid[$node]=$!
}

cluster_kill() {
  kill -9 "${pid[$1]}"
  wait "${pid[$1]}" 2>/dev/null || true
}

leader_of() {
  local leader=
  for _ in $(seq 200); do
    leader=$("$tidemark" topic describe "$1" --json 2>/dev/null |
      sed -n 's/.*"leader_id": *"\{0,1\}\([1-9][0-9]*\).*/\1/p' | head -n 1) || true
    [ -z "$leader" ] || break
    sleep 0.1
  done
  echo "$leader"
}

high_watermark() {
  "$tidemark" status --servers "$(address "$1")" --json 2>/dev/null | tr -d ' \n' |
    sed -n "s/.*\"topic\":\"$2\",[^}]*\"high_watermark\":\"\{0,1\}\([0-9]*\)\"\{0,1\}[,}].*/\1/p"
}
