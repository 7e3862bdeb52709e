package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"shirase/internal/actor"
	"shirase/internal/incident/compose"
	"shirase/internal/language"
	"shirase/internal/response"
	"shirase/internal/response/document"
)

func (a *app) cmdCaseDocument() *cobra.Command {
	var lang, out, mapping, template string
	c := &cobra.Command{
		Use:   "document KIND CASE",
		Short: "Write a report, a mail or a page from the facts",
		Long: `Writes what is owed to an authority or to persons, from the facts and from what was
stated for authorities alone (case state). Each item has its gap where nobody knows it.
It is printed, or written to --out: as JSON (.json), as a page for print (.html), as a
workbook (.xlsx) or as text. Nothing is sent; case sent records that it was.

Kinds: ` + strings.Join(documentKinds(), ", ") + `;
notice and addendum are drafts of what publish and notice publish would publish.

The official form for ransomware is filled in by --template, the form as it was
downloaded, and --mapping, a file that says which cell each item belongs into
(docs/handbook/documents.md). The form itself is not part of this program.`,
		Example: `  shirase case document ppc-sokuho shop-2026-08-20
  shirase case document ppc-sokuho shop-2026-08-20 --out sokuho.html
  shirase case document ransomware-form shop-2026-08-20 --template form.xlsx --mapping form.yaml --out filled.xlsx`,
		Args: cobra.ExactArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			l, ok := language.Parse(lang)
			if !ok {
				return usagef("--lang is ja or en, and not %q", lang)
			}
			if (mapping == "") != (template == "") || mapping != "" && !strings.EqualFold(filepath.Ext(out), ".xlsx") {
				return usagef("--template and --mapping belong together, and write a workbook: --out FILE.xlsx")
			}
			in, cases, err := a.cases(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			if args[0] == "notice" || args[0] == "addendum" {
				return a.draftOf(c.Context(), in, args[0], args[1], l, out)
			}
			k, d, err := cases.Document(c.Context(), actor.Operator(), args[1], args[0], l)
			if err != nil {
				return err
			}
			if out != "" {
				var m *document.Mapping
				var form []byte
				if mapping != "" {
					src, err := readLimited(c.Context(), mapping, document.MaxMapping)
					if err != nil {
						return fmt.Errorf("read the mapping: %w", err)
					}
					if m, err = document.ParseMapping(src); err != nil {
						return fmt.Errorf("%s: %w", mapping, err)
					}
					if form, err = readLimited(c.Context(), template, document.MaxTemplate); err != nil {
						return fmt.Errorf("read the template: %w", err)
					}
				}
				if err := newFile(out, func(w io.Writer) error { return writeDocument(w, d, strings.ToLower(filepath.Ext(out)), form, m) }); err != nil {
					return err
				}
			}
			unknown, missing := d.Gaps()
			return a.print(struct {
				*document.Document
				Unknown int    `json:"unknown"`
				Missing int    `json:"missing"`
				Digest  string `json:"digest"`
				File    string `json:"file,omitzero"`
			}{d, unknown, missing, d.Digest(), out}, func(w io.Writer) {
				if out == "" {
					d.WriteText(w)
				} else {
					fmt.Fprintf(w, "%s: %s of case %s\n", out, d.Title, k.ID)
				}
				if unknown+missing > 0 {
					fmt.Fprintf(w, "\n%d items are not known, and of %d nothing is said.\n", unknown, missing)
				}
			})
		}}
	c.Flags().StringVar(&lang, "lang", "ja", "language of what persons get: ja or en; a report has its authority's")
	c.Flags().StringVar(&out, "out", "", "write it to a file: .json, .html, .xlsx or .txt")
	c.Flags().StringVar(&template, "template", "", "an official form, .xlsx")
	c.Flags().StringVar(&mapping, "mapping", "", "which cell of it each item belongs into, .yaml")
	return c
}

func documentKinds() []string {
	var out []string
	for _, k := range document.Kinds() {
		out = append(out, k.ID)
	}
	return out
}

