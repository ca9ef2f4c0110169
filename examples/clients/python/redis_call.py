"""Calls calculator.add on Redis. The id names the list on which the reply arrives."""
import json, os, sys, uuid

import redis

timeout = int(os.environ.get("TIMEOUT", "10"))  # seconds
r = redis.Redis.from_url(os.environ.get("REDIS_URL", "redis://127.0.0.1:6399"))
id = str(uuid.uuid4())
r.lpush("calculator", json.dumps({"jsonrpc": "2.0", "id": id, "method": "add", "params": [1, 5.1]}))
popped = r.brpop(id, timeout=timeout)
if popped is None:
    sys.exit(f"no reply within {timeout} s")
reply = json.loads(popped[1])
if "error" in reply:
    sys.exit(f"calculator: {reply['error']['message']}")
print(reply["result"])
