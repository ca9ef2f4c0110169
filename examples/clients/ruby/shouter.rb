# The service of the two workers beside it, which knows no transport: takes the body of a
# JSON-RPC 2.0 request, returns that of its reply, and nil where none is owed.
require "json"

def answer(body)
  request = JSON.parse(body, symbolize_names: true)
  outcome =
    case request
    in { method: "shout", params: [String => text] } then { result: text.upcase }
    in { method: "shout" } then { error: { code: -32602, message: "shout wants one string" } }
    in { method: "http", params: { method: "GET", target: String => target } } # of browsers, see docs/wire-apps.md
      { result: { status: 200, header: { "Content-Type" => ["text/plain"] }, body: [target.upcase].pack("m0") } }
    in { method: String } then { error: { code: -32601, message: "Method not found" } }
    else return reply(nil, error: { code: -32600, message: "Invalid Request" })
    end
  reply(request[:id], **outcome) if request.key?(:id)
rescue JSON::ParserError, EncodingError
  reply(nil, error: { code: -32700, message: "Parse error" })
end

def reply(id, **outcome) = JSON.generate(jsonrpc: "2.0", id: id, **outcome)
