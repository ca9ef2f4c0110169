package jsonrpc

// refusalRoom is about what CodeTooLarge takes in a batch, less the id.
const refusalRoom = 128

// shorten replaces the replies that are too long, or for which the batch has no more room.
// The first ones of a batch stay: a caller that asks for less finds them again.
func (j *job) shorten(limit int) {
	total, owed := 2, 0
	for i := range j.members {
		if r := &j.members[i]; r.reply != nil && (r.call || r.fault != "") {
			total += len(r.reply) + 1
			owed += refusalRoom + len(r.id)
		}
	}
	if !j.batch {
		total -= 3
	}
	if total <= limit {
		return
	}
	room := limit - 2 - owed // for what is longer than a refusal
	for i := range j.members {
		r := &j.members[i]
		if r.reply == nil || !r.call && r.fault == "" {
			continue
		}
		size := len(r.reply) - refusalRoom - len(r.id)
		if size <= max(room, 0) {
			room -= max(size, 0)
			continue
		}
		j.mux.logger().WarnContext(j.ctx, "result too long, answered with an error in its place", "method", r.method, "bytes", len(r.reply), "limit", limit)
		r.reply = errorReply(r.id, Errorf(CodeTooLarge, "Result too long").WithData(map[string]int{"bytes": len(r.reply), "limit": limit}))
	}
}
