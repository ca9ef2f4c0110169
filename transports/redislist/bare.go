package redislist

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
)

// bareReplyList returns the key on which the sender of a bare request waits: the
// id of the JSON-RPC request in body, or the first fit one of a batch. It returns
// "" where no id may name a key.
func bareReplyList(body []byte) string {
	body = bytes.TrimLeft(body, " \t\r\n")
	if len(body) == 0 {
		return ""
	}
	if body[0] != '[' {
		return replyListOf(body)
	}
	var members []json.RawMessage
	if json.Unmarshal(body, &members) != nil {
		return ""
	}
	for _, member := range members {
		if key := replyListOf(member); key != "" {
			return key
		}
	}
	return ""
}

func replyListOf(request []byte) string {
	// A map, since a struct would take "ID" for "id".
	var members map[string]json.RawMessage
	if json.Unmarshal(request, &members) != nil {
		return ""
	}
	var id string
	if json.Unmarshal(members["id"], &id) != nil || !safeID(id) {
		return ""
	}
	return id
}

var serviceForm = regexp.MustCompile(`^[a-z]{1,24}$`)

// safeID reports whether a caller's id may name a list: long enough to be meant
// as unique, no derived key (they have colons and braces) and no queue.
func safeID(id string) bool {
	return len(id) >= 8 && len(id) <= 128 && !strings.ContainsAny(id, ":{}") && !serviceForm.MatchString(id)
}

// bareGivenUp returns the answer to a bare request with the given id that will
// never be answered otherwise.
func bareGivenUp(id, why string) []byte {
	reply, _ := json.Marshal(map[string]any{
		"jsonrpc": "2.0", "id": id,
		"error": map[string]any{"code": -32000, "message": "given up: " + why},
	})
	return reply
}