func writeDocument(w io.Writer, d *document.Document, form string, template []byte, m *document.Mapping) error {
	switch form {
	case ".json":
		data, err := d.Bytes()
		if err == nil {
			_, err = w.Write(append(data, '\n'))
		}
		return err
	case ".html":
		return d.WriteHTML(w)
	case ".xlsx":
		return d.WriteXLSX(w, template, m)
	}
	return d.WriteText(w)
}

// draftOf writes the draft of a notice.
func (a *app) draftOf(ctx context.Context, in *instance, kind, id string, l language.Lang, out string) error {
	if kind == "notice" {
		kind = "first"
		notices, err := in.incidents.Notices(ctx, id)
		if err != nil {
			return err
		}
		if len(notices) > 0 {
			kind = "revision"
		}
	}
	text, _, err := in.publisher.DraftNotice(ctx, id, compose.Draft{Kind: kind})
	if err != nil {
		return err
	}
	if out != "" {
		if err := newFile(out, func(w io.Writer) error { _, err := io.WriteString(w, text.In(l)); return err }); err != nil {
			return err
		}
	}
	return a.print(map[string]string{"kind": kind, "case": id, "ja": text.JA, "en": text.EN}, func(w io.Writer) {
		if out == "" {
			io.WriteString(w, text.In(l))
		} else {
			fmt.Fprintf(w, "%s: draft of a notice of %s\n", out, id)
		}
	})
}

func (a *app) cmdCaseState() *cobra.Command {
	var s response.Stated
	c := a.changing(&cobra.Command{Use: "state CASE ITEM [TEXT]", Short: "Say of an item of reports what facts do not",
		Long: "Records what is said of an item of reports beside the facts: for authorities alone, since\nfacts are made public. With --unknown it is said that it was asked and is not known (未確認);\nthe text then says what is being done. It stands in every report that has the item.",
		Example: `  shirase case state shop-2026-08-20 prevention "Patched, and two-step verification for administrators"
  shirase case state shop-2026-08-20 cause --unknown "an outside firm reports on 1 September"`}, 2,
		func(ctx context.Context, _ *instance, cases *response.Cases, args []string) (*response.Case, error) {
			k, err := cases.Get(ctx, actor.Operator(), args[0])
			if err != nil {
				return nil, err
			}
			version := int64(0)
			for _, o := range k.Statings {
				if o.Item == args[1] {
					version = o.Version
				}
			}
			s.Item = args[1]
			if len(args) > 2 {
				s.Text = args[2]
			}
			return cases.State(ctx, actor.Operator(), args[0], version, s)
		})
	c.Args = cobra.RangeArgs(2, 3)
	c.Flags().BoolVar(&s.Unknown, "unknown", false, "it was asked, and is not known")
	return c
}

func (a *app) cmdCaseSent() *cobra.Command {
	var s response.Sending
	var at string
	c := a.changing(&cobra.Command{Use: "sent CASE KIND --to WHOM", Short: "Record that a document was handed in or sent",
		Long: "Records that a document was handed in or sent as it stands now: it is kept, sealed, in the\ncase's record, and the clocks that it belongs to are done. A complete 速報 serves as the\n確報 too. Nothing is sent by this command.",
		Example: `  shirase case sent shop-2026-08-20 ppc-sokuho --to "the PPC" --by "web form"
  shirase case sent shop-2026-08-20 us-state --to "California residents" --clock us-ca-person`}, 2,
		func(ctx context.Context, in *instance, cases *response.Cases, args []string) (*response.Case, error) {
			if s.To == "" {
				return nil, usagef("case sent wants --to WHOM")
			}
			if at != "" {
				m, err := in.moment("at", at)
				if err != nil {
					return nil, err
				}
				s.At = m.String()
			}
			s.Kind = args[1]
			k, _, err := cases.Send(ctx, actor.Operator(), args[0], s)
			return k, err
		})
	c.Flags().StringVar(&s.To, "to", "", "to whom")
	c.Flags().StringVar(&s.By, "by", "", "by which way")
	c.Flags().StringVar(&at, "at", "", "when (default: now)")
	c.Flags().StringArrayVar(&s.Clocks, "clock", nil, "a further clock that it belongs to (repeatable)")
	return c
}
