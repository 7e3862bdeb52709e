//go:build !amd64

package lanes

func best() Path { return Library }

const unreachable = "no lanes on this processor"

func mul(z, x, y *element)                            { panic(unreachable) }
func square2(z *pair, n uint64)                       { panic(unreachable) }
func add(z, x, y *element)                            { panic(unreachable) }
func sub(z, x, y *element)                            { panic(unreachable) }
func choose(z, x, y *element, mask uint8)             { panic(unreachable) }
func freeze(z, x *element)                            { panic(unreachable) }
func odd(x *element) uint8                            { panic(unreachable) }
func zero(x *element) uint8                           { panic(unreachable) }
func addPoint(r, p, q *point)                         { panic(unreachable) }
func cachePoint(q, p *point, d2 *element)             { panic(unreachable) }
func pick(q *point, table *[8]point, digits *[8]int8) { panic(unreachable) }
func window(p, q *point)                              { panic(unreachable) }
