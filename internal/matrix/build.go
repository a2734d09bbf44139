package matrix

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// binary is the test binary of a package.
type binary struct {
	path    string
	pkg     string   // import path
	name    string   // its last part
	dir     string   // of the package
	tests   []string // that -run and -skip leave, without subtests
	journal string   // a name for a folder
}

// build compiles the test binaries of the packages, static, so that one file
// serves every kernel.
func build(ctx context.Context, c *Config, to string) ([]binary, error) {
	args := append([]string{"list", "-f", "{{.ImportPath}}\t{{.Dir}}\t{{len .TestGoFiles}}{{len .XTestGoFiles}}"}, c.Packages...)
	listed, err := command(ctx, "go", args...)
	if err != nil {
		return nil, err
	}
	var all []binary
	for text := range strings.Lines(listed) {
		f := strings.Split(strings.TrimSpace(text), "\t")
		if len(f) != 3 || f[2] == "00" {
			continue
		}
		b := binary{pkg: f[0], name: f[0][strings.LastIndexByte(f[0], '/')+1:], dir: f[1], journal: strings.ReplaceAll(f[0], "/", "_")}
		b.path = filepath.Join(to, b.journal+".test")
		// Without symbols it takes a third less of a machine's memory.
		if _, err := command(ctx, "go", "test", "-c", "-ldflags=-s -w", "-o", b.path, b.pkg); err != nil {
			return nil, err
		}
		if b.tests, err = b.list(ctx, c.Run, c.Skip); err != nil {
			return nil, err
		}
		if len(b.tests) > 0 {
			all = append(all, b)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no test in %s matches (-run %q, -skip %q)", strings.Join(c.Packages, " "), c.Run, c.Skip)
	}
	return all, nil
}

// list are the names of the tests.
func (b *binary) list(ctx context.Context, run, skip string) (names []string, err error) {
	// An empty one would not list the tests but run them.
	cmd := exec.CommandContext(ctx, b.path, "-test.list="+cmp.Or(levels(run)[0], "."))
	cmd.Dir = b.dir
	var says bytes.Buffer
	cmd.Stderr = &says
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list the tests of %s: %w: %s", b.pkg, err, strings.TrimSpace(says.String()))
	}
	var skipped *regexp.Regexp
	if parts := levels(skip); skip != "" && len(parts) == 1 {
		if skipped, err = regexp.Compile(parts[0]); err != nil {
			return nil, fmt.Errorf("-skip %q: %w", skip, err)
		}
	}
	for line := range strings.Lines(string(out)) {
		name := strings.TrimSpace(line)
		if strings.HasPrefix(name, "Test") && (skipped == nil || !skipped.MatchString(name)) {
			names = append(names, name)
		}
	}
	return names, nil
}

// levels are the parts of a pattern for tests and subtests: a slash inside
// brackets is part of one (testing, splitRegexp).
func levels(pattern string) (parts []string) {
	depth, begin := 0, 0
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '[', '(':
			depth++
		case ']', ')':
			depth--
		case '\\':
			i++
		case '/':
			if depth == 0 {
				parts = append(parts, pattern[begin:i])
				begin = i + 1
			}
		}
	}
	return append(parts, pattern[min(begin, len(pattern)):])
}

// command runs a tool, and tells what it said when it fails.
func command(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	var out, says bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &says
	err := cmd.Run()
	if err == nil {
		return out.String(), nil
	}
	if ctx.Err() != nil {
		return "", context.Cause(ctx)
	}
	if errors.Is(err, exec.ErrNotFound) {
		return "", fmt.Errorf("%w: netrig matrix compiles the tests itself", err)
	}
	return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, strings.TrimSpace(says.String()))
}
