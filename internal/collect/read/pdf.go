package read

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/klippa-app/go-pdfium"
	perrors "github.com/klippa-app/go-pdfium/errors"
	"github.com/klippa-app/go-pdfium/requests"
	"github.com/klippa-app/go-pdfium/responses"
	"github.com/klippa-app/go-pdfium/webassembly"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// Bounds of a PDF and of the process that reads it.
const (
	maxPages    = 100
	maxRects    = 20_000             // pieces of text on a page
	maxAnswer   = 4 << 20            // bytes of what the child says
	pdfTime     = 90 * time.Second   // for the whole of it; the first one compiles the library
	pdfMemory   = 512 << 20          // of the sandbox
	pdfProcess  = 6 << 30            // address space of the child, most of which is never touched
	pdfCPU      = 120                // seconds
	pdfCacheDir = "SHIRASE_PDF_KEEP" // where the child keeps the library compiled
)

// Pages is the text of a PDF.
type Pages struct {
	Title  string   `json:"title"`
	Pages  []string `json:"pages"`
	Of     int      `json:"of"`     // pages that there are
	Images int      `json:"images"` // pages that have a picture and no text
	Failed string   `json:"failed,omitempty"`
}

// Child reads PDFs in a child process: this program, started with args, which calls [ServeChild]. A PDF that crashes its reader, or has
// it work without end, ends that process and nothing else. Compiled code is kept in the folder keep, which nobody else may write.
func Child(program string, args []string, keep string) func(ctx context.Context, data []byte) (*Pages, error) {
	return func(ctx context.Context, data []byte) (*Pages, error) {
		ctx, cancel := context.WithTimeout(ctx, pdfTime)
		defer cancel()
		c := exec.CommandContext(ctx, program, args...)
		c.Env = []string{pdfCacheDir + "=" + keep, "GOMAXPROCS=1", "GOTRACEBACK=none"} // and nothing of ours: no settings, no secrets
		c.Stdin = bytes.NewReader(data)
		var out limited
		out.most = maxAnswer
		c.Stdout = &out
		c.WaitDelay = 5 * time.Second
		alone(c)
		err := c.Run()
		switch {
		case ctx.Err() != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded):
			return nil, fmt.Errorf("%w: reading it takes more than %s", ErrBroken, pdfTime)
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			return nil, fmt.Errorf("%w: its reader ended (%w)", ErrBroken, err)
		case out.over:
			return nil, fmt.Errorf("%w: more than %d MiB of text", ErrTooLarge, maxAnswer>>20)
		}
		var p Pages
		if err := json.Unmarshal(out.Bytes(), &p); err != nil || len(p.Pages) > maxPages {
			return nil, fmt.Errorf("%w: its reader gave no text", ErrBroken)
		}
		switch p.Failed {
		case "":
			return &p, nil
		case "locked":
			return nil, ErrLocked
		}
		return nil, fmt.Errorf("%w: %.200s", ErrBroken, p.Failed)
	}
}

// limited keeps what is written to it up to a bound, and takes the rest for nothing.
type limited struct {
	bytes.Buffer
	most int
	over bool
}

func (l *limited) Write(p []byte) (int, error) {
	if l.over = l.over || l.Len()+len(p) > l.most; !l.over {
		l.Buffer.Write(p)
	}
	return len(p), nil
}

// ServeChild is the child: it reads a PDF from in and writes its text to out.
func ServeChild(in io.Reader, out io.Writer) error {
	limit()
	data, err := io.ReadAll(io.LimitReader(in, MaxPDF+1))
	if err != nil {
		return err
	}
	p, err := pdfText(data, os.Getenv(pdfCacheDir))
	if err != nil {
		p = &Pages{Failed: err.Error()}
		if errors.Is(err, perrors.ErrPassword) {
			p.Failed = "locked"
		}
	}
	return json.NewEncoder(out).Encode(p)
}

