package archive

import (
	"cmp"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"iter"
	"slices"
	"sort"
	"strings"
)

// blockSize is how many incidents a block of the text index covers.
const blockSize = 4096

// block is the text index of the incidents of blockSize successive numbers: for each token, the places where it stands
// in all their texts written one after the other. One place is left free after each text, so that no phrase goes on in
// the next. A block is immutable; merge makes the next one.
//
// It is held as it is stored, so that reading one costs hardly more than reading its bytes:
//
//	checksum of what follows (CRC-32C, 4 bytes, big-endian)
//	number of texts, then for each: tokens of its title, tokens in all
//	number of tokens, then for each in ascending order: length, bytes of its places
//	the tokens
//	their places: each the distance from the one before
//
// All numbers are varints of encoding/binary.
type block struct {
	starts []uint32 // place where each text begins, and one more: where the next would
	titles []uint32 // place after the last token of each title
	near   []uint16 // the text that holds every 64th place, to begin looking from

	tokens               string
	places               []byte
	tokenEnds, placeEnds []uint32 // of each token in tokens, of its places in places
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errBlock = errors.New("a block of the text index is damaged")

// parseBlock reads a stored block, which it holds on to.
func parseBlock(data []byte) (*block, error) {
	if len(data) < 4 || crc32.Checksum(data[4:], castagnoli) != binary.BigEndian.Uint32(data) {
		return nil, errBlock
	}
	r := varints{data[4:]}
	b := &block{}
	docs := r.next()
	if docs > blockSize {
		return nil, errBlock
	}
	b.layout(docs, func(uint32) (title, all uint32) { return r.next(), r.next() })
	n := r.next()
	if uint64(n) > uint64(len(r.rest)) {
		return nil, errBlock
	}
	ends := make([]uint32, 2*n)
	b.tokenEnds, b.placeEnds = ends[:n:n], ends[n:]
	tokens, places := uint32(0), uint32(0)
	for i := range n {
		tokens += r.next()
		places += r.next()
		b.tokenEnds[i], b.placeEnds[i] = tokens, places
	}
	if uint64(tokens)+uint64(places) != uint64(len(r.rest)) {
		return nil, errBlock
	}
	b.tokens, b.places = string(r.rest[:tokens]), r.rest[tokens:]
	return b, nil
}

// layout gives every text its places.
func (b *block) layout(docs uint32, lengths func(doc uint32) (title, all uint32)) {
	b.starts, b.titles = make([]uint32, docs+1), make([]uint32, docs)
	for i := range docs {
		title, all := lengths(i)
		b.titles[i] = b.starts[i] + title
		b.starts[i+1] = b.starts[i] + all + 1
	}
	b.near = make([]uint16, b.starts[docs]/64+1)
	doc := 0
	for i := range b.near {
		for doc+1 < int(docs) && b.starts[doc+1] <= uint32(i)*64 {
			doc++
		}
		b.near[i] = uint16(doc)
	}
}

func (b *block) docs() int { return len(b.titles) }

// docAt tells which text holds a place.
func (b *block) docAt(place uint32) int {
	doc := int(b.near[place/64])
	for b.starts[doc+1] <= place {
		doc++
	}
	return doc
}

func (b *block) token(i int) string { return b.tokens[begin(b.tokenEnds, i):b.tokenEnds[i]] }

// placesOf returns the places of a token in ascending order.
func (b *block) placesOf(i int) places {
	return places{rest: b.places[begin(b.placeEnds, i):b.placeEnds[i]]}
}

// begin is where part i begins, of parts that follow one another and end at ends.
func begin(ends []uint32, i int) uint32 {
	if i == 0 {
		return 0
	}
	return ends[i-1]
}

// find returns the number of a token, or of the first one after it.
func (b *block) find(token string) (int, bool) {
	return sort.Find(len(b.tokenEnds), func(i int) int { return strings.Compare(token, b.token(i)) })
}

// places goes through the places of a token.
type places struct {
	rest []byte
	at   uint32
}

func (p *places) next() bool {
	if len(p.rest) == 0 {
		return false
	}
	if c := p.rest[0]; c < 0x80 {
		p.at += uint32(c)
		p.rest = p.rest[1:]
		return true
	}
	r := varints{p.rest}
	p.at += r.next()
	p.rest = r.rest
	return true
}

// varints reads numbers; where none is left, 0.
type varints struct{ rest []byte }

func (r *varints) next() uint32 {
	v := uint32(0)
	for i := 0; i < len(r.rest); i++ {
		c := r.rest[i]
		v |= uint32(c&0x7f) << (7 * i)
		if c < 0x80 {
			r.rest = r.rest[i+1:]
			return v
		}
	}
	r.rest = nil
	return v
}

// match calls found for texts that have a phrase, with the place after its last token; a text may come several times.
func (b *block) match(p phrase, found func(doc int, after uint32)) {
	exact := p.tokens
	if p.prefix {
		exact = exact[:len(exact)-1]
	}
	begins, ok := b.beginnings(exact)
	if !ok {
		return
	}
	length := uint32(len(p.tokens))
	if !p.prefix {
		for _, at := range begins {
			found(b.docAt(at), at+length)
		}
		return
	}
	last := p.tokens[len(p.tokens)-1]
	offset := length - 1
	for i, _ := b.find(last); i < len(b.tokenEnds) && strings.HasPrefix(b.token(i), last); i++ {
		from := 0
		for it := b.placesOf(i); it.next(); {
			if len(exact) > 0 {
				if it.at < offset {
					continue
				}
				if from = gallop(begins, from, it.at-offset); from == len(begins) {
					break
				}
				if begins[from] != it.at-offset {
					continue
				}
			}
			found(b.docAt(it.at), it.at+1)
		}
	}
}

// beginnings returns the places where tokens begin that follow one another; false where there are none, though tokens
// were asked for.
func (b *block) beginnings(tokens []string) ([]uint32, bool) {
	if len(tokens) == 0 {
		return nil, true
	}
	type asked struct {
		offset uint32
		rare   int // bytes of its places
		token  int
	}
	var list []asked
	for offset, t := range tokens {
		i, ok := b.find(t)
		if !ok {
			return nil, false
		}
		list = append(list, asked{uint32(offset), len(b.placesOf(i).rest), i})
	}
	slices.SortFunc(list, func(x, y asked) int { return cmp.Compare(x.rare, y.rare) }) // the rarest leaves least to look at
	var begins []uint32
	for n, a := range list {
		it := b.placesOf(a.token)
		if n == 0 {
			begins = make([]uint32, 0, a.rare)
			for it.next() {
				if it.at >= a.offset {
					begins = append(begins, it.at-a.offset)
				}
			}
			continue
		}
		kept, i := begins[:0], 0
		for i < len(begins) && it.next() {
			for i < len(begins) && begins[i]+a.offset < it.at {
				i++
			}
			if i < len(begins) && begins[i]+a.offset == it.at {
				kept = append(kept, begins[i])
				i++
			}
		}
		if begins = kept; len(begins) == 0 {
			return nil, false
		}
	}
	return begins, true
}

// gallop returns the first index from `from` on whose value is at least v, fast where it is near.
func gallop(sorted []uint32, from int, v uint32) int {
	step := 1
	for from+step < len(sorted) && sorted[from+step] < v {
		from += step
		step *= 2
	}
	i, _ := slices.BinarySearch(sorted[from:min(from+step+1, len(sorted))], v)
	return from + i
}

// entryText is what of an incident is searched: tokens, with a space before and after each, those of the title (and the
// organisation's names) first.
type entryText struct{ title, all string }

// has reports whether a phrase stands in the title, and whether it stands anywhere: of one text what blocks tell by
// their places.
func (t entryText) has(p phrase) (inTitle, anywhere bool) {
	sought := " " + strings.Join(p.tokens, " ")
	if !p.prefix {
		sought += " "
	}
	return strings.Contains(t.title, sought), strings.Contains(t.all, sought)
}

// merge makes the bytes of a block with changed texts, by their number in the block; old may be nil.
func merge(old *block, changed map[int]entryText) []byte {
	if old == nil {
		old = &block{starts: []uint32{0}}
	}
	docs := old.docs()
	for doc := range changed {
		docs = max(docs, doc+1)
	}
	next := &block{}
	next.layout(uint32(docs), func(doc uint32) (title, all uint32) {
		if t, ok := changed[int(doc)]; ok {
			return uint32(len(strings.Fields(t.title))), uint32(len(strings.Fields(t.all)))
		}
		if int(doc) < old.docs() {
			return old.titles[doc] - old.starts[doc], old.starts[doc+1] - old.starts[doc] - 1
		}
		return 0, 0
	})
	added := map[string][]uint32{}
	for doc := range docs { // ascending, as places have to be
		for i, token := range strings.Fields(changed[doc].all) {
			if token != gap {
				added[token] = append(added[token], next.starts[doc]+uint32(i))
			}
		}
	}
	return encodeBlock(next, old.moved(next, added, changed))
}

// moved returns the tokens of next with their places in ascending order: those of b's unchanged texts where they now
// stand, and added.
func (b *block) moved(next *block, added map[string][]uint32, changed map[int]entryText) iter.Seq2[string, []uint32] {
	var stays [blockSize]bool
	for doc := range b.docs() {
		_, gone := changed[doc]
		stays[doc] = !gone
	}
	tokens := make([]string, 0, len(added))
	for t := range added {
		tokens = append(tokens, t)
	}
	slices.Sort(tokens)
	return func(yield func(string, []uint32) bool) {
		var list []uint32
		for i := range b.tokenEnds {
			token := b.token(i)
			for len(tokens) > 0 && tokens[0] < token {
				if !yield(tokens[0], added[tokens[0]]) {
					return
				}
				tokens = tokens[1:]
			}
			list = list[:0]
			for it := b.placesOf(i); it.next(); {
				if doc := b.docAt(it.at); stays[doc] {
					list = append(list, it.at-b.starts[doc]+next.starts[doc])
				}
			}
			if len(tokens) > 0 && tokens[0] == token {
				list = merged(list, added[token])
				tokens = tokens[1:]
			}
			if len(list) > 0 && !yield(token, list) {
				return
			}
		}
		for _, t := range tokens {
			if !yield(t, added[t]) {
				return
			}
		}
	}
}

// merged puts further numbers into a sorted list, which it changes.
func merged(list, further []uint32) []uint32 {
	i, j := len(list)-1, len(further)-1
	list = append(list, further...)
	for k := len(list) - 1; j >= 0; k-- { // from the end, where there is room
		if i >= 0 && list[i] > further[j] {
			list[k] = list[i]
			i--
		} else {
			list[k] = further[j]
			j--
		}
	}
	return list
}

// encodeBlock writes a block of b's texts and the given tokens.
func encodeBlock(b *block, tokens iter.Seq2[string, []uint32]) []byte {
	var lengths, names, places []byte
	n := uint64(0)
	for token, list := range tokens {
		before, last := len(places), uint32(0)
		for _, at := range list {
			places = binary.AppendUvarint(places, uint64(at-last))
			last = at
		}
		n++
		names = append(names, token...)
		lengths = binary.AppendUvarint(lengths, uint64(len(token)))
		lengths = binary.AppendUvarint(lengths, uint64(len(places)-before))
	}
	out := binary.AppendUvarint(make([]byte, 4), uint64(b.docs()))
	for doc := range b.docs() {
		out = binary.AppendUvarint(out, uint64(b.titles[doc]-b.starts[doc]))
		out = binary.AppendUvarint(out, uint64(b.starts[doc+1]-b.starts[doc]-1))
	}
	out = slices.Concat(binary.AppendUvarint(out, n), lengths, names, places)
	binary.BigEndian.PutUint32(out, crc32.Checksum(out[4:], castagnoli))
	return out
}
