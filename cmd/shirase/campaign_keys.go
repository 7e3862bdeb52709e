package main

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"shirase/internal/files"
	"shirase/internal/hint"
	"shirase/internal/reach/message"
)

// ownSelectors are those of the keys that mails are signed with where the settings name none. Gmail and Outlook take no notice of Ed25519
// alone, so RSA is one of them.
var ownSelectors = []string{"shirase-rsa", "shirase-ed"}

// selectors are those of the keys that mails are signed with here.
func (a *app) selectors() []string {
	if s := a.op().Mail.DKIM; len(s) > 0 {
		return s
	}
	return ownSelectors
}

// dkimFile is the key of a selector, in the folder of keys.
func dkimFile(selector string) string { return "dkim-" + selector + ".pem" }

// dkimKey reads the key of a selector. files.ErrNotExist where it is not here.
func dkimKey(keys *files.Keys, selector string) (crypto.Signer, error) {
	text, err := keys.Load(dkimFile(selector))
	if err != nil {
		return nil, err
	}
	key, err := message.ParseKey(text)
	if err != nil {
		return nil, fmt.Errorf("the DKIM key %s: %w", dkimFile(selector), err)
	}
	return key, nil
}

// signers gives those of a domain, with the keys that there are.
func signers(keys *files.Keys, selectors []string, domain string) ([]*message.Signer, error) {
	var out []*message.Signer
	for _, selector := range selectors {
		key, err := dkimKey(keys, selector)
		if errors.Is(err, files.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		s, err := message.NewSigner(domain, selector, key)
		if err != nil {
			return nil, fmt.Errorf("the DKIM key %s: %w", dkimFile(selector), err)
		}
		out = append(out, s)
	}
	if len(out) == 0 {
		return nil, hint.Add(errors.New("there is no key to sign mails with"), "make them: shirase campaign keys; or have the relay sign: shirase config set campaign.relaySigns true")
	}
	return out, nil
}

func (a *app) cmdCampaignKeys() *cobra.Command {
	return &cobra.Command{Use: "keys", Short: "Make the keys that mails are signed with (DKIM), and print their records for DNS", Args: cobra.NoArgs,
		Long: `Makes the keys that mails of campaigns are signed with, where there are none yet: RSA,
which every receiver verifies, and Ed25519 beside it. Where mail.dkim names selectors, it
makes theirs: of one that ends in -ed an Ed25519 key, of every other an RSA key. Put the
records that are printed into the DNS of the domain that mails are from, before the first
is sent.`,
		Example: "  shirase campaign keys",
		RunE: func(c *cobra.Command, _ []string) error {
			in, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer in.close()
			type record struct {
				Name string `json:"name"`
				Text string `json:"text"`
			}
			rows := []record{}
			for _, selector := range a.selectors() {
				key, err := dkimKey(in.keys, selector)
				if errors.Is(err, files.ErrNotExist) {
					if err = makeDKIM(in.keys, selector); err == nil {
						key, err = dkimKey(in.keys, selector)
					}
				}
				if err != nil {
					return err
				}
				text, err := message.Record(key)
				if err != nil {
					return err
				}
				rows = append(rows, record{selector + "._domainkey", text})
			}
			return a.print(map[string]any{"records": rows}, func(w io.Writer) {
				fmt.Fprintf(w, "TXT records, in the domain that mails are from:\n\n")
				for _, x := range rows {
					fmt.Fprintf(w, "%s  %s\n\n", x.Name, x.Text)
				}
			})
		}}
}

func makeDKIM(keys *files.Keys, selector string) error {
	var key any
	var err error
	if strings.HasSuffix(selector, "-ed") {
		_, key, err = ed25519.GenerateKey(rand.Reader)
	} else {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	err = keys.Create(dkimFile(selector), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	if errors.Is(err, files.ErrExist) { // another process was faster
		err = nil
	}
	return err
}
