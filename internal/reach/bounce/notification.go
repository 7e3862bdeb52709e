package bounce

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
)

// notified reads a message/delivery-status (RFC 3464, 2): groups of fields with empty lines between them, of which the first is of the
// message and the others are of a recipient each. Some systems leave the first one away, or put all into one.
func notified(b []byte, text string) (out []Recipient) {
	context := around(text)
	for lines := 0; len(bytes.TrimSpace(b)) > 0 && len(out) < maxRecipients && lines < maxLines; lines++ {
		before := len(b)
		b = bytes.TrimLeft(b, " \t\r\n")
		var h header
		if h, b = split(b); len(b) == before { // a line that is no field: pass it over
			_, b = cutLine(b)
			continue
		}
		if !h.has("final-recipient") && !h.has("original-recipient") && !h.has("action") && !h.has("status") {
			continue
		}
		out = append(out, ofGroup(h, context))
	}
	return out
}

func ofGroup(h header, context func() Reason) Recipient {
	address := typed(h.get("final-recipient")) // RFC 3464, 2.3.2
	if address == "" || !strings.Contains(address, "@") {
		address = typed(h.get("original-recipient"))
	}
	r := Recipient{Address: address, Status: statusIn.FindString(h.get("status"))} // 2.3.4: comments may follow
	kind, said, _ := strings.Cut(h.get("diagnostic-code"), ";")                    // 2.3.6
	if said == "" {
		said = kind
	}
	r.Said = unworded(said)
	switch action := strings.ToLower(h.get("action")); { // 2.3.3
	case strings.HasPrefix(action, "delayed"):
		r.Kind = Delayed
	case strings.HasPrefix(action, "delivered"), strings.HasPrefix(action, "relayed"), strings.HasPrefix(action, "expanded"):
		r.Kind = Arrived
	case strings.HasPrefix(action, "failed"):
		r.Kind = Failed
	case strings.HasPrefix(r.Status, "2."):
		r.Kind = Arrived
	case strings.HasPrefix(r.Status, "4."):
		r.Kind = Delayed
	default:
		r.Kind = Failed
	}
	r.judge(context)
	return r
}

var embedded = regexp.MustCompile(`\\x\{([0-9A-Fa-f]{1,6})\}`)

// typed gives an address without its type: "rfc822; a@example.org" (RFC 3464, 2.3.2), "utf-8; ..." (RFC 6533, 3).
func typed(s string) string {
	kind, address, ok := strings.Cut(s, ";")
	if !ok {
		kind, address = "", s
	}
	address = strings.Trim(strings.TrimSpace(unworded(address)), "<>")
	if strings.EqualFold(strings.TrimSpace(kind), "utf-8") {
		address = embedded.ReplaceAllStringFunc(address, func(m string) string {
			n, err := strconv.ParseUint(m[3:len(m)-1], 16, 32)
			if err != nil || n > 0x10ffff {
				return m
			}
			return string(rune(n))
		})
	}
	if i := strings.IndexAny(address, " \t"); i >= 0 {
		address = address[:i]
	}
	return strings.TrimSuffix(address, ">")
}
