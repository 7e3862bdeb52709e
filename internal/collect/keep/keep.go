// Package keep preserves what was read of others: the bytes as they came, with what was asked, what was answered beside them, and
// when, as WARC 1.1 (ISO 28500:2017), the form that web archives keep and that their tools read. A capture is a file of its own, whose
// name follows from its content. It lies in the data folder, is in the backups, and nothing serves it: what somebody published is
// theirs, and what is public of it here is its digest, its time and a short quotation.
package keep

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nlnwa/gowarc/v3"

	"shirase/internal/files"
)

// folder is where captures are.
const folder = "collect/"

// maxCapture bounds a capture that is read back, in bytes.
const maxCapture = 64 << 20

// ErrDamaged reports a capture that is not what was kept.
var ErrDamaged = errors.New("what was preserved is damaged")

// Capture is what was read.
type Capture struct {
	URL     string      // that answered; file:NAME of a file that somebody gave
	Time    time.Time   // when
	Status  int         // 0 of a file
	Request http.Header // nil of a file
	Header  http.Header
	Raw     []byte // as it came
	Body    []byte // unpacked; what SHA256 is of
	Agent   string // what read it
}

// SHA256 is the digest of the bytes that were read, in hex.
func (c *Capture) SHA256() string {
	sum := sha256.Sum256(c.Body)
	return hex.EncodeToString(sum[:])
}

// Put preserves a capture, and gives the name of its file.
func Put(dir *files.Dir, c *Capture) (name string, err error) {
	var out bytes.Buffer
	if err := write(&out, c); err != nil {
		return "", fmt.Errorf("preserve %s: %w", c.URL, err)
	}
	sum := sha256.Sum256(out.Bytes())
	name = folder + c.Time.UTC().Format("2006/01/") + hex.EncodeToString(sum[:16]) + ".warc.gz"
	if err := dir.Put(name, out.Bytes()); err != nil {
		return "", fmt.Errorf("preserve %s: %w", c.URL, err)
	}
	return name, nil
}

