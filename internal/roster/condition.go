package roster

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"
)

const (
	maxCondition = 4 << 10 // bytes
	maxNodes     = 1000
)

// builtins are the functions that a condition may call: those whose cost and
// result are bounded by the length of what they are given.
var builtins = []string{"len", "lower", "upper", "trim", "trimPrefix", "trimSuffix",
	"hasPrefix", "hasSuffix", "indexOf", "lastIndexOf", "int", "float"}

// activeRule is the rule that says which accounts are in use: it has no when.
const activeRule = "active"

const builtinHint = "a condition compares columns, which are texts, with ==, !=, in, contains, startsWith, endsWith, matches, " +
	"and joins with and, or, not; it may call len, lower, upper, trim, hasPrefix, hasSuffix, indexOf, int, float"

// check finds mistakes that are mistakes whatever the columns are.
func (c condition) check() error {
	if len(c.text) > maxCondition {
		return c.error(fmt.Errorf("it is longer than %d bytes", maxCondition), "")
	}
	tree, err := parser.Parse(c.text)
	if err != nil {
		return c.exprError(err)
	}
	g := guard{}
	ast.Walk(&tree.Node, &g)
	return c.guardError(&g)
}

// name is what the condition is called in messages.
func (c condition) name() string {
	if c.rule == activeRule {
		return c.rule
	}
	return c.rule + ": when"
}

// error is a mistake in c.
func (c condition) error(err error, hint string) error {
	return &placed{fmt.Errorf("%s: %w", c.name(), err), c.line, hint}
}

// exprError takes the message and the place from expr's error, not its excerpt.
func (c condition) exprError(err error) error {
	var e *file.Error
	if errors.As(err, &e) {
		return c.error(fmt.Errorf("at character %d: %s", e.Column+1, e.Message), builtinHint)
	}
	return c.error(err, builtinHint)
}

func (c condition) guardError(g *guard) error {
	if g.col != nil {
		g.refuse(g.col, needsName)
	}
	if g.problem == "" {
		return nil
	}
	return c.error(fmt.Errorf("at character %d: %s", g.at+1, g.problem), builtinHint)
}

// compile makes c a program over the columns. What it uses of them is added to
// used.
func (c condition) compile(columns []string, used map[string]bool) (*vm.Program, error) {
	g := &guard{columns: make(map[string]bool, len(columns)), used: used}
	env := make(map[string]any, len(columns))
	for _, name := range columns {
		g.columns[name], env[columnPrefix+name] = true, ""
	}
	options := []expr.Option{expr.Env(env), expr.AsBool(), expr.MaxNodes(maxNodes), expr.Patch(g), expr.DisableAllBuiltins()}
	for _, b := range builtins {
		options = append(options, expr.EnableBuiltin(b))
	}
	program, err := expr.Compile(c.text, options...)
	switch {
	case g.unknown != nil:
		name := g.unknown.Value
		return nil, c.error(fmt.Errorf("at character %d: unknown column %q%s", g.unknown.Location().From+1, name, didYouMean(name, columns)),
			"the columns are "+columnList(columns))
	case g.problem != "" || g.col != nil:
		return nil, c.guardError(g)
	case err != nil:
		return nil, c.exprError(err)
	}
	return program, nil
}

// columnPrefix is put before a column's name within a program, so that no column
// hides a function, and col["and"] can be told from the operator.
const columnPrefix = "column "

// guard is an expr visitor. It refuses what is not bounded by the length of its
// operands, or has no use over one row's texts; and it makes identifiers, and
// col["name"], those of columns.
type guard struct {
	columns map[string]bool // nil: they are not known yet
	used    map[string]bool
	unknown *ast.IdentifierNode // the first that is no column
	col     *ast.IdentifierNode // a col whose member was not seen yet
	problem string
	at      int
}

const needsName = "col needs a column's name in quotation marks"

func (g *guard) refuse(n ast.Node, format string, args ...any) {
	if g.problem == "" {
		g.problem, g.at = fmt.Sprintf(format, args...), n.Location().From
	}
}

