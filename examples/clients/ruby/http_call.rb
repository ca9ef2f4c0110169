# Calls calculator.add over HTTP: at the gateway, or at the service itself.
require "json"
require "net/http"

timeout = Integer(ENV.fetch("TIMEOUT", "10")) # seconds
uri = URI(ENV.fetch("CALCULATOR_URL", "http://127.0.0.1:5000/rpc/calculator"))
begin
  response = Net::HTTP.start(uri.host, uri.port, use_ssl: uri.scheme == "https", read_timeout: timeout) do |http|
    http.post(uri.path, JSON.generate(jsonrpc: "2.0", id: 1, method: "add", params: [1, 5.1]),
              "Content-Type" => "application/json", "Journeyman-Timeout" => (timeout * 1000).to_s)
  end
rescue Net::ReadTimeout
  abort "no reply within #{timeout} s"
rescue SystemCallError => e
  abort "#{uri}: #{e.message}"
end
abort "calculator: #{response.body}" unless response.content_type == "application/json" # a refusal
reply = JSON.parse(response.body)
abort "calculator: #{reply["error"]["message"]}" if reply["error"]
puts reply["result"]
