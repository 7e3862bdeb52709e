package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"shirase/internal/actor"
	"shirase/internal/collect"
	"shirase/internal/collect/fetch"
	"shirase/internal/collect/read"
	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/incident/extract"
	"shirase/internal/outward"
)

// readPDF is the hidden command by which this program reads a PDF in a process of its own (internal/collect/read).
const readPDF = "read-pdf"

func (a *app) cmdReadPDF() *cobra.Command {
	return &cobra.Command{Use: readPDF, Hidden: true, Args: cobra.NoArgs, RunE: func(c *cobra.Command, _ []string) error {
		return read.ServeChild(c.InOrStdin(), a.out)
	}}
}

// collection opens the room of what others disclose.
func (a *app) collection(ctx context.Context, in *instance) (*collect.Collection, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	compiled := filepath.Join(a.op().Data, "files", "build", "pdf")
	if err := os.MkdirAll(compiled, 0o700); err != nil {
		return nil, err
	}
	o := a.op().Collect
	agent := "shirase/" + version
	if a.op().URL != "" {
		agent += " (+" + a.op().URL + ")"
	}
	var allow []netip.AddrPort
	for _, s := range o.Allow {
		to, err := fetch.ParseAllowed(s)
		if err != nil {
			return nil, hint.Add(fmt.Errorf("the setting collect.allow: %w", err), "name addresses, not names: shirase config set collect.allow 10.1.2.3:8080")
		}
		allow = append(allow, to)
	}
	pause := o.Pause
	if pause == 0 {
		pause = -1
	}
	return collect.New(ctx, collect.Rooms{DB: in.db, Dir: in.dir, Keys: in.keys, Incidents: in.incidents, Archive: in.archive, Agent: agent, Resolver: a.resolver(), Dataset: takeDataset(in),
		Web: fetch.New(fetch.Options{Agent: agent, Allow: allow, Pause: pause}), Reader: &read.Reader{PDF: read.Child(self, []string{readPDF}, compiled)}})
}

// resolver asks the DNS server that the settings name, or the system's.
func (a *app) resolver() *net.Resolver {
	server := a.op().DNS.Server
	if server == "" {
		return net.DefaultResolver
	}
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return outward.Dial(ctx, &net.Dialer{}, network, server)
	}}
}

// fetchedSource is where something was read.
type fetchedSource struct {
	URL     string `json:"url"`
	SHA256  string `json:"sha256"`
	Fetched string `json:"fetched"`
	Form    string `json:"form"`
	Title   string `json:"title,omitzero"`
	Scanned bool   `json:"scanned,omitzero"`
	WARC    string `json:"preserved"`
}

func sourceOf(d *collect.Document) fetchedSource {
	return fetchedSource{d.URL, d.SHA256, d.Fetched.Format(time.RFC3339), d.Form, d.Title, d.Scanned, d.WARC}
}

func (a *app) cmdFetch() *cobra.Command {
	var inbox, text bool
	c := &cobra.Command{
		Use:   "fetch URL|FILE",
		Short: "Read one disclosure of others where it was published, and propose its facts",
		Long: `Gets the page, PDF or mail, preserves its bytes with their digest in the data folder,
reads its text, and proposes the facts that it states, each with the words it was
read from (bytes from and to of the text, which --text prints). Nothing is recorded.
--inbox lays it into the inbox, where it is accepted, corrected or left.

A site is asked as politely as can be: once, and not where its robots.txt says no.
Nothing is asked of addresses that are not of the public internet, unless the
setting collect.allow names them.`,
		Example: `  shirase incident fetch https://www.example.co.jp/news/20260403.pdf
  shirase incident fetch saved.pdf --inbox`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			in, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			room, err := a.collection(c.Context(), in)
			if err != nil {
				return err
			}
			d, err := a.fetchOne(c.Context(), room, args[0])
			if err != nil {
				return err
			}
			item := ""
			if inbox {
				i, err := room.Lay(c.Context(), actor.Operator(), d, "")
				if err != nil {
					return err
				}
				item = i.ID
			}
			res, err := d.Read(c.Context())
			if err != nil {
				return err
			}
			entries := res.Entries()
			if entries == nil {
				entries = []extract.Entry{}
			}
			out := map[string]any{"source": sourceOf(d), "id": res.ID, "facts": entries}
			if item != "" {
				out["item"] = item
			}
			if text {
				out["text"] = d.Text
			}
			return a.print(out, func(w io.Writer) { printFetched(w, d, entries, item, text) })
		},
	}
	c.Flags().BoolVar(&inbox, "inbox", false, "lay it into the inbox")
	c.Flags().BoolVar(&text, "text", false, "print the text that was read")
	return c
}

// fetchOne reads an address, or else a file.
func (a *app) fetchOne(ctx context.Context, room *collect.Collection, name string) (*collect.Document, error) {
	var d *collect.Document
	var err error
	if strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "https://") {
		d, err = room.Fetch(ctx, actor.Operator(), name)
	} else {
		var f io.ReadCloser
		if f, err = files.OpenInput(ctx, name); err != nil {
			return nil, hint.Add(fmt.Errorf("fetch: %w", err), "an address begins with https:// or http://; anything else is a file")
		}
		defer f.Close()
		var data []byte
		if data, err = io.ReadAll(io.LimitReader(f, read.MaxPDF+1)); err != nil {
			return nil, fmt.Errorf("fetch %s: %w", name, err)
		}
		d, err = room.FetchFile(ctx, actor.Operator(), name, data)
	}
	switch {
	case errors.Is(err, fetch.ErrAddress):
		err = hint.Add(err, "what is on your own network is asked only where the setting collect.allow names its address and port")
	case errors.Is(err, fetch.ErrRobots):
		err = hint.Add(err, "open it in a browser, save it, and give the file: shirase incident fetch FILE")
	case errors.Is(err, read.ErrForm):
		err = hint.Add(err, "save it as a PDF, or as text in UTF-8")
	}
	return d, err
}

func printFetched(w io.Writer, d *collect.Document, entries []extract.Entry, item string, text bool) {
	fmt.Fprintf(w, "%s\nSHA-256 %s, read %s, preserved in %s\n", oneLine(d.Title), d.SHA256, d.Fetched.Format(time.RFC3339), d.WARC)
	if d.Scanned {
		fmt.Fprintf(w, "It is %d scanned pages: what it says has to be typed.\n", d.Pages)
	}
	if text {
		fmt.Fprintf(w, "\n%s", d.Text)
	}
	for _, e := range entries {
		fmt.Fprintf(w, "\n%s", e.Key)
		for _, m := range members(e) {
			if v := m.get(&e); v != "" {
				fmt.Fprintf(w, "\n    %s: %s", m.name, oneLine(v))
			}
		}
		fmt.Fprintf(w, "\n    confidence: %s\n  | %s\n", confidenceOf(e), oneLine(sentenceOf([]byte(d.Text), e.Span[0], e.Span[1])))
	}
	if len(entries) == 0 && !d.Scanned {
		fmt.Fprintln(w, "No facts found: it does not read like an organisation's notice of its own breach.")
	}
	if item != "" {
		fmt.Fprintf(w, "\nIt lies in the inbox.\n\nNext: shirase inbox show %s\n", item)
	} else {
		fmt.Fprintf(w, "\nNothing is recorded. To decide about it: add --inbox\n")
	}
}