// Visit is called for a node after its children.
func (g *guard) Visit(node *ast.Node) {
	if g.col != nil {
		if m, ok := (*node).(*ast.MemberNode); !ok || m.Node != g.col {
			if _, ok := (*node).(*ast.StringNode); !ok {
				g.refuse(g.col, needsName)
			}
		}
	}
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		switch n.Value {
		case "$env":
			g.refuse(n, `$env is not available; a column is written as its name, or as col["name"]`)
		case "col":
			g.col = n
		default:
			g.column(node, n, n.Value)
		}
	case *ast.MemberNode:
		name, ok := n.Property.(*ast.StringNode)
		switch {
		case g.col == nil || n.Node != g.col:
			g.refuse(n, "a column is a text and has no members")
		case !ok:
			g.refuse(n, needsName)
		default:
			g.col = nil
			g.column(node, n, name.Value)
		}
	case *ast.BinaryNode:
		switch n.Operator {
		case "..":
			g.refuse(n, "ranges are not available")
		case "matches":
			if _, ok := n.Right.(*ast.StringNode); !ok {
				g.refuse(n, "the pattern of matches must be a text in quotation marks")
			}
		}
	case *ast.BuiltinNode:
		if !slices.Contains(builtins, n.Name) {
			g.refuse(n, "the function %s is not available", n.Name)
		}
	case *ast.CallNode:
		g.refuse(n, "only these can be called: %s", strings.Join(builtins, ", "))
	case *ast.VariableDeclaratorNode, *ast.SequenceNode, *ast.PredicateNode, *ast.PointerNode:
		g.refuse(n, "a condition is one expression, without variables and predicates")
	}
}

// column makes the node the identifier of a column.
func (g *guard) column(node *ast.Node, n ast.Node, name string) {
	if g.columns == nil || strings.HasPrefix(name, columnPrefix) {
		return
	}
	id := &ast.IdentifierNode{Value: name}
	id.SetLocation(n.Location())
	if !g.columns[name] {
		if g.unknown == nil {
			g.unknown = id
		}
		return
	}
	g.used[name] = true
	id.Value = columnPrefix + name
	ast.Patch(node, id)
}

// conditions are the rules, ready to be asked about rows.
type conditions struct {
	rules    *Rules
	excludes []*vm.Program
	sets     []*vm.Program // nil: always
	inUse    *vm.Program   // nil: the rules do not say
	used     []usedColumn
	env      map[string]any
	vm       vm.VM
}

// A usedColumn is a column that a condition reads, and its last value: neighbours
// are often equal, and need no new text then.
type usedColumn struct {
	index int
	name  string
	last  string
}

// compile fits the rules to the columns of an export.
func (r *Rules) compile(columns []string) (*conditions, error) {
	c := &conditions{rules: r, env: make(map[string]any, len(columns))}
	used := map[string]bool{}
	for _, x := range r.excludes {
		p, err := x.when.compile(columns, used)
		if err != nil {
			return nil, placedIn(r.name, err)
		}
		c.excludes = append(c.excludes, p)
	}
	for _, s := range r.sets {
		var p *vm.Program
		if s.when.text != "" {
			var err error
			if p, err = s.when.compile(columns, used); err != nil {
				return nil, placedIn(r.name, err)
			}
		}
		c.sets = append(c.sets, p)
	}
	if r.active.text != "" {
		var err error
		if c.inUse, err = r.active.compile(columns, used); err != nil {
			return nil, placedIn(r.name, err)
		}
	}
	for i, name := range columns {
		if used[name] {
			c.used = append(c.used, usedColumn{index: i, name: columnPrefix + name})
			c.env[columnPrefix+name] = ""
		}
	}
	return c, nil
}

// load makes a row the one that is asked about.
func (c *conditions) load(fields [][]byte) {
	for i := range c.used {
		u := &c.used[i]
		if value := fields[u.index]; string(value) != u.last {
			u.last = string(value)
			c.env[u.name] = u.last
		}
	}
}

var (
	ruleFailed = problem{"rule", "a condition cannot be worked out for the row"}
	noSet      = problem{"no-set", "no set of the rules matches the row"}
)

// excluded returns the index of the first rule that takes the row out, or -1; a
// problem names the rule as its field.
func (c *conditions) excluded() (int, problem, string) {
	for i, p := range c.excludes {
		yes, err := c.vm.Run(p, c.env)
		if err != nil {
			return -1, ruleFailed, c.rules.excludes[i].when.rule
		}
		if yes == true {
			return i, fine, ""
		}
	}
	return -1, fine, ""
}

// set returns the index of the first set that matches the row.
func (c *conditions) set() (int, problem, string) {
	for i, p := range c.sets {
		if p != nil {
			yes, err := c.vm.Run(p, c.env)
			if err != nil {
				return 0, ruleFailed, c.rules.sets[i].when.rule
			}
			if yes != true {
				continue
			}
		}
		return i, fine, ""
	}
	return 0, noSet, "sets"
}

// active reports whether the row's account is in use; false where nothing says so.
func (c *conditions) active() (bool, problem) {
	if c.inUse == nil {
		return false, fine
	}
	yes, err := c.vm.Run(c.inUse, c.env)
	if err != nil {
		return false, ruleFailed
	}
	return yes == true, fine
}
