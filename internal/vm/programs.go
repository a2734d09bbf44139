package vm

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// usualPrograms are those that tests of networks call. What is not installed
// here is not there inside either, and a test that wants it fails.
var usualPrograms = []string{
	// networks
	"ip", "bridge", "tc", "ss", "nstat", "ping", "arping", "tracepath", "traceroute", "tcpdump", "conntrack", "ethtool", "brctl",
	"nft", "iptables", "ip6tables", "iptables-save", "ip6tables-save", "iptables-restore", "ip6tables-restore",
	"iptables-nft", "ip6tables-nft", "iptables-nft-save", "ip6tables-nft-save", "iptables-nft-restore", "ip6tables-nft-restore",
	"iptables-legacy", "ip6tables-legacy", "iptables-legacy-save", "ip6tables-legacy-save", "iptables-legacy-restore", "ip6tables-legacy-restore",
	"arptables", "ebtables", "ipset", "dnsmasq", "nc", "socat", "wg", "sysctl",
	// shells and what their scripts call
	"sh", "bash", "awk", "basename", "cat", "chmod", "cp", "cut", "date", "dirname", "echo", "env", "expr", "false", "find", "grep", "head",
	"hostname", "id", "kill", "ln", "ls", "mkdir", "mktemp", "mount", "mv", "nice", "nsenter", "printf", "ps", "pwd", "readlink", "rm",
	"rmdir", "sed", "seq", "setpriv", "setsid", "sleep", "sort", "stat", "stty", "tail", "tee", "test", "timeout", "touch", "tr", "true", "umount",
	"uname", "uniq", "unshare", "wc", "which", "xargs",
}

// plugIns are directories that a program loads from without naming the files.
var plugIns = map[string][]string{
	"iptables": {"/usr/lib/*/xtables", "/usr/lib/xtables", "/usr/lib64/xtables"},
	"ip":       {"/etc/iproute2", "/usr/share/iproute2", "/usr/lib/iproute2"},
}

// settings are files that programs look names up in.
var settings = []string{
	"/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/host.conf", "/etc/protocols", "/etc/services", "/etc/ethertypes",
	"/etc/networks", "/etc/gai.conf",
}

// path is where programs are looked for, also by those who don't have the
// administrator's directories in their PATH.
const administrators = "/usr/local/sbin:/usr/sbin:/sbin"

// addPrograms puts programs into the archive with the libraries that they need.
// Asked-for ones must be there.
func (a *archive) addPrograms(asked []string) error {
	for _, name := range asked {
		if err := a.addProgram(name); err != nil {
			return fmt.Errorf("program %s: %w", name, err)
		}
	}
	if a.arch != runtime.GOARCH {
		return nil // those of this machine are for its own processor
	}
	for _, name := range usualPrograms {
		if err := a.addProgram(name); err != nil && !errors.Is(err, exec.ErrNotFound) {
			return fmt.Errorf("program %s: %w", name, err)
		}
	}
	for _, name := range settings {
		if _, err := os.Stat(name); err == nil {
			if err := a.carry(name); err != nil {
				return err
			}
		}
	}
	return nil
}

func (a *archive) addProgram(name string) error {
	file, err := findProgram(name)
	if err != nil {
		return err
	}
	if err := a.carryProgram(file); err != nil {
		return err
	}
	for _, pattern := range plugIns[name] {
		found, _ := filepath.Glob(pattern)
		for _, dir := range found {
			if err := a.carry(dir); err != nil {
				return err
			}
		}
	}
	return nil
}

func findProgram(name string) (string, error) {
	if strings.Contains(name, "/") {
		return filepath.Abs(name)
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH") + ":" + administrators) {
		if file := filepath.Join(dir, name); filepath.IsAbs(file) {
			if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
				return file, nil
			}
		}
	}
	return "", fmt.Errorf("%w: install it here, or leave it out", exec.ErrNotFound)
}

