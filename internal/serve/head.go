package serve

import (
	"bytes"
	"net/http"
	"strings"
)

// Of a small page that is kept, a quarter of the work is its header: net/http copies the map that it is in, sorts it, and looks
// through each value again. So where an answer goes out over a connection that is ours (HTTP/1 without TLS, as behind a proxy),
// the fields that net/http has no use for are written here and put behind its first line. What is sent is the same but for the
// order of fields, which has no meaning (RFC 9110, 5.3).

// aside are the fields that are written here: net/http's server reads none of them.
var aside = []string{"Cache-Control", "Cdn-Cache-Control", "Content-Language", "Etag", "Link", "Strict-Transport-Security", "Vary"}

// always are the fields of secure, as they are sent.
var always = func() (b []byte) {
	for _, v := range values {
		b = appendField(b, v.name, v.value)
	}
	return b
}()

// setAside takes fields out of an answer's header, and gives them as they are sent, in b. A value that could be read as another field is
// left to net/http, which mends it.
func setAside(b []byte, h http.Header) []byte {
	asAlways := true
	for _, v := range values {
		now := h[v.name]
		asAlways = asAlways && len(now) == 1 && &now[0] == &v.value[0]
	}
	if asAlways {
		b = append(b, always...)
		for _, v := range values {
			delete(h, v.name)
		}
	}
	for _, name := range aside {
		value, ok := h[name]
		if !ok || len(value) != 1 || strings.ContainsAny(value[0], "\r\n\x00") {
			continue
		}
		b = appendField(b, name, value)
		delete(h, name)
	}
	return b
}

func appendField(b []byte, name string, values []string) []byte {
	for _, v := range values {
		b = append(append(append(append(b, name...), ": "...), v...), "\r\n"...)
	}
	return b
}

// lead has the fields that are set aside follow the first line of what is written next, which is that of the answer: net/http has
// sent the one before it to its end.
func (c *connection) lead(h http.Header) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.head = setAside(c.head[:0], h)
}

// led appends what is written to a piece, with the fields that wait behind its first line. The lock is held.
func (c *connection) led(piece, b []byte) []byte {
	if line := bytes.IndexByte(b, '\n') + 1; len(c.head) > 0 && line > 0 {
		piece, b = append(append(piece, b[:line]...), c.head...), b[line:]
		c.head = c.head[:0]
	}
	return append(piece, b...)
}

// leads reports whether fields wait to be written.
func (c *connection) leads() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.head) > 0
}

// sendLed sends the beginning of an answer, with the fields that wait.
func (c *connection) sendLed(b []byte) (int, error) {
	piece := pieces.Get().(*[]byte)
	c.mu.Lock()
	*piece = c.led(*piece, b)
	c.mu.Unlock()
	_, err := c.send(*piece)
	*piece = (*piece)[:0]
	pieces.Put(piece)
	if err != nil {
		return 0, err
	}
	return len(b), nil
}
