//go:build !amd64 || purego

package password

func textLines(dst, digits, tails []byte, counts []uint64, stride, tail int) (done, length int) {
	return textLinesGo(dst, digits, tails, counts, stride, tail)
}

func parseHex(dst, src []byte) bool { return parseHexGo(dst, src) }

func deflatePairs(dst, text []byte, pairs *[1 << 16]uint32, acc uint64, bits uint) (length int, left uint64, leftBits uint) {
	return deflatePairsGo(dst, text, pairs, acc, bits)
}