// carryProgram carries a program, and what it can't be started without: the
// interpreter of a script, the libraries of a binary.
func (a *archive) carryProgram(file string) error {
	real, err := filepath.EvalSymlinks(file)
	if err != nil {
		return err
	}
	if err := a.carry(file); err != nil {
		return err
	}
	if a.done["libraries of "+real] {
		return nil
	}
	a.done["libraries of "+real] = true
	f, err := os.Open(real)
	if err != nil {
		return err
	}
	defer f.Close()
	head := make([]byte, 128)
	n, _ := f.Read(head)
	if script, ok := bytes.CutPrefix(head[:n], []byte("#!")); ok {
		line, _, _ := bytes.Cut(script, []byte("\n"))
		words := strings.Fields(string(line))
		if len(words) == 0 {
			return nil
		}
		return a.carryProgram(words[0])
	}
	libraries, err := librariesOf(real, a.arch)
	if err != nil {
		return err
	}
	for _, l := range libraries {
		if err := a.carry(l); err != nil {
			return err
		}
	}
	return nil
}

// known remembers what librariesOf has found: a process may write several
// archives, and each question starts a program.
var known sync.Map // of path to func() ([]string, error)

// librariesOf are the shared libraries of a program, its loader included: none
// for a static one.
func librariesOf(program, arch string) ([]string, error) {
	ask, _ := known.LoadOrStore(arch+" "+program, sync.OnceValues(func() ([]string, error) { return askLoader(program, arch) }))
	return ask.(func() ([]string, error))()
}

// askLoader asks the loader itself, since only that knows all its ways of finding
// libraries (ld.so(8), --list).
func askLoader(program, arch string) ([]string, error) {
	loader, err := loaderOf(program, arch)
	if err != nil || loader == "" {
		return nil, err
	}
	if arch != runtime.GOARCH {
		return nil, fmt.Errorf("%s is linked to libraries, and those for %s are not here: build it with CGO_ENABLED=0", program, arch)
	}
	cmd := exec.Command(loader, "--list", program)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "LD_PRELOAD=")
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s --list %s: %w: a library is missing", loader, program, err)
	}
	libraries := []string{loader}
	for line := range strings.Lines(string(out)) {
		if _, after, ok := strings.Cut(line, "=>"); ok {
			line = after
		}
		f := strings.Fields(line)
		if len(f) > 1 && f[0] == "not" {
			return nil, fmt.Errorf("one of its libraries is not installed: %s", strings.TrimSpace(line))
		}
		if len(f) > 0 && filepath.IsAbs(f[0]) {
			libraries = append(libraries, f[0])
		}
	}
	return libraries, nil
}

// loaderOf is the loader that a binary asks for; "" for a static one.
func loaderOf(program, arch string) (string, error) {
	f, err := elf.Open(program)
	var path *fs.PathError
	if errors.As(err, &path) {
		return "", err
	}
	if err != nil {
		return "", fmt.Errorf("%s is no program: neither ELF nor a script", program)
	}
	defer f.Close()
	if of := goArch(f.Machine); of != arch {
		return "", &otherArch{program, of, arch}
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			b := make([]byte, p.Filesz)
			if _, err := p.ReadAt(b, 0); err != nil {
				return "", err
			}
			return strings.TrimRight(string(b), "\x00"), nil
		}
	}
	return "", nil
}

// otherArch is a program that can't run in the machine.
type otherArch struct{ program, of, want string }

func (o *otherArch) Error() string {
	return fmt.Sprintf("%s is built for %s, and the machine is %s: build it with GOARCH=%s", o.program, o.of, o.want, o.want)
}

func goArch(m elf.Machine) string {
	switch m {
	case elf.EM_X86_64:
		return "amd64"
	case elf.EM_AARCH64:
		return "arm64"
	}
	return strings.ToLower(strings.TrimPrefix(m.String(), "EM_"))
}
