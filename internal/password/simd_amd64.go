//go:build !purego

package password

import "golang.org/x/sys/cpu"

// textLines is textLinesGo, with the processor's table instruction where it has one.
func textLines(dst, digits, tails []byte, counts []uint64, stride, tail int) (done, length int) {
	n := len(counts)
	if n == 0 || !cpu.X86.HasSSSE3 {
		return textLinesGo(dst, digits, tails, counts, stride, tail)
	}
	_, _, _ = dst[:n*longestLine+lineSlack], digits[:n], tails[:(n-1)*stride+tailBytes] // nothing below looks
	return textLinesSSSE3(&dst[0], &digits[0], &tails[0], &counts[0], n, stride, tail, &ends[0], &pairs[0])
}

//go:noescape
func textLinesSSSE3(dst, digits, tails *byte, counts *uint64, n, stride, tail int, ends *uint64, pairs *uint16) (done, length int)

// parseHex is parseHexGo, 16 digits at a time where the processor can.
func parseHex(dst, src []byte) bool {
	if len(dst) < 8 || !cpu.X86.HasSSSE3 {
		return parseHexGo(dst, src)
	}
	_ = src[:2*len(dst)] // nothing below looks
	return parseHexSSSE3(&dst[0], &src[0], len(dst))
}

// parseHexSSSE3 reads n ≥ 8 bytes.
//
//go:noescape
func parseHexSSSE3(dst, src *byte, n int) bool

// deflatePairs is deflatePairsGo, where the processor can with shifts that keep what they shift.
func deflatePairs(dst, text []byte, pairs *[1 << 16]uint32, acc uint64, bits uint) (length int, left uint64, leftBits uint) {
	n := len(text) / 8
	if n == 0 || !cpu.X86.HasBMI2 {
		return deflatePairsGo(dst, text, pairs, acc, bits)
	}
	_ = dst[:n*8*maxCode/8+8] // nothing below looks
	length, left, wide := deflatePairsBMI2(&dst[0], &text[0], n, &pairs[0], acc, uint64(bits))
	return length, left, uint(wide)
}

//go:noescape
func deflatePairsBMI2(dst, text *byte, n int, pairs *uint32, acc, bits uint64) (length int, left, leftBits uint64)
