package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"shirase/check"
	"shirase/internal/actor"
	"shirase/internal/incident"
	"shirase/internal/incident/compose"
	"shirase/internal/language"
	"shirase/internal/publish"
)

// maxNoticeFile bounds a notice's text in one language, in bytes.
const maxNoticeFile = 256 << 10

func (a *app) cmdNotice() *cobra.Command {
	c := group("notice", "Add to what was published: addenda, corrections, retractions", "  shirase notice draft naver-2013 --kind addendum")
	c.AddCommand(a.cmdNoticeDraft(), a.cmdNoticePublish(), a.cmdNoticeList())
	return c
}

// noticeFlags are what a draft and a publication both take.
func noticeFlags(c *cobra.Command, d *compose.Draft) {
	c.Flags().StringVar(&d.Kind, "kind", "addendum", "first, revision, addendum, correction or retraction")
	c.Flags().StringVar(&d.Item, "addendum", "", "id of the fact addendum that this publishes; the facts are those known as of it")
	c.Flags().StringArrayVar(&d.Only, "fact", nil, "of the facts that are in no notice yet, make public only this one: a key, or a key and an id (may be given again); \"\" is none")
	c.Flags().Int64Var(&d.About, "about", 0, "version that it adds to, corrects or withdraws (default: the newest whole one)")
}

func (a *app) cmdNoticeDraft() *cobra.Command {
	var d compose.Draft
	var lang string
	c := &cobra.Command{
		Use:   "draft ID",
		Short: "Print a notice drafted from the facts, for editing",
		Long: `Prints the Markdown of an incident's next notice as the facts give it. Facts stand
in it as references such as {{affected.count}}: edit the text around them, and it
cannot disagree with the facts. docs/handbook/notices.md lists what can be referred to.`,
		Example: `  shirase notice draft naver-2013 --lang ja > notice.ja.md
  shirase notice draft naver-2013 --kind correction --about 1 --lang en`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			l, ok := language.Parse(lang)
			if !ok {
				return usagef("--lang is ja or en, and not %q", lang)
			}
			in, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			text, signs, err := in.publisher.DraftNotice(c.Context(), args[0], d)
			if err != nil {
				return err
			}
			if len(signs) > 0 {
				a.say("These facts are in no notice yet, and this one will make them public (--fact chooses among them):")
				for _, f := range inWords(signs) {
					a.say("  %s", factLine(f))
				}
			}
			return a.print(map[string]string{"incident": args[0], "kind": d.Kind, "ja": text.JA, "en": text.EN}, func(w io.Writer) {
				io.WriteString(w, text.In(l))
			})
		}}
	noticeFlags(c, &d)
	c.Flags().StringVar(&lang, "lang", "ja", "language to print: ja or en")
	return c
}

// noticed is what the notice commands print of a notice.
type noticed struct {
	Notice      string `json:"notice"`
	Incident    string `json:"incident"`
	Version     int64  `json:"version"`
	Kind        string `json:"kind"`
	About       int64  `json:"about,omitzero"`
	Addendum    string `json:"addendum,omitzero"`
	Facts       int    `json:"facts"`
	SHA256      string `json:"sha256"`
	LedgerIndex int64  `json:"ledgerIndex"`
	Time        string `json:"time"`
}

func noticedOf(n incident.Notice) noticed {
	return noticed{n.ID, n.Incident, n.Version, n.Kind, n.About, n.Item, len(n.Facts), check.StatementHash(n.Data).String(), n.LedgerIndex,
		check.At(n.Time).String()}
}

