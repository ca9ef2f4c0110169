#!/bin/sh
# Calls calculator.add over HTTP: at the gateway, or at the service itself.
timeout=${TIMEOUT:-10} # seconds
reply=$(curl --silent --show-error --max-time "$timeout" \
  --header 'Content-Type: application/json' --header "Journeyman-Timeout: ${timeout}000" \
  --data '{"jsonrpc":"2.0","id":1,"method":"add","params":[1,5.1]}' \
  "${CALCULATOR_URL:-http://127.0.0.1:5000/rpc/calculator}" 2>&1)
case $?$reply in
0*'"result":'*) echo "$reply" | sed 's/.*"result"://; s/}$//' ;;
28*) echo "no reply within $timeout s" >&2; exit 1 ;;
*) echo "calculator: $reply" >&2; exit 1 ;;
esac
