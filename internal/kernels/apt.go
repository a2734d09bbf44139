package kernels

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// archive is one suite of Debian's archive, seen through the machine's own apt
// with private lists: its mirror, proxies, credentials and keys, and none of
// its state is touched.
type archive struct {
	dir    string // holds the lists, and while they are needed, packages
	config string // what apt is told in addition to its own configuration
	suite  *suite
	say    func(string, ...any)
}

// openArchive brings the lists of a suite up to date.
func (c *Cache) openArchive(ctx context.Context, s *suite) (*archive, error) {
	for _, program := range []string{"apt-get", "apt-cache"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, fmt.Errorf("%s is not here, so that Debian's kernels can't be fetched: name files instead (%s)", program, Forms)
		}
	}
	source, err := debianSource(ctx)
	if err != nil {
		return nil, err
	}
	a := &archive{dir: filepath.Join(c.dir, "apt", s.key()), suite: s, say: c.say}
	a.config = filepath.Join(a.dir, "apt.conf")
	for _, d := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(a.dir, d), 0o755); err != nil {
			return nil, err
		}
	}
	for name, text := range map[string]string{"apt.conf": a.settings(), "sources.list": source.line(s.name), "status": ""} {
		if err := os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	// The lists are locked, so that nobody else downloads: what is there a killed
	// process left.
	left, _ := filepath.Glob(filepath.Join(a.dir, download+"*"))
	for _, dir := range left {
		os.RemoveAll(dir)
	}
	c.say("asking the archive for the packages of %s", s)
	if _, err := a.run(ctx, a.dir, "apt-get", "update"); err != nil {
		return nil, fmt.Errorf("the packages of suite %s can't be listed: %w", s.name, err)
	}
	return a, nil
}

// settings makes apt's state private. It comes after the machine's own
// configuration, so that the hooks in there can be left out.
func (a *archive) settings() string {
	at := func(name string) string { return strconv.Quote(filepath.Join(a.dir, name)) }
	other := ""
	if a.suite.arch != runtime.GOARCH {
		// For packages of another architecture apt has to be a machine of that.
		other = fmt.Sprintf(`APT::Architecture %[1]q; #clear APT::Architectures; APT::Architectures { %[1]q; };`, a.suite.arch)
		other = strings.ReplaceAll(other, "; ", ";\n")
	}
	return strings.Join([]string{
		"Dir::Etc::SourceList " + at("sources.list") + ";",
		`Dir::Etc::SourceParts "/dev/null";`,
		`Dir::Etc::Preferences "/dev/null";`,
		`Dir::Etc::PreferencesParts "/dev/null";`,
		"Dir::State::Lists " + at("lists") + ";",
		"Dir::State::Status " + at("status") + ";",
		"Dir::Cache " + at("cache") + ";",
		`APT::Sandbox::User "root";`,          // apt's own user can't reach a cache in somebody's home
		`APT::Default-Release "";`,            // is a suite that is not in these lists
		`Acquire::Languages "none";`,          // no translated descriptions
		`Acquire::PDiffs "false";`,            // one file is faster than many
		`Acquire::Retries "3";`,               // a mirror may be busy
		`Acquire::Check-Valid-Until "false";`, // the lists of an old suite are not signed anew
		`Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";`,
		`Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled "false";`,
		"#clear APT::Update;", // its hooks tidy up the machine's own state
		"#clear DPkg::Post-Invoke;",
		other,
		"",
	}, "\n")
}

// run runs a program of apt on the private lists.
func (a *archive) run(ctx context.Context, dir, program string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, append([]string{"-q", "-c", a.config}, args...)...)
	return output(cmd, dir)
}

// output runs a command, and tells what it complained about if it fails.
func output(cmd *exec.Cmd, dir string) ([]byte, error) {
	var out, complaint bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &complaint
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	err := cmd.Run()
	var lines []string
	for line := range strings.Lines(complaint.String()) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), "E: "); ok {
			lines = append(lines, rest)
		}
	}
	if err == nil {
		return out.Bytes(), nil
	}
	if len(lines) == 0 {
		lines = []string{strings.TrimSpace(complaint.String())}
	}
	return nil, fmt.Errorf("%s %s: %w: %s", filepath.Base(cmd.Path), cmd.Args[len(cmd.Args)-1], err, strings.Join(lines, "; "))
}

