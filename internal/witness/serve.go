package witness

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"filippo.io/torchwood"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"shirase/internal/files"
	"shirase/internal/web"
)

// Bounds of a request (c2sp.org/tlog-witness).
const (
	maxRequest = 16 << 10 // bytes
	maxProof   = 63       // lines
)

// request is an add-checkpoint request.
type request struct {
	old    int64
	proof  tlog.TreeProof
	note   []byte
	origin string
}

// parseRequest reads the body of add-checkpoint.
func parseRequest(body []byte) (r request, err error) {
	head, signed, ok := bytes.Cut(body, []byte("\n\n"))
	if !ok {
		return r, errors.New("there is no empty line before the checkpoint")
	}
	lines := strings.Split(string(head), "\n")
	digits, ok := strings.CutPrefix(lines[0], "old ")
	r.old, err = strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || r.old < 0 || strconv.FormatInt(r.old, 10) != digits {
		return r, errors.New("the first line is not the old size")
	}
	if len(lines) > 1+maxProof {
		return r, fmt.Errorf("more than %d lines of proof", maxProof)
	}
	for _, l := range lines[1:] {
		h, err := base64.StdEncoding.Strict().DecodeString(l)
		if err != nil || len(h) != tlog.HashSize {
			return r, errors.New("a line of the proof is not a hash")
		}
		r.proof = append(r.proof, tlog.Hash(h))
	}
	r.note = signed
	r.origin, _, _ = strings.Cut(string(signed), "\n")
	return r, nil
}

// refusal is an answer other than a cosignature.
type refusal struct {
	status int
	detail string
	size   int64 // of 409: what was cosigned last
	after  time.Duration
}

func (e *refusal) Error() string { return e.detail }

func refuse(status int, detail string) error { return &refusal{status: status, detail: detail} }

// Handler serves POST /add-checkpoint, and to whoever follows what was
// cosigned GET /<hex SHA-256 of an origin>/checkpoint (c2sp.org/tlog-witness);
// GET / says whose witness this is and of what. Errors are RFC 9457 problem
// details; 409 is the size that was cosigned last.
func (w *Witness) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /add-checkpoint", w.addCheckpoint)
	mux.HandleFunc("/add-checkpoint", func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Allow", "POST")
		web.Problem{Status: http.StatusMethodNotAllowed}.Write(rw, r)
	})
	mux.HandleFunc("GET /{origin}/checkpoint", w.checkpoint)
	mux.HandleFunc("GET /{$}", w.about)
	mux.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
		web.Problem{Status: http.StatusNotFound}.Write(rw, r)
	})
	return mux
}

func (w *Witness) addCheckpoint(rw http.ResponseWriter, r *http.Request) {
	lines, err := w.answer(rw, r)
	var no *refusal
	switch {
	case err == nil:
		rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
		io.WriteString(rw, lines)
	case errors.As(err, &no) && no.status == http.StatusConflict:
		rw.Header().Set("Content-Type", "text/x.tlog.size")
		rw.WriteHeader(http.StatusConflict)
		fmt.Fprintf(rw, "%d\n", no.size)
	case errors.As(err, &no):
		web.Problem{Status: no.status, Detail: no.detail, RetryAfter: no.after}.Write(rw, r)
	default:
		w.errors.ErrorContext(r.Context(), "witness: cosigning failed", "error", err)
		web.Problem{Status: http.StatusInternalServerError}.Write(rw, r)
	}
}

func (w *Witness) answer(rw http.ResponseWriter, r *http.Request) (string, error) {
	if !w.total.AllowN(w.now(), 1) {
		return "", &refusal{status: http.StatusTooManyRequests, detail: "Too many requests.", after: time.Second}
	}
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxRequest))
	if err != nil {
		return "", refuse(http.StatusBadRequest, "The body cannot be read, or is longer than a request can be.")
	}
	req, err := parseRequest(body)
	if err != nil {
		return "", refuse(http.StatusBadRequest, "The request is malformed: "+err.Error()+".")
	}
	l, err := w.log(req.origin)
	if err != nil {
		return "", err
	}
	if l == nil {
		return "", refuse(http.StatusNotFound, "This witness does not know the log of that origin.")
	}
	return w.cosign(l, req)
}

