package chart

import (
	"fmt"
	"html/template"
	"math"
	"strconv"
	"strings"
)

// canvas is a drawing under way. Everything that is written goes through it, so that nothing reaches the page
// unescaped; and it remembers the box of each text, so that a test can hold that none lies on another.
type canvas struct {
	kind, name    string // classes: "timeline", "broad"
	width, height float64
	b             strings.Builder
	texts         []box
}

// box is the room a text takes.
type box struct {
	x0, y0, x1, y1 float64
	text           string
}

func newCanvas(kind, name string, width float64) *canvas {
	return &canvas{kind: kind, name: name, width: width}
}

func (c *canvas) String() string { return c.b.String() }

// Anchors of a text.
const (
	start  = "start"
	middle = "middle"
	end    = "end"
)

// text writes s with its baseline at y. The size is that of its class.
func (c *canvas) text(class, anchor string, x, y float64, s string) {
	s = clean(s)
	if s == "" {
		return
	}
	size := sizeOf(class)
	w := width(s, size)
	left := x
	attr := ""
	switch anchor {
	case middle:
		left, attr = x-w/2, ` text-anchor="middle"`
	case end:
		left, attr = x-w, ` text-anchor="end"`
	}
	c.texts = append(c.texts, box{left, y - size*.86, left + w, y + size*.2, s})
	fmt.Fprintf(&c.b, `<text class="%s" x="%s" y="%s"%s>%s</text>`, class, num(x), num(y), attr, template.HTMLEscapeString(s))
}

func (c *canvas) line(class string, x1, y1, x2, y2 float64) {
	fmt.Fprintf(&c.b, `<line class="%s" x1="%s" y1="%s" x2="%s" y2="%s"/>`, class, num(x1), num(y1), num(x2), num(y2))
}

func (c *canvas) rect(class string, x, y, w, h, r float64) {
	if w <= 0 || h <= 0 {
		return
	}
	round := ""
	if r > 0 {
		round = fmt.Sprintf(` rx="%s"`, num(r))
	}
	fmt.Fprintf(&c.b, `<rect class="%s" x="%s" y="%s" width="%s" height="%s"%s/>`, class, num(x), num(y), num(w), num(h), round)
}

func (c *canvas) circle(class string, x, y, r float64) {
	fmt.Fprintf(&c.b, `<circle class="%s" cx="%s" cy="%s" r="%s"/>`, class, num(x), num(y), num(r))
}

// path draws d, which is made of numbers and letters by this package and holds nothing from outside.
func (c *canvas) path(class, d string) { fmt.Fprintf(&c.b, `<path class="%s" d="%s"/>`, class, d) }

// cross is the mark of a promise that was not kept.
func (c *canvas) cross(class string, x, y, r float64) {
	c.path(class, fmt.Sprintf("M%s %sL%s %sM%s %sL%s %s", num(x-r), num(y-r), num(x+r), num(y+r), num(x-r), num(y+r), num(x+r), num(y-r)))
}

// num writes a coordinate with at most one decimal.
func num(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		v = 0
	}
	v = math.Round(v*10) / 10
	if v == 0 {
		v = 0 // not -0
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// escape prepares s for markup.
func escape(s string) string { return template.HTMLEscapeString(clean(s)) }

// diamond is the mark of the one incident that is looked at among many.
func (c *canvas) diamond(class string, x, y, r float64) {
	c.path(class, fmt.Sprintf("M%s %sL%s %sL%s %sL%s %sZ", num(x), num(y-r), num(x+r), num(y), num(x), num(y+r), num(x-r), num(y)))
}
