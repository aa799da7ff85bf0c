package imports_test

import (
	"errors"
	"go/ast"
	"go/token"
	"go/types"
)

// checker finds out what names and constants mean, without anything that is not
// in the module: what other modules declare means nothing, and the errors that
// follow from it are dropped.
type checker struct {
	module module
	set    *token.FileSet
	done   map[string]*checkedPkg
}

type checkedPkg struct {
	info  *types.Info
	types *types.Package
}

func newChecker(m module, set *token.FileSet) *checker {
	return &checker{module: m, set: set, done: map[string]*checkedPkg{}}
}

// info is about the files of one package that are built into programs.
func (c *checker) info(path string) *types.Info { return c.check(path).info }

func (c *checker) check(path string) *checkedPkg {
	if p := c.done[path]; p != nil {
		return p
	}
	p := &checkedPkg{info: &types.Info{
		Types: map[ast.Expr]types.TypeAndValue{},
		Uses:  map[*ast.Ident]types.Object{},
	}}
	c.done[path] = p // a circle of imports ends here
	config := types.Config{FakeImportC: true, Importer: c, Error: func(error) {}}
	p.types, _ = config.Check(moduleName+"/"+path, c.set, c.module[path].sources(), p.info)
	return p
}

// Import makes the checker its own importer.
func (c *checker) Import(importPath string) (*types.Package, error) {
	path, ok := inside(importPath)
	if !ok || c.module[path] == nil {
		return nil, errors.New("not of this module")
	}
	if p := c.check(path); p.types != nil {
		return p.types, nil
	}
	return nil, errors.New("imports itself")
}
