package identity

import "math"

// Punycode, RFC 3492 section 5: the parameters of IDNA.
const (
	punyBase    = 36
	punyTMin    = 1
	punyTMax    = 26
	punySkew    = 38
	punyDamp    = 700
	punyBias    = 72
	punyInitial = 0x80
)

// punyDecode decodes the part of a label after "xn--" (RFC 3492 section 6.2). It
// takes lower case only, as every label is when it comes here.
func punyDecode(s string) ([]rune, bool) {
	var out []rune
	basic := 0
	for i := len(s) - 1; i > 0; i-- { // a delimiter at 0 would have nothing before it
		if s[i] == '-' {
			for _, c := range []byte(s[:i]) {
				if c >= 0x80 {
					return nil, false
				}
				out = append(out, rune(c))
			}
			basic = i + 1
			break
		}
	}
	n, i, bias := int32(punyInitial), int32(0), int32(punyBias)
	for pos := basic; pos < len(s); {
		old, w := i, int32(1)
		for k := int32(punyBase); ; k += punyBase {
			if pos == len(s) {
				return nil, false
			}
			digit, ok := punyDigit(s[pos])
			pos++
			if !ok || digit > (math.MaxInt32-i)/w {
				return nil, false
			}
			i += digit * w
			t := punyThreshold(k, bias)
			if digit < t {
				break
			}
			if w > math.MaxInt32/(punyBase-t) {
				return nil, false
			}
			w *= punyBase - t
		}
		size := int32(len(out) + 1)
		bias = punyAdapt(i-old, size, old == 0)
		if n += i / size; n < punyInitial || n > 0x10ffff || 0xd800 <= n && n <= 0xdfff {
			return nil, false
		}
		i %= size
		out = append(out, 0)
		copy(out[i+1:], out[i:])
		out[i] = n
		i++
	}
	return out, true
}

// punyEncode encodes a label, without "xn--" (RFC 3492 section 6.3). The label is
// shorter than MaxInput, so that nothing can overflow.
func punyEncode(label []rune) string {
	var out []byte
	for _, c := range label {
		if c < 0x80 {
			out = append(out, byte(c))
		}
	}
	basic := int32(len(out))
	if basic > 0 {
		out = append(out, '-')
	}
	n, delta, bias := int32(punyInitial), int32(0), int32(punyBias)
	for done := basic; done < int32(len(label)); {
		next := rune(math.MaxInt32)
		for _, c := range label {
			if c >= n {
				next = min(next, c)
			}
		}
		delta += (next - n) * (done + 1)
		n = next
		for _, c := range label {
			if c < n {
				delta++
			}
			if c != n {
				continue
			}
			q := delta
			for k := int32(punyBase); ; k += punyBase {
				t := punyThreshold(k, bias)
				if q < t {
					break
				}
				out = append(out, punyDigits[t+(q-t)%(punyBase-t)])
				q = (q - t) / (punyBase - t)
			}
			out = append(out, punyDigits[q])
			bias = punyAdapt(delta, done+1, done == basic)
			delta = 0
			done++
		}
		delta++
		n++
	}
	return string(out)
}

const punyDigits = "abcdefghijklmnopqrstuvwxyz0123456789"

func punyDigit(c byte) (int32, bool) {
	switch {
	case 'a' <= c && c <= 'z':
		return int32(c - 'a'), true
	case '0' <= c && c <= '9':
		return int32(c-'0') + 26, true
	}
	return 0, false
}

func punyThreshold(k, bias int32) int32 { return min(max(k-bias, punyTMin), punyTMax) }

// punyAdapt is RFC 3492 section 6.1.
func punyAdapt(delta, size int32, first bool) int32 {
	if first {
		delta /= punyDamp
	} else {
		delta /= 2
	}
	delta += delta / size
	k := int32(0)
	for delta > (punyBase-punyTMin)*punyTMax/2 {
		delta /= punyBase - punyTMin
		k += punyBase
	}
	return k + (punyBase-punyTMin+1)*delta/(delta+punySkew)
}
