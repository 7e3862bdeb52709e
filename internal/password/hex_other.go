//go:build !amd64 || purego

package password

func textLines(dst, digits, tails []byte, counts []uint64, stride, tail int) (done, length int) {
	return textLinesGo(dst, digits, tails, counts, stride, tail)
}

func parseHex(dst, src []byte) bool { return parseHexGo(dst, src) }