// packages are the packages of the suite whose names are one of the prefixes and
// a version.
func (a *archive) packages(ctx context.Context, prefixes ...string) ([]stanza, error) {
	names, err := a.run(ctx, a.dir, "apt-cache", "pkgnames", "linux-")
	if err != nil {
		return nil, err
	}
	var list []string
	for _, n := range strings.Fields(string(names)) {
		for _, p := range prefixes {
			if rest, ok := strings.CutPrefix(n, p); ok && rest != "" && rest[0] >= '0' && rest[0] <= '9' {
				list = append(list, n)
			}
		}
	}
	if len(list) == 0 {
		return nil, nil
	}
	text, err := a.run(ctx, a.dir, "apt-cache", append([]string{"show", "--"}, list...)...)
	if err != nil {
		return nil, err
	}
	return parseStanzas(string(text)), nil
}

// download starts the name of a directory into which packages are fetched.
const download = "download-"

// download fetches packages, checked against the signed lists, into a directory
// that remove takes away.
func (a *archive) download(ctx context.Context, packages []string) (debs []string, remove func(), err error) {
	dir, err := os.MkdirTemp(a.dir, download)
	if err != nil {
		return nil, nil, err
	}
	remove = func() { os.RemoveAll(dir) }
	for _, p := range packages {
		a.say("fetching %s", p)
	}
	if _, err := a.run(ctx, dir, "apt-get", append([]string{"download"}, packages...)...); err != nil {
		remove()
		return nil, nil, err
	}
	debs, err = filepath.Glob(filepath.Join(dir, "*.deb"))
	if err == nil && len(debs) != len(packages) {
		err = fmt.Errorf("apt-get download: %d files for %d packages", len(debs), len(packages))
	}
	if err != nil {
		remove()
		return nil, nil, err
	}
	return debs, remove, nil
}

// source is a line of sources.list(5).
type source struct{ uri, key string }

func (s source) line(suite string) string {
	option := ""
	if s.key != "" {
		option = "[signed-by=" + s.key + "] "
	}
	return fmt.Sprintf("deb %s%s %s main\n", option, s.uri, suite)
}

// debianSource finds from where this machine gets Debian itself.
func debianSource(ctx context.Context) (source, error) {
	out, err := output(exec.CommandContext(ctx, "apt-get", "indextargets", "Created-By: Packages"), "")
	if err != nil {
		return source{}, err
	}
	var others []string
	for _, s := range parseStanzas(string(out)) {
		if s["Origin"] == "Debian" && s["Label"] == "Debian" && s["Component"] == "main" {
			key := s["Signed-By"]
			if key == "" {
				key = signedBy(s["Sourcesentry"])
			}
			return source{s["Repo-URI"], key}, nil
		}
		if o := s["Origin"]; o != "" && !slices.Contains(others, o) {
			others = append(others, o)
		}
	}
	if len(others) == 0 {
		return source{}, errors.New("apt has no lists of packages on this machine: run apt-get update as root first")
	}
	return source{}, fmt.Errorf("apt on this machine gets nothing from Debian (but from %s): fetch the packages elsewhere, and name the files (FILE.deb)", strings.Join(others, ", "))
}

var signedByPattern = regexp.MustCompile(`(?i)signed-by\s*[:=]\s*(/[^\s\]]+)`)

// signedBy finds the keys of an entry, "FILE:NUMBER", of apt's sources, which
// apt itself does not tell: the NUMBERth part of a *.sources file, or line of
// the older form. Without one apt takes its common keys.
func signedBy(entry string) string {
	at := strings.LastIndexByte(entry, ':')
	if at < 0 {
		return ""
	}
	b, err := os.ReadFile(entry[:at])
	number, errNumber := strconv.Atoi(entry[at+1:])
	if err != nil || errNumber != nil {
		return ""
	}
	separator := "\n"
	if strings.HasSuffix(entry[:at], ".sources") {
		separator = "\n\n"
	}
	parts := strings.Split(string(b), separator)
	for _, i := range []int{number - 1, number} {
		if i < 0 || i >= len(parts) {
			continue
		}
		if m := signedByPattern.FindStringSubmatch(parts[i]); m != nil {
			return m[1]
		}
	}
	return ""
}
