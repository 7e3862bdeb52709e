package console

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"shirase/internal/actor"
)

// upload sends a form with a file, which comes last and is not held in memory.
func (p *person) upload(path string, form url.Values, name string, file io.Reader) answer {
	p.d.t.Helper()
	res, err := p.client.Do(p.uploading(path, form, name, file))
	if err != nil {
		p.d.t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		p.d.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(data)}
}

func (p *person) uploading(path string, form url.Values, name string, file io.Reader) *http.Request {
	p.d.t.Helper()
	r, w := io.Pipe()
	out := multipart.NewWriter(w)
	go func() {
		for k, values := range form {
			for _, v := range values {
				if err := out.WriteField(k, v); err != nil {
					return
				}
			}
		}
		part, err := out.CreateFormFile("file", name)
		if err == nil {
			_, err = io.Copy(part, file)
		}
		if err == nil {
			err = out.Close()
		}
		w.CloseWithError(err)
	}()
	req, err := http.NewRequestWithContext(p.d.t.Context(), "POST", base+path, r)
	if err != nil {
		p.d.t.Fatal(err)
	}
	req.Header.Set("Content-Type", out.FormDataContentType())
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	req.Header.Set("Accept-Language", "ja")
	return req
}

// breaks gives some bytes and then fails, as a browser does that is closed.
type breaks struct{ left int }

func (b *breaks) Read(p []byte) (int, error) {
	if b.left == 0 {
		return 0, io.ErrClosedPipe
	}
	n := min(len(p), b.left)
	b.left -= n
	return n, nil
}

// TestEvidence: a file that is larger than any other form may be comes in whole, with its hash, and goes out as it came; what is too
// large, breaks off, or is not a file leaves nothing.
func TestEvidence(t *testing.T) {
	each(t, func(t *testing.T, d *desk) {
		ctx := t.Context()
		d.first()
		p := d.hire("鈴木", actor.Contributes, actor.Desk)
		id := d.declare("事案")
		at := "/console/cases/" + id + "/evidence"
		left := func() (files, rows int) {
			t.Helper()
			names, err := d.cases.Dir.List("evidence")
			if err != nil {
				t.Fatal(err)
			}
			if err := d.db.QueryRowContext(ctx, `SELECT count(*) FROM response_evidence`).Scan(&rows); err != nil {
				t.Fatal(err)
			}
			return len(names), rows
		}
		whole := bytes.Repeat([]byte("2026-08-20T10:00:00+09:00 sshd accepted\n"), 60_000) // 2.4 MB
		a := p.upload(at, url.Values{"source": {"web-1"}, "by": {"山田"}, "collected": {"2026-08-20 11:00"}, "note": {"全部"}}, `C:\logs\認証.log`, bytes.NewReader(whole))
		if a.status != http.StatusSeeOther {
			t.Fatal(a.status, a.body)
		}
		k, err := d.cases.Get(ctx, actor.Operator(), id)
		if err != nil || len(k.Evidence) != 1 {
			t.Fatal(k.Evidence, err)
		}
		piece, sum := k.Evidence[0], sha256.Sum256(whole)
		if piece.SHA256 != hex.EncodeToString(sum[:]) || piece.Size != int64(len(whole)) || piece.Source != "web-1" || piece.By != "山田" || piece.Collected != "2026-08-20T11:00+09:00" || !strings.HasSuffix(piece.Name, "認証.log") {
			t.Errorf("%+v", piece)
		}
		if page := p.get("/console/cases/" + id + "/timeline"); !strings.Contains(page.body, piece.SHA256) || !strings.Contains(page.body, "認証.log") {
			t.Error("the page does not show it")
		}
		out := p.post(at+"/take", url.Values{"id": {itoa(piece.ID)}, "why": {"鑑定"}, "to": {"鑑定人"}})
		if out.status != http.StatusOK || out.body != string(whole) || !strings.HasPrefix(out.header.Get("Content-Disposition"), "attachment") {
			t.Errorf("taken out: %d, %d bytes, %q", out.status, len(out.body), out.header.Get("Content-Disposition"))
		}
		if a := p.post(at+"/verify", url.Values{"id": {itoa(piece.ID)}}); a.status != http.StatusSeeOther {
			t.Error(a.status)
		}
		if a := p.post(at+"/hand", url.Values{"id": {itoa(piece.ID)}, "what": {"handed-over"}, "to": {"警察"}}); a.status != http.StatusSeeOther {
			t.Error(a.status)
		}
		if k, err = d.cases.Get(ctx, actor.Operator(), id); err != nil {
			t.Fatal(err)
		}
		var custody []string
		for _, l := range k.Evidence[0].Custody {
			custody = append(custody, l.What)
		}
		if got := strings.Join(custody, " "); got != "taken-in exported verified handed-over" {
			t.Errorf("custody: %s", got)
		}

		// Nothing stays of these.
		files, rows := left()
		d.cases.Limits.Evidence = 3 << 20
		for name, c := range map[string]struct {
			answer answer
			want   int
			says   string
		}{
			"too large":          {p.upload(at, nil, "big", bytes.NewReader(make([]byte, 3<<20+1))), http.StatusRequestEntityTooLarge, "大きすぎます"},
			"no file was chosen": {p.upload(at, nil, "", strings.NewReader("")), http.StatusUnprocessableEntity, "ファイルを選んでください"},
			"no form of a file":  {p.post(at, url.Values{"source": {"x"}}), http.StatusUnprocessableEntity, "ファイルを選んでください"},
			"no time":            {p.upload(at, url.Values{"collected": {"きのう"}}, "x", strings.NewReader("x")), http.StatusUnprocessableEntity, "時刻"},
		} {
			if c.answer.status != c.want || !strings.Contains(c.answer.body, c.says) || !strings.Contains(c.answer.body, "data-refused") {
				t.Errorf("%s: %d, it says %q: %v", name, c.answer.status, c.says, strings.Contains(c.answer.body, c.says))
			}
		}
		if res, err := p.client.Do(p.uploading(at, nil, "half", &breaks{2 << 20})); err == nil {
			res.Body.Close()
			t.Errorf("what broke off is answered: %d", res.StatusCode)
		}
		d.server.CloseClientConnections()
		d.server.Close() // once this returns, the request that broke off has ended
		if f, r := left(); f != files || r != rows {
			t.Errorf("%d files and %d rows are left, %d and %d were there", f, r, files, rows)
		}
		if k, err = d.cases.Get(ctx, actor.Operator(), id); err != nil || len(k.Evidence) != 1 {
			t.Errorf("%d pieces, %v", len(k.Evidence), err)
		}
	})
}