// cosign verifies a request in the order of c2sp.org/tlog-witness, remembers
// the checkpoint, and then returns the cosignature's line.
func (w *Witness) cosign(l *log, req request) (string, error) {
	n, err := note.Open(req.note, l.keys)
	var unverified *note.UnverifiedNoteError
	var invalid *note.InvalidSignatureError
	switch {
	case errors.As(err, &unverified), errors.As(err, &invalid):
		return "", refuse(http.StatusForbidden, "The checkpoint is not signed by a key that this witness takes for its origin.")
	case err != nil:
		return "", refuse(http.StatusBadRequest, "The checkpoint is not a signed note.")
	}
	c, err := torchwood.ParseCheckpoint(n.Text)
	if err != nil || c.String() != n.Text || c.Origin != l.origin {
		return "", refuse(http.StatusBadRequest, "The note is not a checkpoint.")
	}
	if req.old > c.N {
		return "", refuse(http.StatusBadRequest, "The old size is larger than the checkpoint's.")
	}
	if !l.rate.AllowN(w.now(), 1) {
		return "", &refusal{status: http.StatusTooManyRequests, detail: "This log asks too often.", after: time.Second}
	}
	unlock, err := w.lock.Lock()
	if err != nil {
		return "", err
	}
	defer unlock()
	before, err := w.load(l)
	if err != nil {
		return "", err
	}
	if floor := l.newest(before.note); l.newest(req.note) < floor {
		w.errors.Warn("witness: a checkpoint under a key that another has followed", "origin", l.origin, "entries", c.N)
		return "", refuse(http.StatusForbidden, "The checkpoint is signed by a key of this log that another one has followed.")
	}
	if err := w.remembers(l, before, c.Tree, req.note); err != nil {
		return "", err
	}
	if err := consistent(before.Tree, c.Tree, req); err != nil {
		return "", err
	}
	if w.now().Before(before.time) {
		w.errors.Error("witness: the clock is behind the newest cosignature", "origin", l.origin, "cosigned", before.time.UTC())
		return "", refuse(http.StatusServiceUnavailable, "This witness's clock is behind its own last cosignature.")
	}
	line, err := w.sign(n.Text)
	if err != nil {
		return "", err
	}
	// The log's own signatures that were verified, and this one.
	signed := n.Text + "\n"
	for _, s := range n.Sigs {
		signed += "— " + s.Name + " " + s.Base64 + "\n"
	}
	if err := w.dir.Put(cosigned+l.name(), []byte(signed+line)); err != nil {
		return "", err
	}
	return line, nil
}

// sign returns the cosignature's line over a checkpoint's text.
func (w *Witness) sign(text string) (string, error) {
	signed, err := note.Sign(&note.Note{Text: text}, w.signer)
	if err != nil {
		return "", err
	}
	return string(signed[len(text)+1:]), nil
}

// consistent holds a checkpoint against the one before.
func consistent(before, now tlog.Tree, req request) error {
	if req.old != before.N {
		return &refusal{status: http.StatusConflict, size: before.N, detail: "another size was cosigned last"}
	}
	if now.N == 0 && now.Hash != sha256.Sum256(nil) { // RFC 6962, section 2.1
		return refuse(http.StatusUnprocessableEntity, "The root hash is not that of the empty tree.")
	}
	if req.old == 0 {
		if len(req.proof) > 0 {
			return refuse(http.StatusUnprocessableEntity, "From the empty tree there is nothing to prove.")
		}
		return nil
	}
	// RFC 6962, section 2.1.2; of the same size it is the same root, and no proof.
	if tlog.CheckTree(req.proof, now.N, now.Hash, before.N, before.Hash) != nil {
		return refuse(http.StatusUnprocessableEntity, "The proof does not show that the checkpoint continues the one that was cosigned last.")
	}
	return nil
}

// remembers refuses a log of which this witness has cosigned more than it
// knows: a submitted checkpoint that carries its own cosignature, and is beyond
// what is remembered. That is kept, and holds for ever.
func (w *Witness) remembers(l *log, before state, now tlog.Tree, signed []byte) error {
	gone, err := w.dir.Exists(restored + l.name())
	if err != nil {
		return err
	}
	if !gone {
		_, err := note.Open(signed, note.VerifierList(w.signer.Verifier()))
		if err != nil || now.N < before.N || now.N == before.N && now.Hash == before.Hash {
			return nil
		}
		if err := w.dir.Put(restored+l.name(), signed); err != nil {
			return err
		}
	}
	w.errors.Error("witness: nothing of this log is cosigned any more", "origin", l.origin, "error", ErrRestored,
		"hint", "make a new key: move key and state away, and tell the logs")
	return refuse(http.StatusServiceUnavailable, "This witness has lost what it had cosigned of this log, and cosigns nothing of it under this key.")
}

// checkpoint serves the newest checkpoint that was cosigned of a log.
func (w *Witness) checkpoint(rw http.ResponseWriter, r *http.Request) {
	hash, err := hex.DecodeString(r.PathValue("origin"))
	if err != nil || hex.EncodeToString(hash) != r.PathValue("origin") || len(hash) != sha256.Size {
		web.Problem{Status: http.StatusNotFound}.Write(rw, r)
		return
	}
	signed, err := w.dir.Get(cosigned+r.PathValue("origin"), maxState)
	switch {
	case errors.Is(err, files.ErrNotExist):
		web.Problem{Status: http.StatusNotFound, Detail: "Nothing was cosigned of a log of that origin."}.Write(rw, r)
	case err != nil:
		w.errors.ErrorContext(r.Context(), "witness: serving failed", "error", err)
		web.Problem{Status: http.StatusInternalServerError}.Write(rw, r)
	default:
		rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
		rw.Header().Set("Cache-Control", "public, max-age=60")
		rw.Write(signed)
	}
}

// about says what a log's operator needs to know of this witness.
func (w *Witness) about(rw http.ResponseWriter, r *http.Request) {
	var b strings.Builder
	fmt.Fprintf(&b, "A witness (c2sp.org/tlog-witness). Its key:\n\n%s\n\nCheckpoints are submitted to add-checkpoint below this address. It witnesses:\n\n", w.VKey())
	for _, vkey := range w.Logs() {
		b.WriteString(vkey + "\n")
	}
	rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
	rw.Header().Set("Cache-Control", "public, max-age=60")
	io.WriteString(rw, b.String())
}
