"""Calls calculator.add over HTTP: at the gateway, or at the service itself."""
import json, os, sys, urllib.error, urllib.request

timeout = int(os.environ.get("TIMEOUT", "10"))  # seconds
url = os.environ.get("CALCULATOR_URL", "http://127.0.0.1:5000/rpc/calculator")
request = urllib.request.Request(
    url, json.dumps({"jsonrpc": "2.0", "id": 1, "method": "add", "params": [1, 5.1]}).encode(),
    {"Content-Type": "application/json", "Journeyman-Timeout": str(timeout * 1000)})
try:
    response = urllib.request.urlopen(request, timeout=timeout)
except urllib.error.HTTPError as refusal:  # the body says why
    response = refusal
except TimeoutError:
    sys.exit(f"no reply within {timeout} s")
except urllib.error.URLError as e:
    sys.exit(f"{url}: {e.reason}")
if response.headers.get_content_type() != "application/json":
    sys.exit("calculator: " + response.read().decode().strip())
reply = json.load(response)
if "error" in reply:
    sys.exit(f"calculator: {reply['error']['message']}")
print(reply["result"])
