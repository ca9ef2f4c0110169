# Calls the calculator from Python: two commands, no library of ours.
import json, os, uuid
import redis

r = redis.Redis.from_url(os.environ.get("REDIS_URL", "redis://127.0.0.1:6399"))
id = uuid.uuid4().hex  # names the list on which the reply arrives
r.lpush("calculator", json.dumps({"jsonrpc": "2.0", "id": id, "method": "add", "params": [1, 5.1]}))
_, reply = r.brpop(id, timeout=10)
print(json.loads(reply)["result"])