// pdfText reads a PDF in this process. The library is C++, compiled for a machine that has memory of its own, no files, no network
// and no clock but ours (WebAssembly).
func pdfText(data []byte, keep string) (*Pages, error) {
	ctx := context.Background()
	config := wazero.NewRuntimeConfig().WithCoreFeatures(api.CoreFeaturesV2 | experimental.CoreFeaturesExceptionHandling).WithMemoryLimitPages(pdfMemory >> 16)
	if keep != "" {
		cache, err := wazero.NewCompilationCacheWithDir(keep)
		if err != nil {
			return nil, err
		}
		defer cache.Close(ctx)
		config = config.WithCompilationCache(cache)
	}
	pool, err := webassembly.Init(webassembly.Config{Context: ctx, MinIdle: 0, MaxIdle: 1, MaxTotal: 1, FSConfig: wazero.NewFSConfig(), RuntimeConfig: config, Stdout: io.Discard, Stderr: io.Discard})
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	instance, err := pool.GetInstance(30 * time.Second)
	if err != nil {
		return nil, err
	}
	defer instance.Close()
	doc, err := instance.OpenDocument(&requests.OpenDocument{File: &data})
	if err != nil {
		return nil, err
	}
	count, err := instance.FPDF_GetPageCount(&requests.FPDF_GetPageCount{Document: doc.Document})
	if err != nil {
		return nil, err
	}
	out := &Pages{Of: count.PageCount, Pages: []string{}}
	if meta, err := instance.FPDF_GetMetaText(&requests.FPDF_GetMetaText{Document: doc.Document, Tag: "Title"}); err == nil {
		out.Title = meta.Value
	}
	total := 0
	for i := range min(count.PageCount, maxPages) {
		at := requests.Page{ByIndex: &requests.PageByIndex{Document: doc.Document, Index: i}}
		text, err := pageText(instance, at)
		if err != nil {
			return nil, fmt.Errorf("page %d: %w", i+1, err)
		}
		if strings.TrimSpace(text) == "" && pictured(instance, at) {
			out.Images++
		}
		out.Pages = append(out.Pages, text)
		if total += len(text); total > maxText {
			break
		}
	}
	return out, nil
}

// pictured reports whether a page shows a picture.
func pictured(instance pdfium.Pdfium, at requests.Page) bool {
	n, err := instance.FPDFPage_CountObjects(&requests.FPDFPage_CountObjects{Page: at})
	if err != nil {
		return false
	}
	const image, form = 3, 5 // FPDF_PAGEOBJ_IMAGE, FPDF_PAGEOBJ_FORM
	for i := range min(n.Count, 1000) {
		o, err := instance.FPDFPage_GetObject(&requests.FPDFPage_GetObject{Page: at, Index: i})
		if err != nil {
			continue
		}
		if kind, err := instance.FPDFPageObj_GetType(&requests.FPDFPageObj_GetType{PageObject: o.PageObject}); err == nil && (int(kind.Type) == image || int(kind.Type) == form) {
			return true
		}
	}
	return false
}

// pageText gives the text of a page in the order in which it is looked at, where that can be told, and as it stands in the file
// otherwise.
func pageText(instance pdfium.Pdfium, at requests.Page) (string, error) {
	plain, err := instance.GetPageText(&requests.GetPageText{Page: at})
	if err != nil {
		return "", err
	}
	rects, err := instance.GetPageTextStructured(&requests.GetPageTextStructured{Page: at, Mode: requests.GetPageTextStructuredModeRects})
	if err != nil || len(rects.Rects) > maxRects {
		return plain.Text, nil
	}
	if text, ok := ordered(rects.Rects); ok {
		return text, nil
	}
	return plain.Text, nil
}

// piece is text on a page, from the left and from the bottom.
type piece struct {
	text                     string
	left, right, top, bottom float64
}

