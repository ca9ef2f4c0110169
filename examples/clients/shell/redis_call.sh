#!/bin/sh
# Calls calculator.add on Redis. The id names the list on which the reply arrives.
set -eu
url=${REDIS_URL:-redis://127.0.0.1:6399}
timeout=${TIMEOUT:-10} # seconds
id=$(od -An -N16 -tx1 /dev/urandom | tr -d " \n")
redis-cli -u "$url" LPUSH calculator '{"jsonrpc":"2.0","id":"'"$id"'","method":"add","params":[1,5.1]}' >/dev/null
reply=$(redis-cli -u "$url" BRPOP "$id" "$timeout" | sed 1d)
case $reply in
*'"result":'*) echo "$reply" | sed 's/.*"result"://; s/}$//' ;;
'') echo "no reply within $timeout s" >&2; exit 1 ;;
*) echo "calculator: $reply" >&2; exit 1 ;;
esac
