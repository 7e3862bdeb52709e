package collect

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"shirase/internal/actor"
	"shirase/internal/collect/fetch"
	"shirase/internal/collect/keep"
	"shirase/internal/collect/read"
	"shirase/internal/hint"
	"shirase/internal/incident/extract"
	"shirase/internal/store"
)

// Document is what was read of a page at one time.
type Document struct {
	ID, URL, Final, Form, Media string
	Status                      int
	SHA256                      string // of the bytes
	Said                        string // digest of the text
	Fetched                     time.Time
	ETag, Modified              string
	WARC                        string
	Title, Text                 string
	Scanned                     bool
	Pages                       int

	links []read.Link
	feeds []string
}

// Fetch reads a page now: gets it, preserves it, and reads its text. Nothing is laid into the inbox. Errors: those of fetch and read.
func (c *Collection) Fetch(ctx context.Context, who actor.Actor, address string) (*Document, error) {
	if err := who.May(actor.Record, ""); err != nil {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	d, err := c.get(ctx, address, fetch.Known{})
	if err != nil {
		return nil, fmt.Errorf("fetch: %w", err)
	}
	if d.Status != http.StatusOK {
		return nil, hint.Add(fmt.Errorf("fetch %s: the site answers %d %s", d.URL, d.Status, http.StatusText(d.Status)), "see in a browser whether the page is there")
	}
	return d, nil
}

// get gets, preserves and reads a page. One that has not changed gives nil.
func (c *Collection) get(ctx context.Context, address string, known fetch.Known) (*Document, error) {
	p, err := c.Web.Get(ctx, address, known)
	if err != nil {
		return nil, err
	}
	if p.Unchanged() {
		return nil, nil
	}
	d := &Document{ID: newID("d"), URL: p.URL, Final: p.Final, Status: p.Status, Media: cmp.Or(p.Header.Get("Content-Type"), ""), SHA256: p.SHA256(), Fetched: p.Fetched,
		ETag: short(p.Header.Get("ETag")), Modified: short(p.Header.Get("Last-Modified"))}
	if d.WARC, err = keep.Put(c.Dir, &keep.Capture{URL: p.Final, Time: p.Fetched, Status: p.Status, Request: p.Request, Header: p.Header, Raw: p.Raw, Body: p.Body, Agent: c.Agent}); err != nil {
		return nil, err
	}
	c.came()
	if p.OK() {
		if err := c.understand(ctx, d, p.Body); err != nil {
			return nil, err
		}
	}
	defer c.came()
	return d, c.store(ctx, d)
}

// FetchFile reads a file that somebody gives: a page or a PDF that was saved, or a mail.
func (c *Collection) FetchFile(ctx context.Context, who actor.Actor, name string, data []byte) (*Document, error) {
	if err := who.May(actor.Record, ""); err != nil {
		return nil, fmt.Errorf("read a file: %w", err)
	}
	name = "file:" + filepath.Base(name)
	if len(name) > 300 {
		name = "file:document" + filepath.Ext(name)
	}
	d := &Document{ID: newID("d"), URL: name, Final: name, Status: http.StatusOK, Fetched: c.Now().UTC().Truncate(time.Second)}
	sum := sha256.Sum256(data)
	d.SHA256 = hex.EncodeToString(sum[:])
	if err := c.understand(ctx, d, data); err != nil {
		return nil, fmt.Errorf("read %s: %w", name[len("file:"):], err)
	}
	var err error
	if d.WARC, err = keep.Put(c.Dir, &keep.Capture{URL: name, Time: d.Fetched, Header: http.Header{"Content-Type": {cmp.Or(mediaOf[d.Form], "application/octet-stream")}}, Raw: data, Body: data, Agent: c.Agent}); err != nil {
		return nil, err
	}
	return d, c.store(ctx, d)
}

var mediaOf = map[string]string{read.HTML: "text/html", read.PDF: "application/pdf", read.Mail: "message/rfc822", read.Text: "text/plain"}

func short(s string) string {
	if len(s) > 200 {
		return ""
	}
	return s
}

// understand reads the text of a document.
func (c *Collection) understand(ctx context.Context, d *Document, data []byte) error {
	got, err := c.Reader.Read(ctx, data, d.Media, d.Final)
	if err != nil {
		return err
	}
	d.Form, d.Title, d.Text, d.Scanned, d.Pages, d.links, d.feeds = got.Form, got.Title, got.Text, got.Scanned, got.Pages, got.Links, got.Feeds
	sum := sha256.Sum256([]byte(d.Text))
	d.Said = hex.EncodeToString(sum[:])
	return nil
}

const documentColumns = `id, url, final, status, form, media, sha256, said, fetched, etag, modified, warc, title, text, scanned, pages`

func (c *Collection) store(ctx context.Context, d *Document) error {
	_, err := c.DB.ExecContext(ctx, `INSERT INTO collect_document (`+documentColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)`,
		d.ID, d.URL, d.Final, d.Status, d.Form, d.Media, d.SHA256, d.Said, store.Micros(d.Fetched), d.ETag, d.Modified, d.WARC, d.Title, d.Text, d.Scanned, d.Pages)
	if err != nil {
		return fmt.Errorf("keep what was read of %s: %w", d.URL, err)
	}
	return nil
}

// Document gives what was read.
func (c *Collection) Document(ctx context.Context, who actor.Actor, id string) (*Document, error) {
	if err := who.May(actor.Record, ""); err != nil {
		return nil, fmt.Errorf("read a document: %w", err)
	}
	return documentOf(ctx, c.DB, id)
}

func documentOf(ctx context.Context, q store.Querier, id string) (*Document, error) {
	var d Document
	var fetched int64
	err := q.QueryRowContext(ctx, `SELECT `+documentColumns+` FROM collect_document WHERE id = $1`, id).Scan(&d.ID, &d.URL, &d.Final, &d.Status, &d.Form, &d.Media, &d.SHA256,
		&d.Said, &fetched, &d.ETag, &d.Modified, &d.WARC, &d.Title, &d.Text, &d.Scanned, &d.Pages)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("%w: document %.40q", ErrNotFound, id)
	}
	if err != nil {
		return nil, fmt.Errorf("read document %s: %w", id, err)
	}
	d.Fetched = store.FromMicros(fetched)
	return &d, nil
}

// Bytes gives what was preserved of a document, whose digest is compared.
func (c *Collection) Bytes(ctx context.Context, who actor.Actor, id string) ([]byte, error) {
	d, err := c.Document(ctx, who, id)
	if err != nil {
		return nil, err
	}
	return keep.Get(c.Dir, d.WARC, d.SHA256)
}

// maxRead is how much of a text is read for facts. Reading takes time that grows faster than the text where that was written to have it so:
// somebody else's page, which nobody chose, may not keep this machine busy for minutes. A notice says what it has to say in less.
const maxRead = 40_000

// beginning is as much of a text as is read, up to the end of a line.
func beginning(text string) string {
	if len(text) <= maxRead {
		return text
	}
	text = strings.ToValidUTF8(text[:maxRead], "")
	if end := strings.LastIndexByte(text, '\n'); end > maxRead/2 {
		text = text[:end]
	}
	return text
}

// Read proposes the facts that a document states in its beginning. It may take seconds; when ctx ends it is left to itself.
func (d *Document) Read(ctx context.Context) (*extract.Result, error) {
	type result struct {
		res *extract.Result
		err error
	}
	done := make(chan result, 1)
	go func() {
		res, err := extract.Notice([]byte(beginning(d.Text)))
		done <- result{res, err}
	}()
	select {
	case r := <-done:
		if errors.Is(r.err, extract.ErrTooLarge) { // no notice is that long: it proposes nothing
			return extract.Notice(nil)
		}
		return r.res, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