// ordered puts pieces into lines from top to bottom, where a file gives them in another order: programs that lay out pages write a
// heading, a date or a table's frame when they please. Two columns and upright text are left as they stand, which is right more often.
func ordered(rects []*responses.GetPageTextStructuredRect) (string, bool) {
	var all []piece
	upright, backward := 0, 0
	for _, r := range rects {
		if strings.TrimSpace(r.Text) == "" {
			continue
		}
		p := piece{r.Text, r.PointPosition.Left, r.PointPosition.Right, max(r.PointPosition.Top, r.PointPosition.Bottom), min(r.PointPosition.Top, r.PointPosition.Bottom)}
		if h := p.top - p.bottom; len([]rune(p.text)) > 2 && h > 2*(p.right-p.left) {
			upright++
		}
		if n := len(all); n > 0 && p.bottom > all[n-1].top {
			backward++
		}
		all = append(all, p)
	}
	if backward == 0 || upright*2 > len(all) {
		return "", false
	}
	slices.SortStableFunc(all, func(a, b piece) int {
		switch ca, cb := a.top+a.bottom, b.top+b.bottom; {
		case ca > cb:
			return -1
		case ca < cb:
			return 1
		}
		return 0
	})
	var lines [][]piece
	for _, p := range all {
		if n := len(lines); n > 0 {
			first := lines[n-1][0]
			if mid := (p.top + p.bottom) / 2; mid < first.top && mid > first.bottom {
				lines[n-1] = append(lines[n-1], p)
				continue
			}
		}
		lines = append(lines, []piece{p})
	}
	split := 0
	for _, l := range lines {
		slices.SortStableFunc(l, func(a, b piece) int { return int(a.left*10) - int(b.left*10) })
		for i := 1; i < len(l); i++ {
			if l[i].left-l[i-1].right > 2*(l[i].top-l[i].bottom) && len([]rune(l[i].text)) > 8 && len([]rune(l[i-1].text)) > 8 {
				split++
				break
			}
		}
	}
	if split*2 > len(lines) {
		return "", false // columns
	}
	var b strings.Builder
	for i, l := range lines {
		if i > 0 {
			above := lines[i-1][0]
			if above.bottom-l[0].top > 1.2*(l[0].top-l[0].bottom) {
				b.WriteByte('\n')
			}
			b.WriteByte('\n')
		}
		for j, p := range l {
			if j > 0 && p.left-l[j-1].right > (p.top-p.bottom)/2 {
				b.WriteString("　")
			}
			b.WriteString(strings.TrimRight(p.text, "\r\n"))
		}
	}
	return b.String(), true
}

// pdf makes a document of a PDF's pages. One of pictures only is said to be that, and has no text.
func (r *Reader) pdf(ctx context.Context, data []byte) (*Document, error) {
	if r.PDF == nil {
		return nil, fmt.Errorf("%w: this program reads no PDFs here", ErrForm)
	}
	p, err := r.PDF(ctx, data)
	if err != nil {
		return nil, err
	}
	text := strings.Join(p.Pages, "\n\n")
	doc := &Document{Title: p.Title, Pages: p.Of, Text: unbroken(text), Cut: len(p.Pages) < p.Of}
	doc.Scanned = strings.TrimSpace(text) == "" && p.Images > 0
	return doc, nil
}

// unbroken joins the lines that a page's width broke within a sentence: 2 lines of Japanese letters, the first of which is long and
// ends without a stop.
func unbroken(text string) string {
	lines := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")
	longest := 0
	for _, l := range lines {
		longest = max(longest, len([]rune(strings.TrimSpace(l))))
	}
	var b strings.Builder
	for i, l := range lines {
		b.WriteString(l)
		if i+1 == len(lines) {
			break
		}
		this, next := []rune(strings.TrimSpace(l)), []rune(lines[i+1])
		if n := len(this); n >= 20 && n*10 >= longest*8 && len(next) > 0 && wide(this[n-1]) && wide(next[0]) && !strings.ContainsRune("。．！？：」』）", this[n-1]) && !strings.ContainsRune("　・■●◆※（「『１２３４５６７８９〇○", next[0]) {
			continue
		}
		b.WriteByte('\n')
	}
	return b.String()
}
