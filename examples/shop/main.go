// Command shop is a small application with accounts, as an example of one that stands behind Shirase's gate and keeps its contract of connectors:
// a login, a session, a page of one's account, and passwords in a file. It needs nothing but Go's standard library. README.md has it run.
//
//	shop serve FOLDER       serve, with the accounts that lie in the folder
//	shop import FOLDER CSV  take in accounts: id,mail,password
//	shop mail MAILDIR       print the newest mail of a mailbox as people read it
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"mime"
	"mime/quotedprintable"
	"net/http"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("shop: ")
	listen := flag.String("listen", "127.0.0.1:3000", "address to serve on")
	hooks := flag.String("hooks", "127.0.0.1:3001", "address to be asked by Shirase on, which no proxy leads to")
	gate := flag.String("gate", "http://127.0.0.1:8311", "address of the gate")
	token := flag.String("gate-token", "", "file with the gate's token (of --form decide)")
	secret := flag.String("secret", "", "file with the webhook's secret (whsec_...)")
	flag.Parse()
	var err error
	switch args := flag.Args(); {
	case len(args) == 2 && args[0] == "serve":
		err = serve(*listen, *hooks, *gate, *token, *secret, args[1])
	case len(args) == 3 && args[0] == "import":
		err = importAccounts(args[1], args[2])
	case len(args) == 2 && args[0] == "mail":
		err = printMail(os.Stdout, args[1])
	default:
		err = errors.New("shop serve FOLDER, shop import FOLDER CSV, or shop mail MAILDIR")
	}
	if err != nil {
		log.Fatal(err)
	}
}

// line reads a file that holds a secret on one line.
func line(name, file string) (string, error) {
	if file == "" {
		return "", fmt.Errorf("--%s FILE is wanted", name)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(b)), nil
}

func serve(listen, hooks, gate, tokenFile, secretFile, folder string) error {
	accounts, err := openAccounts(folder)
	if err != nil {
		return err
	}
	token, err := line("gate-token", tokenFile)
	if err != nil {
		return err
	}
	secret, err := line("secret", secretFile)
	if err != nil {
		return err
	}
	key, err := readSecret(secret)
	if err != nil {
		return err
	}
	s := &shop{accounts: accounts, gate: &gateClient{at: strings.TrimRight(gate, "/"), token: token, http: &http.Client{Timeout: 2 * time.Second}}}
	mux := http.NewServeMux()
	mux.Handle("POST /hooks/shirase", &hook{accounts: accounts, key: key, now: time.Now})
	ended := make(chan error, 2)
	for at, h := range map[string]http.Handler{listen: s.handler(), hooks: mux} {
		server := &http.Server{Addr: at, Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 40 * time.Second, MaxHeaderBytes: 16 << 10}
		go func() { ended <- server.ListenAndServe() }()
	}
	return <-ended
}

// printMail prints the newest mail of a Maildir: whom it is for, its subject, and its text.
func printMail(w io.Writer, maildir string) error {
	files, err := filepath.Glob(filepath.Join(maildir, "new", "*"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return fmt.Errorf("no mail in %s", maildir)
	}
	newest := slices.MaxFunc(files, func(a, b string) int {
		x, errX := os.Stat(a)
		y, errY := os.Stat(b)
		if errX != nil || errY != nil {
			return strings.Compare(a, b)
		}
		return x.ModTime().Compare(y.ModTime())
	})
	b, err := os.ReadFile(newest)
	if err != nil {
		return err
	}
	m, err := mail.ReadMessage(bytes.NewReader(b))
	if err != nil {
		return err
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		return err
	}
	body := m.Body
	if strings.EqualFold(m.Header.Get("Content-Transfer-Encoding"), "quoted-printable") {
		body = quotedprintable.NewReader(m.Body)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "To: %s\nSubject: %s\n\n%s", m.Header.Get("To"), subject, strings.ReplaceAll(string(text), "\r\n", "\n"))
	return err
}
