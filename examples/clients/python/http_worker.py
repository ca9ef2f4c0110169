"""A worker over HTTP: serves shouter on PORT until it is stopped."""
import json, os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def answer(body):
    """Returns the reply to a JSON-RPC request, None where none is owed."""
    try:
        request = json.loads(body)
    except ValueError:
        return {"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "Parse error"}}
    match request:
        case {"method": "shout", "params": [str(text)]}:
            outcome = {"result": text.upper()}
        case {"method": "shout"}:
            outcome = {"error": {"code": -32602, "message": "shout wants one string"}}
        case {"method": str()}:
            outcome = {"error": {"code": -32601, "message": "Method not found"}}
        case _:
            return {"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "Invalid Request"}}
    return {"jsonrpc": "2.0", "id": request["id"], **outcome} if "id" in request else None


class Shouter(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path != "/rpc/shouter":
            return self.respond(404, b"served here: shouter\n", {"Journeyman-Refused": "no-service"})
        reply = answer(body)
        if reply is None:
            return self.respond(204)
        self.respond(200, json.dumps(reply).encode(), {"Content-Type": "application/json"})

    def respond(self, status, body=b"", headers={}):
        self.send_response(status)
        if status != 204:
            headers = {"Content-Length": str(len(body)), **headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "5300"))), Shouter).serve_forever()
