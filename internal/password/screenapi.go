package password

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"shirase/internal/outward"
	"shirase/internal/web"
)

// The k-anonymous screening: who asks sends the first 5 digits of the hashes of
// a password and of its variants, gets everything that begins so, padded, and
// judges by itself. The server learns 20 bits a variant, and never which of them
// was found.
const (
	maxPrefixes = 16
	maxAnswer   = 64 << 20
)

// screenRequest is the body of POST /password/v1/screen.
type screenRequest struct {
	Mode     string   `json:"mode,omitzero"`
	Prefixes []string `json:"prefixes"`
}

// screenAnswer is what comes back: for each prefix, in the order asked, lines
// SUFFIX:COUNT as the range API writes them, where a count of 0 is padding.
type screenAnswer struct {
	Mode       string   `json:"mode"`
	Generation int64    `json:"generation"`
	MinLength  int      `json:"minLength"`
	Ranges     []string `json:"ranges"`
}

func (h *handler) screen(w http.ResponseWriter, r *http.Request) {
	var in screenRequest
	if !h.read(w, r, &in) {
		return
	}
	mode, err := modeOf(in.Mode)
	if err != nil {
		h.fail(w, r, err)
		return
	}
	if len(in.Prefixes) == 0 || len(in.Prefixes) > maxPrefixes {
		web.Problem{Status: http.StatusBadRequest, Code: "bad-prefixes", Detail: "1 to 16 prefixes a request."}.Write(w, r)
		return
	}
	snap := h.corpora.Corpus(mode).current.Load()
	out := screenAnswer{Mode: mode.String(), Generation: snap.Generation, MinLength: DefaultMinLength}
	var x suffixes
	for _, p := range in.Prefixes {
		prefix, ok := parsePrefix(p)
		if !ok {
			web.Problem{Status: http.StatusBadRequest, Code: "bad-prefixes", Detail: "A prefix is 5 hex digits."}.Write(w, r)
			return
		}
		err := snap.lacks(prefix)
		if err == nil {
			err = snap.of(prefix).load(&x, prefix)
		}
		if err != nil {
			h.fail(w, r, err)
			return
		}
		x.pad()
		out.Ranges = append(out.Ranges, string(x.text(nil)))
	}
	h.answer(w, r, out)
}

// ErrAnswer says that a server did not answer as it should.
var ErrAnswer = errors.New("the server's answer is not one to a screening")

// A Remote screens through a server's k-anonymous screening. Prepare asks for
// all variants of a password at once; Count then answers from what came back.
type Remote struct {
	url    string
	mode   Mode
	client *http.Client
	ranges map[uint32]string
	asked  []uint32
}

// NewRemote returns a Remote that asks the server at base, such as https://passwords.example.org.
func NewRemote(base string, m Mode) (*Remote, error) {
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("server %q is not an address like https://passwords.example.org", base)
	}
	return &Remote{url: strings.TrimRight(u.String(), "/") + "/password/v1/screen", mode: m,
		client: &http.Client{Transport: outward.Transport(nil), Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, nil
}

// Prepare fetches the ranges of a password and its variants.
func (r *Remote) Prepare(ctx context.Context, password string) error {
	in := screenRequest{Mode: r.mode.String()}
	r.ranges, r.asked = map[uint32]string{}, r.asked[:0]
	for _, v := range Variants(password) {
		h, err := r.mode.Hash(v)
		if err != nil {
			continue
		}
		if p := uint32(top(h) >> rangeShift); !slices.Contains(r.asked, p) {
			r.asked = append(r.asked, p)
		}
	}
	if len(r.asked) == 0 {
		return nil
	}
	slices.Sort(r.asked) // the order would tell which is the password
	for _, p := range r.asked {
		in.Prefixes = append(in.Prefixes, fmt.Sprintf("%05X", p))
	}
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := r.client.Do(req)
	if err != nil {
		return fmt.Errorf("ask for breached passwords: %w", err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("ask for breached passwords: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return refused(res.Status, b)
	}
	var out screenAnswer
	if err := json.Unmarshal(b, &out); err != nil || len(out.Ranges) != len(in.Prefixes) || out.Mode != in.Mode {
		return ErrAnswer
	}
	for _, text := range out.Ranges {
		if err := r.padded(text); err != nil {
			return err
		}
	}
	for i, p := range r.asked {
		r.ranges[p] = out.Ranges[i]
	}
	return nil
}

// refused is the error of an answer that is none. What the server says it lacks is
// what a corpus here would be said to lack.
func refused(status string, body []byte) error {
	err := fmt.Errorf("%w: %s", ErrAnswer, status)
	switch code := problemOf(body); code {
	case "no-corpus":
		return fmt.Errorf("%w: %w", err, ErrNone)
	case "incomplete-corpus":
		return fmt.Errorf("%w: %w", err, ErrIncomplete)
	case "damaged-corpus":
		return fmt.Errorf("%w: %w", err, ErrDamaged)
	case "":
		return err
	default:
		return fmt.Errorf("%w (%s)", err, code)
	}
}

// problemOf returns the code of problem details, "" where they have none.
func problemOf(body []byte) string {
	var p struct {
		Type string `json:"type"`
	}
	code, ok := "", false
	if json.Unmarshal(body, &p) == nil {
		code, ok = strings.CutPrefix(p.Type, "/problems/")
	}
	if !ok || len(code) > 64 || strings.Trim(code, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return ""
	}
	return code
}

// padded makes sure that a range is what a screening answers: padded, so that an
// answer without lines, or with few, is one that was lost on its way.
func (r *Remote) padded(text string) error {
	n := 0
	hash := make([]byte, r.mode.Size())
	for line := range strings.SplitSeq(text, "\r\n") {
		rest := strings.TrimSuffix(line, ":0")
		if _, reason := parseLine(hash, []byte("00000"+rest)); reason != "" {
			return fmt.Errorf("%w: a line is wrong: %s", ErrAnswer, reason)
		}
		n++
	}
	if n < padLines {
		return fmt.Errorf("%w: a range has %d lines, and is padded to %d at least", ErrAnswer, n, padLines)
	}
	return nil
}

// Count answers for a hash of what was prepared.
func (r *Remote) Count(hash []byte) (uint64, error) {
	if len(hash) != r.mode.Size() {
		return 0, ErrHash
	}
	lines, ok := r.ranges[uint32(top(hash)>>rangeShift)]
	if !ok {
		return 0, fmt.Errorf("%w: it was not asked", ErrAnswer)
	}
	want := strings.ToUpper(hex.EncodeToString(hash))
	for line := range strings.SplitSeq(lines, "\r\n") {
		if n := len(want) - 5; len(line) <= n || !strings.EqualFold(line[:n], want[5:]) {
			continue
		}
		got := make([]byte, len(hash))
		if strings.HasSuffix(line, ":0") {
			return 0, nil
		}
		n, reason := parseLine(got, []byte(want[:5]+line))
		if reason != "" {
			return 0, fmt.Errorf("%w: %s", ErrAnswer, reason)
		}
		return n, nil
	}
	return 0, nil
}
