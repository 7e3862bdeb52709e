package smtp

import (
	"errors"
	"fmt"
	"strings"
)

// ErrAddress says that an address cannot be written on the wire. It does not repeat the address.
var ErrAddress = errors.New("the address cannot be written to")

// Path writes an address as RCPT TO, MAIL FROM and headers have it: addresses that old carriers gave out, such as a..b@ and a.@,
// have no dot-atom and go as a quoted string (RFC 5321, section 4.1.2; RFC 5322, section 3.4.1). ErrAddress.
func Path(address string) (string, error) {
	at := strings.LastIndexByte(address, '@')
	if at < 1 || at == len(address)-1 || len(address) > 254 || at > 64 {
		return "", fmt.Errorf("%w: it has no local part of 1 to 64 bytes, or no domain", ErrAddress)
	}
	local, domain := address[:at], address[at+1:]
	for _, c := range []byte(domain) {
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_') {
			return "", fmt.Errorf("%w: its domain is not as DNS has it", ErrAddress)
		}
	}
	plain := true
	for i, c := range []byte(local) {
		switch {
		case c < 0x20 || c > 0x7e:
			return "", fmt.Errorf("%w: its local part has characters that are not ASCII's", ErrAddress)
		case c == '.':
			plain = plain && i > 0 && i < len(local)-1 && local[i-1] != '.'
		default:
			plain = plain && isAtext(c)
		}
	}
	if plain {
		return address, nil
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(local) + `"@` + domain, nil
}

// isAtext: RFC 5322, section 3.2.3.
func isAtext(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'*+-/=?^_`{|}~", c) >= 0
}
