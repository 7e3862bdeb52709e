package smtp

import (
	"bufio"
	"errors"
	"fmt"
	"strings"
)

// Bounds of what a server may say at once. RFC 5321, section 4.5.3.1.5, has lines of 512 octets; servers write longer ones.
const (
	maxLine  = 4 << 10
	maxLines = 128
	maxText  = 2 << 10 // of a reply, that is kept
)

// ErrProtocol says that a server does not speak SMTP.
var ErrProtocol = errors.New("the server does not speak SMTP as RFC 5321 has it")

// Reply is what a server answered (RFC 5321, section 4.2).
type Reply struct {
	Code     int    // 200 to 599
	Enhanced string // RFC 3463, such as 4.7.1; "" where there is none
	Text     string // without the codes; lines are joined by a space, control characters left out, and its end cut
}

// String is the reply as a line.
func (r Reply) String() string {
	return strings.Join(strings.Fields(fmt.Sprintf("%d %s %s", r.Code, r.Enhanced, r.Text)), " ")
}

// Good reports a positive completion.
func (r Reply) Good() bool { return r.Code/100 == 2 }

// Transient reports that the same may be asked for again later.
func (r Reply) Transient() bool { return r.Code/100 == 4 }

// Policy reports that the receiver refuses the sender and not the person: x.7.y of RFC 3463, section 3.8.
func (r Reply) Policy() bool {
	return r.Code >= 400 && len(r.Enhanced) > 4 && r.Enhanced[1:4] == ".7."
}

// Greeting reports that whoever comes for the first time is asked to come again: of 450 and 454, and of what calls itself greylisting whatever
// its code. It says nothing of what is thought of the sender, and each recipient may be answered so once.
func (r Reply) Greeting() bool {
	text := strings.ToLower(r.Text)
	return r.Code == 450 || r.Code == 454 || r.Transient() && (strings.Contains(text, "greylist") || strings.Contains(text, "graylist") || strings.Contains(text, "grey-list") || strings.Contains(text, "grey list"))
}

// readReply reads one reply, of one line or of several.
func readReply(r *bufio.Reader) (Reply, []string, error) {
	var out Reply
	var lines []string
	for {
		raw, err := r.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) || len(raw) > maxLine {
			return out, nil, fmt.Errorf("%w: a line of its answer is longer than %d bytes", ErrProtocol, maxLine)
		}
		if err != nil {
			return out, nil, err
		}
		code, more, text, ok := parseLine(strings.TrimRight(string(raw), "\r\n"))
		if !ok || len(lines) > 0 && code != out.Code {
			return out, nil, fmt.Errorf("%w: its answer is no reply", ErrProtocol)
		}
		if len(lines) >= maxLines {
			return out, nil, fmt.Errorf("%w: its answer has more than %d lines", ErrProtocol, maxLines)
		}
		out.Code = code
		lines = append(lines, text)
		if more {
			continue
		}
		out.Enhanced, out.Text = join(code, lines)
		return out, lines, nil
	}
}

// parseLine takes a reply line apart: three digits, a hyphen or a space, a text.
func parseLine(line string) (code int, more bool, text string, ok bool) {
	if len(line) < 3 {
		return 0, false, "", false
	}
	for _, c := range []byte(line[:3]) {
		if c < '0' || c > '9' {
			return 0, false, "", false
		}
		code = 10*code + int(c-'0')
	}
	if code < 200 || code > 599 {
		return 0, false, "", false
	}
	if len(line) == 3 {
		return code, false, "", true
	}
	if line[3] != ' ' && line[3] != '-' {
		return 0, false, "", false
	}
	return code, line[3] == '-', line[4:], true
}

// join gives the enhanced code, which each line repeats (RFC 2034, section 4), and the text of a reply.
func join(code int, lines []string) (enhanced, text string) {
	var b strings.Builder
	for i, l := range lines {
		e, rest, _ := strings.Cut(l, " ")
		if isEnhanced(e, code) && (i == 0 || e == enhanced) {
			enhanced, l = e, rest
		}
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		for _, c := range l {
			if c >= 0x20 && c != 0x7f && !(c >= 0x80 && c < 0xa0) {
				b.WriteRune(c)
			}
		}
		if b.Len() > maxText {
			break
		}
	}
	text = strings.TrimSpace(b.String())
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "")
	}
	return enhanced, text
}

// isEnhanced: class "." subject "." detail, where the class is that of the code (RFC 3463, section 2).
func isEnhanced(s string, code int) bool {
	parts := strings.Split(s, ".")
	if len(parts) != 3 || len(parts[0]) != 1 || int(parts[0][0]-'0') != code/100 {
		return false
	}
	for _, p := range parts[1:] {
		if p == "" || len(p) > 3 || strings.Trim(p, "0123456789") != "" {
			return false
		}
	}
	return true
}
