// Command imports measures the import of whole data sets: of the two in the data folder (SHIRASE_TEST_DATA) where they
// are there, and else of generated ones of the same size and shape.
package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"shirase/bench/figure"
	"shirase/internal/actor"
	"shirase/internal/archive"
	"shirase/internal/incident"
	"shirase/internal/incident/datasets"
	"shirase/internal/store"
)

func main() {
	o := figure.Parse()
	dir := os.Getenv("SHIRASE_TEST_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "data")
	}
	sets, kind := [][]byte{}, ""
	for _, name := range []string{"hibp-breaches.json", "washington-ag-2026-08-13.csv"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			sets, kind = [][]byte{breaches(1026), notifications(1618)}, " (generated data of their size)"
			break
		}
		sets = append(sets, b)
	}
	temp, err := os.MkdirTemp("", "shirase-bench-")
	figure.Check(err)
	defer os.RemoveAll(temp)
	measure(o, "sqlite:"+filepath.Join(temp, "bench.db"), "SQLite", kind, sets)
	if url := os.Getenv("SHIRASE_BENCH_POSTGRES"); url != "" { // an empty database of its own
		measure(o, url, "PostgreSQL", kind, sets)
	}
	n := 200_000
	if o.Quick {
		n = 50_000
	}
	stream(o, n)
}

// measure imports all sets twice into a new room.
func measure(o figure.Options, url, engine, kind string, sets [][]byte) {
	ctx := context.Background()
	db, err := store.Open(ctx, url)
	figure.Check(err)
	defer db.Close()
	room, err := incident.New(ctx, db, archive.Changed)
	figure.Check(err)
	_, err = archive.New(ctx, db, room) // an import makes the archive's entries too
	figure.Check(err)
	for _, run := range []string{"first run", "second run"} {
		start := time.Now()
		var total incident.ImportCounts
		for _, set := range sets {
			r, err := datasets.Open("data", bytes.NewReader(set), "", "")
			figure.Check(err)
			counts, err := room.Import(ctx, actor.Operator(), r.Next, incident.ImportOptions{})
			figure.Check(err)
			total.Read += counts.Read
			total.Imported += counts.Imported
			total.Unchanged += counts.Unchanged
		}
		took := time.Since(start).Seconds()
		if total.Read == 0 || run == "first run" && total.Imported != total.Read || run == "second run" && total.Unchanged != total.Read {
			figure.Check(fmt.Errorf("%s: %+v", run, total))
		}
		goal := ""
		if engine == "SQLite" {
			goal = "<= 10"
		}
		o.Print(figure.Figure{Name: fmt.Sprintf("import of HIBP and Washington, %s, %s%s", run, engine, kind), Value: took, Unit: "s", Goal: goal})
	}
}

// stream reads n records without storing them: what reading alone costs, in time and memory.
func stream(o figure.Options, n int) {
	src := breaches(n)
	start := time.Now()
	r, err := datasets.Open("data", bytes.NewReader(src), datasets.HIBP, "")
	figure.Check(err)
	read := 0
	for {
		if _, err := r.Next(); err != nil {
			break
		}
		read++
	}
	if read != n {
		figure.Check(fmt.Errorf("%d of %d records read", read, n))
	}
	o.Print(figure.Figure{Name: "reading HIBP's form alone", Value: float64(n) / time.Since(start).Seconds(), Unit: "records/s"})
	o.Print(figure.Figure{Name: "peak memory of this run", Value: float64(figure.PeakMemory()-int64(len(src))) / (1 << 20), Unit: "MiB", Goal: "<= 200"})
}

func breaches(n int) []byte {
	var b bytes.Buffer
	for i := range n {
		fmt.Fprintf(&b, `{"Name":"Sample%d","Title":"Sample %d","Domain":"sample%d.example","BreachDate":"20%02d-%02d-%02d","AddedDate":"2025-01-02T03:04:05Z","ModifiedDate":"2025-01-02T03:04:05Z",`+
			`"PwnCount":%d,"Description":"%s","DataClasses":["Email addresses","Passwords","Names","Usernames"],"IsVerified":true,"IsFabricated":false}`+"\n",
			i, i, i, 8+i%17, 1+i%12, 1+i%28, 1000+i, bytes.Repeat([]byte("d"), 500))
	}
	return b.Bytes()
}

func notifications(n int) []byte {
	var b bytes.Buffer
	b.WriteString("DateAware,DateSubmitted,DataBreachCause,DateStart,DateEnd,Name,Id,CyberattackType,WashingtoniansAffected,IndustryType,BusinessType,EntityState\n")
	for i := range n {
		day := fmt.Sprintf("20%02d Mar %02d 12:00:00 AM", 16+i%10, 1+i%28)
		fmt.Fprintf(&b, "%s,%s,Cyberattack,%s,,\"Organisation %d, Inc.\",\"%d\",Ransomware,\"%d\",Business,Retail,WA\n", day, day, day, i, 10_000+i, 500+i)
	}
	return b.Bytes()
}