func (a *app) cmdNoticePublish() *cobra.Command {
	var d compose.Draft
	var ja, en, despite string
	c := &cobra.Command{
		Use:   "publish ID",
		Short: "Publish an addendum, a correction, a retraction or a revision",
		Long: `Publishes the next version of an incident's notice into the ledger. An addendum
holds what is new, a correction what was wrong and what holds, a retraction
withdraws a version, and a revision is the whole text anew. Nothing that was
published is removed: it is marked, and leads on. The text is drafted from the
facts unless files are given; both languages are needed.`,
		Example: `  shirase notice publish naver-2013 --kind addendum --addendum 1
  shirase notice publish naver-2013 --kind correction --about 1 --text-ja ja.md --text-en en.md`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if (ja == "") != (en == "") {
				return usagef("--text-ja and --text-en belong together: a notice is published in both languages")
			}
			if ja != "" {
				for _, side := range []struct {
					file string
					to   *string
				}{{ja, &d.Text.JA}, {en, &d.Text.EN}} {
					b, err := readLimited(c.Context(), side.file, maxNoticeFile)
					if err != nil {
						return fmt.Errorf("read the notice's text: %w", err)
					}
					// The whole of it is checked again with the facts; here the file gets its name into the error.
					if err := incident.CheckText(side.file, string(b)); err != nil {
						return err
					}
					*side.to = strings.ReplaceAll(string(b), "\r\n", "\n")
				}
			}
			in, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			against, err := a.warn(c.Context(), in, args[0])
			if err != nil {
				return err
			}
			r := publish.Request{Incident: args[0], Notice: &d, Despite: despite}
			if done, err := a.proposes(c.Context(), in, publish.KindPublish, r.Incident, publish.AskedOf(r, in.now())); done || err != nil {
				return err
			}
			prop, pub, err := in.publisher.Run(c.Context(), actor.Operator(), r)
			if err != nil {
				return err
			}
			a.tellDoubts(prop.Differences, publish.English(prop.Uncompared), publish.English(prop.Missing))
			a.tellWaiting(pub.Waiting)
			n := *pub.Notice
			out := struct {
				noticed
				Public         bool                 `json:"public"` // false: it waits for witnesses
				Proposal       string               `json:"proposal"`
				Despite        string               `json:"despite,omitzero"`
				Differences    []publish.Difference `json:"differences"`
				Uncompared     []string             `json:"uncompared"`
				Missing        []string             `json:"missing"`
				Signed         []shownFact          `json:"signed"` // the facts in it
				Contradictions []contradiction      `json:"contradictions"`
			}{noticedOf(n), pub.Waiting == nil, prop.ID(), prop.Despite, prop.Differences, publish.English(prop.Uncompared), publish.English(prop.Missing), inWords(n.Facts), against}
			return a.print(out, func(w io.Writer) {
				rows := [][2]string{{"notice", n.ID}, {"kind", n.Kind}}
				if n.About != 0 {
					rows = append(rows, [2]string{"about", "version " + strconv.FormatInt(n.About, 10)})
				}
				table(w, append(rows, [2]string{"facts in it", strconv.Itoa(len(n.Facts))}, [2]string{"ledger entry", strconv.FormatInt(n.LedgerIndex, 10)}))
				if n.Whole() {
					return
				}
				for _, f := range inWords(n.Facts) {
					fmt.Fprintln(w, "  "+factLine(f))
				}
			})
		}}
	noticeFlags(c, &d)
	c.Flags().StringVar(&ja, "text-ja", "", "Markdown in Japanese")
	c.Flags().StringVar(&en, "text-en", "", "Markdown in English")
	c.Flags().StringVar(&despite, "despite", "", "publish although facts, roster and rules differ, and why")
	c.MarkFlagFilename("text-ja", "md")
	c.MarkFlagFilename("text-en", "md")
	return c
}

func (a *app) cmdNoticeList() *cobra.Command {
	return &cobra.Command{
		Use:     "list ID",
		Short:   "List the notices of an incident",
		Example: "  shirase notice list naver-2013",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			in, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			if _, err := in.incidents.Get(c.Context(), args[0]); err != nil {
				return err
			}
			list, err := in.incidents.Notices(c.Context(), args[0])
			if err != nil {
				return err
			}
			out := []noticed{}
			for _, n := range list {
				out = append(out, noticedOf(n))
			}
			return a.print(map[string]any{"incident": args[0], "notices": out}, func(w io.Writer) {
				for _, n := range list {
					about := ""
					if n.About != 0 {
						about = fmt.Sprintf(" of version %d", n.About)
						if n.Kind == incident.KindAddendum {
							about = fmt.Sprintf(" to version %d", n.About)
						}
					}
					fmt.Fprintf(w, "%s  %s%s, %s, ledger entry %d\n", n.ID, n.Kind, about, language.DateTime(language.EN, n.Time), n.LedgerIndex)
				}
			})
		}}
}
