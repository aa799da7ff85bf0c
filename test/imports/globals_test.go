package imports_test

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strings"
)

// globals finds functions named init, package-level variables that are made to be
// written (locks, atomics), and package-level variables that their own package
// writes to, in files that are built into programs (test helpers are not). It sees assignments, ++ and
// --, range assignments, delete, clear, copy and addresses taken, through fields,
// indices and pointers; it does not follow aliases.
func (m module) globals(set *token.FileSet) []string {
	var out []string
	checked := newChecker(m, set)
	for _, p := range m {
		if p.helper() {
			continue
		}
		g := &globals{set: set, uses: checked.info(p.path).Uses}
		for _, file := range p.sources() {
			g.declared(file)
			ast.Inspect(file, g.visit)
		}
		out = append(out, g.found...)
	}
	slices.Sort(out)
	return out
}

type globals struct {
	set   *token.FileSet
	uses  map[*ast.Ident]types.Object
	found []string
}

func (g *globals) say(n ast.Node, format string, args ...any) {
	g.found = append(g.found, g.set.Position(n.Pos()).String()+": "+fmt.Sprintf(format, args...))
}

// declared looks at the declarations of one file.
func (g *globals) declared(file *ast.File) {
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil && d.Name.Name == "init" {
				g.say(d, "a function named init")
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				if v, ok := spec.(*ast.ValueSpec); ok && d.Tok == token.VAR && stateful(v.Type) {
					g.say(v, "the package-level variable %s is made to be written", v.Names[0].Name)
				}
			}
		}
	}
}

// stateful reports whether a type is a lock, an atomic or another thing of sync.
func stateful(t ast.Expr) bool {
	name := types.ExprString(t)
	name = strings.TrimPrefix(name, "*")
	return strings.HasPrefix(name, "sync.") || strings.HasPrefix(name, "atomic.")
}

// visit looks at one statement or expression for what it writes to.
func (g *globals) visit(n ast.Node) bool {
	var targets []ast.Expr
	switch s := n.(type) {
	case *ast.AssignStmt:
		if s.Tok != token.DEFINE {
			targets = s.Lhs
		}
	case *ast.IncDecStmt:
		targets = []ast.Expr{s.X}
	case *ast.RangeStmt:
		if s.Tok == token.ASSIGN {
			targets = []ast.Expr{s.Key, s.Value}
		}
	case *ast.UnaryExpr:
		if s.Op == token.AND {
			targets = []ast.Expr{s.X}
		}
	case *ast.CallExpr:
		if id, ok := s.Fun.(*ast.Ident); ok && len(s.Args) > 0 && slices.Contains([]string{"delete", "clear", "copy"}, id.Name) {
			targets = s.Args[:1]
		}
	}
	for _, e := range targets {
		if id := rootOf(e); id != nil && g.global(id) {
			g.say(e, "writes to the package-level variable %s, or takes its address", id.Name)
		}
	}
	return true
}

// global reports whether a name means a variable of the package.
func (g *globals) global(id *ast.Ident) bool {
	v, ok := g.uses[id].(*types.Var)
	return ok && v.Pkg() != nil && v.Parent() == v.Pkg().Scope()
}

// rootOf is the name that an expression such as (*x).f[i] starts from.
func rootOf(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.SelectorExpr:
			e = x.X
		case *ast.IndexExpr:
			e = x.X
		case *ast.SliceExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}
