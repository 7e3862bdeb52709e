//go:build !amd64

package lanes

func best() Path { return Library }

const unreachable = "no lanes on this processor"

func (l *Lanes) mul(z, x, y *element)                            { panic(unreachable) }
func (l *Lanes) square2(z *pair, n uint64)                       { panic(unreachable) }
func (l *Lanes) add(z, x, y *element)                            { panic(unreachable) }
func (l *Lanes) sub(z, x, y *element)                            { panic(unreachable) }
func (l *Lanes) choose(z, x, y *element, mask uint8)             { panic(unreachable) }
func (l *Lanes) freeze(z, x *element)                            { panic(unreachable) }
func (l *Lanes) odd(x *element) uint8                            { panic(unreachable) }
func (l *Lanes) zero(x *element) uint8                           { panic(unreachable) }
func (l *Lanes) addPoint(r, p, q *point)                         { panic(unreachable) }
func (l *Lanes) cachePoint(q, p *point, d2 *element)             { panic(unreachable) }
func (l *Lanes) pick(q *point, table *[8]point, digits *[8]int8) { panic(unreachable) }
func (l *Lanes) window(p, q *point)                              { panic(unreachable) }
