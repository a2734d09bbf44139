package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// tests is a test binary and the directory of its package, in which it is run.
type tests struct{ binary, dir, pkg string }

// buildTests builds the tests of one package into a directory, as a static binary:
// a machine then has to hold no libraries for it.
func buildTests(ctx context.Context, pkg, to string) (*tests, error) {
	list := exec.CommandContext(ctx, "go", "list", "-f", "{{.ImportPath}}\t{{.Dir}}", pkg)
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("find package %s: go list: %w", pkg, err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != 1 {
		return nil, exit{statusUsage, fmt.Errorf("%s is %d packages: name one", pkg, len(lines))}
	}
	name, dir, _ := strings.Cut(lines[0], "\t")
	t := &tests{binary: filepath.Join(to, filepath.Base(dir)+".test"), dir: dir, pkg: name}
	build := exec.CommandContext(ctx, "go", "test", "-c", "-o", t.binary, name)
	build.Dir = dir
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		return nil, fmt.Errorf("build the tests of %s: %w", pkg, err)
	}
	if _, err := os.Stat(t.binary); err != nil {
		return nil, exit{statusUsage, fmt.Errorf("%s has no tests", pkg)}
	}
	return t, nil
}
