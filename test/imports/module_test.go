package imports_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

// moduleName is the first element of every import path inside the module.
const moduleName = "nod"

// pkg is one folder with Go files.
type pkg struct {
	path    string               // below the module's; "." is the root
	imports map[string]string    // of files that are built into programs: path to one file
	tests   map[string]string    // of _test.go files
	files   map[string]*ast.File // built into programs, by name
}

// helper reports whether the package exists for tests: its name ends in "test".
func (p *pkg) helper() bool { return strings.HasSuffix(path.Base(p.path), "test") }

// sources are the files that are built into programs, in order of name.
func (p *pkg) sources() []*ast.File {
	out := make([]*ast.File, 0, len(p.files))
	for _, name := range slices.Sorted(maps.Keys(p.files)) {
		out = append(out, p.files[name])
	}
	return out
}

// module is every package, by path. Files are read whatever their build
// constraints say, so no tag, system or CGO_ENABLED hides an import.
type module map[string]*pkg

func load(root fs.FS) (module, *token.FileSet, error) {
	m, set := module{}, token.NewFileSet()
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := path.Base(name)
		if d.IsDir() {
			hidden := name != "." && (base[0] == '.' || base[0] == '_')
			if hidden || base == "testdata" || name != "." && exists(root, path.Join(name, "go.mod")) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(base, ".go") {
			return nil
		}
		source, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(set, name, source, parser.ParseComments)
		if err != nil {
			return err
		}
		return m.add(path.Dir(name), base, file)
	})
	return m, set, err
}

func exists(root fs.FS, name string) bool {
	_, err := fs.Stat(root, name)
	return err == nil
}

func (m module) add(dir, base string, file *ast.File) error {
	p := m[dir]
	if p == nil {
		p = &pkg{path: dir, imports: map[string]string{}, tests: map[string]string{}, files: map[string]*ast.File{}}
		m[dir] = p
	}
	into := p.imports
	if strings.HasSuffix(base, "_test.go") {
		into = p.tests
	} else {
		p.files[base] = file
	}
	for _, spec := range file.Imports {
		to, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		into[to] = base
	}
	return nil
}

// inside is the path below the module's of an import path of the module.
func inside(importPath string) (string, bool) {
	if importPath == moduleName {
		return ".", true
	}
	return strings.CutPrefix(importPath, moduleName+"/")
}

// violations are the broken rules of the table, one sentence each, sorted.
func (m module) violations() []string {
	var out []string
	say := func(p *pkg, file, format string, args ...any) {
		out = append(out, fmt.Sprintf("%s/%s: ", p.path, file)+fmt.Sprintf(format, args...))
	}
	for _, p := range m {
		row, folder, ok := placeOf(p.path)
		if !ok {
			out = append(out, p.path+": has no place in the import table")
			continue
		}
		for to, file := range p.imports {
			if target, ok := inside(to); ok {
				m.climbs(p, row, folder, target, func(format string, args ...any) { say(p, file, format, args...) })
				continue
			}
			m.strays(p, to, func(format string, args ...any) { say(p, file, format, args...) })
		}
		for to, file := range p.tests {
			if target, ok := inside(to); ok && within(target, "cmd") && !within(p.path, "cmd") {
				say(p, file, "a test imports the command %s", to)
			}
		}
	}
	out = append(out, m.reached()...)
	slices.Sort(out)
	return out
}

// climbs checks one import of another package of the module.
func (m module) climbs(p *pkg, row int, folder, target string, say func(string, ...any)) {
	to, toFolder, ok := placeOf(target)
	switch {
	case !ok:
		say("imports %s, which has no place in the import table", target)
	case folder != toFolder && to >= row:
		say("imports %s, which is not in an earlier row", target)
	}
	for tree, allowed := range only {
		if within(p.path, tree) && !within(target, tree) && !withinAny(target, allowed) {
			say("imports %s; %s may import %v only", target, tree, allowed)
		}
	}
	for tree, refused := range never {
		if within(p.path, tree) && withinAny(target, refused) {
			say("imports %s; %s must not", target, tree)
		}
	}
	if q := m[target]; q != nil && q.helper() && !p.helper() && !within(p.path, "test") && !within(p.path, "benchmarks") {
		say("imports %s, which exists for tests", target)
	}
}

// strays checks one import from outside the module.
func (m module) strays(p *pkg, to string, say func(string, ...any)) {
	for path, owners := range outside {
		if within(to, path) && !withinAny(p.path, owners) && !p.helper() {
			say("imports %s, which belongs to %v", to, owners)
		}
	}
	for tree, refused := range pure {
		if within(p.path, tree) && withinAny(to, refused) {
			say("imports %s; %s is pure", to, tree)
		}
	}
}

// reached checks the chains of imports that start in a tree of unreachable.
func (m module) reached() []string {
	var out []string
	for tree, refused := range unreachable {
		for start := range m {
			if !within(start, tree) {
				continue
			}
			from := map[string]string{start: ""} // and who imports it
			for queue := []string{start}; len(queue) > 0; queue = queue[1:] {
				p := m[queue[0]]
				if p == nil {
					continue
				}
				for to := range p.imports {
					if withinAny(to, refused) {
						out = append(out, fmt.Sprintf("%s: reaches %s by %s", start, to, chain(from, p.path)))
					}
					if target, ok := inside(to); ok {
						if _, seen := from[target]; !seen {
							from[target] = p.path
							queue = append(queue, target)
						}
					}
				}
			}
		}
	}
	return out
}

// chain tells how a package was reached.
func chain(from map[string]string, at string) string {
	names := []string{at}
	for from[at] != "" {
		at = from[at]
		names = append(names, at)
	}
	slices.Reverse(names)
	return strings.Join(names, " -> ")
}