// write writes the records, each packed by itself (WARC 1.1, annex D).
func write(w io.Writer, c *Capture) error {
	at := c.Time.UTC().Format(time.RFC3339)
	payload := sha256.Sum256(c.Body)
	target := c.URL
	if c.Request == nil {
		target = "file:" + (&url.URL{Path: strings.TrimPrefix(c.URL, "file:")}).EscapedPath()
	}
	one := func(kind gowarc.RecordType, id, media string, head map[string]string, block []byte) error {
		b := gowarc.NewRecordBuilder(kind, gowarc.WithVersion(gowarc.V1_1), gowarc.WithDefaultDigestAlgorithm("sha256"), gowarc.WithDefaultDigestEncoding(gowarc.Base32))
		defer b.Close()
		if _, err := b.Write(block); err != nil {
			return err
		}
		sum := sha256.Sum256(block)
		b.AddWarcHeader(gowarc.WarcRecordID, id)
		b.AddWarcHeader(gowarc.WarcDate, at)
		b.AddWarcHeader(gowarc.ContentLength, strconv.Itoa(len(block)))
		b.AddWarcHeader(gowarc.ContentType, media)
		b.AddWarcHeader(gowarc.WarcBlockDigest, "sha256:"+base32.StdEncoding.EncodeToString(sum[:]))
		for _, name := range slices.Sorted(keys(head)) {
			b.AddWarcHeader(name, head[name])
		}
		record, _, err := b.Build()
		if err != nil {
			return err
		}
		defer record.Close()
		z := gzip.NewWriter(w)
		if _, _, err := gowarc.NewMarshaler().Marshal(z, record, 0); err != nil {
			return err
		}
		return z.Close()
	}
	// Ids follow from what is kept, so that the same capture is the same file.
	id := func(kind string) string {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%s\x00%x", kind, c.URL, at, payload))
		sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80 // a UUID of version 8 (RFC 9562)
		return fmt.Sprintf("<urn:uuid:%x-%x-%x-%x-%x>", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
	}
	if err := one(gowarc.Warcinfo, id("warcinfo"), gowarc.ApplicationWarcFields, nil, []byte("software: "+clean(c.Agent)+"\r\nformat: WARC File Format 1.1\r\n")); err != nil {
		return err
	}
	if c.Request == nil {
		media := c.Header.Get("Content-Type")
		if media == "" {
			media = "application/octet-stream"
		}
		return one(gowarc.Resource, id("resource"), clean(media), map[string]string{gowarc.WarcTargetURI: target, gowarc.WarcWarcinfoID: id("warcinfo")}, c.Body)
	}
	u, err := url.Parse(c.URL)
	if err != nil {
		return err
	}
	head := map[string]string{gowarc.WarcTargetURI: target, gowarc.WarcWarcinfoID: id("warcinfo")}
	answer := map[string]string{gowarc.WarcPayloadDigest: "sha256:" + base32.StdEncoding.EncodeToString(rawSum(c.Raw)), "X-Shirase-Sha256": hex.EncodeToString(payload[:])}
	for k, v := range head {
		answer[k] = v
	}
	answer[gowarc.WarcConcurrentTo] = id("request")
	var block bytes.Buffer
	fmt.Fprintf(&block, "HTTP/1.1 %d %s\r\n", c.Status, http.StatusText(c.Status))
	fields(&block, c.Header)
	block.Write(c.Raw)
	if err := one(gowarc.Response, id("response"), "application/http;msgtype=response", answer, block.Bytes()); err != nil {
		return err
	}
	head[gowarc.WarcConcurrentTo] = id("response")
	block.Reset()
	fmt.Fprintf(&block, "GET %s HTTP/1.1\r\nHost: %s\r\n", u.RequestURI(), u.Host)
	fields(&block, c.Request)
	return one(gowarc.Request, id("request"), "application/http;msgtype=request", head, block.Bytes())
}

func rawSum(raw []byte) []byte {
	sum := sha256.Sum256(raw)
	return sum[:]
}

func keys(m map[string]string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// fields writes the header of a message, in an order that does not depend on chance, and the line that ends it. How the bytes were cut
// on their way is undone, and not said.
func fields(b *bytes.Buffer, h http.Header) {
	names := make([]string, 0, len(h))
	for name := range h {
		if name != "Transfer-Encoding" && name != "Connection" && name != "Set-Cookie" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		for _, v := range h[name] {
			fmt.Fprintf(b, "%s: %s\r\n", name, clean(v))
		}
	}
	b.WriteString("\r\n")
}

func clean(s string) string {
	return strings.Map(func(c rune) rune {
		if c < 0x20 || c == 0x7f {
			return ' '
		}
		return c
	}, s)
}

// Get reads a capture back: the bytes that were read, whose digest is compared with the one that it was kept under. Errors: ErrDamaged,
// and those of files.
func Get(dir *files.Dir, name, digest string) ([]byte, error) {
	data, err := dir.Get(name, maxCapture)
	if err != nil {
		return nil, err
	}
	body, err := payload(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrDamaged, name, err)
	}
	if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != digest {
		return nil, fmt.Errorf("%w: %s is not what its digest says", ErrDamaged, name)
	}
	return body, nil
}

// payload finds, in the records of a file, the one of what was read: each is packed by itself, and says how long its block is.
func payload(file []byte) ([]byte, error) {
	in := bufio.NewReader(bytes.NewReader(file))
	for {
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, err
		}
		z.Multistream(false)
		r := bufio.NewReader(z)
		if line, err := r.ReadString('\n'); err != nil || strings.TrimSpace(line) != "WARC/1.1" {
			return nil, errors.Join(err, errors.New("a record that is none"))
		}
		head, err := textproto.NewReader(r).ReadMIMEHeader()
		if err != nil {
			return nil, err
		}
		n, err := strconv.ParseInt(head.Get(gowarc.ContentLength), 10, 64)
		if err != nil || n < 0 || n > maxCapture {
			return nil, errors.New("a record without its length")
		}
		block := make([]byte, n)
		if _, err := io.ReadFull(r, block); err != nil {
			return nil, err
		}
		if _, err := io.Copy(io.Discard, r); err != nil { // to the end of the member, whose checksum stands there
			return nil, err
		}
		switch head.Get(gowarc.WarcType) {
		case "resource":
			return block, nil
		case "response":
			return entity(block)
		}
	}
}

// entity gives what stands behind the header of an answer, unpacked.
func entity(block []byte) ([]byte, error) {
	head, body, ok := bytes.Cut(block, []byte("\r\n\r\n"))
	if !ok {
		return nil, errors.New("an answer without a header")
	}
	for line := range strings.SplitSeq(string(head), "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		if !strings.EqualFold(name, "Content-Encoding") || !strings.Contains(strings.ToLower(value), "gzip") || len(body) == 0 {
			continue
		}
		z, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		return io.ReadAll(io.LimitReader(z, maxCapture))
	}
	return body, nil
}
