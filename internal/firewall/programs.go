package firewall

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netrig/netrig/internal/deadline"
	"github.com/netrig/netrig/internal/ns"
)

// programPatience is how long an iptables program may take. The first one on a
// machine loads modules.
const programPatience = 20 * time.Second

// programs are the file names of the programs that a backend uses.
type programs struct{ change, save map[Family]string }

// programsOf finds them, once a process.
var programsOf = map[string]func() (programs, error){
	IPTables:       sync.OnceValues(func() (programs, error) { return findPrograms("-nft", "nf_tables") }),
	IPTablesLegacy: sync.OnceValues(func() (programs, error) { return findPrograms("-legacy", "legacy") }),
}

// findPrograms finds iptables and ip6tables of one variant: by the name with
// the suffix, or by the plain name, if -V then names the variant.
func findPrograms(suffix, variant string) (programs, error) {
	found := programs{change: make(map[Family]string), save: make(map[Family]string)}
	for family, plain := range map[Family]string{IPv4: "iptables", IPv6: "ip6tables"} {
		var tried []string
		for _, name := range []string{plain + suffix, plain} {
			path, is, err := variantOf(name)
			if err != nil {
				tried = append(tried, err.Error())
				continue
			}
			if is != variant {
				tried = append(tried, fmt.Sprintf("%s is of the %s variant", path, is))
				continue
			}
			save := path + "-save"
			if _, err := exec.LookPath(save); err != nil {
				tried = append(tried, err.Error())
				continue
			}
			found.change[family], found.save[family] = path, save
			break
		}
		if found.change[family] == "" {
			return found, fmt.Errorf("there is no %s of the %s variant (%s): install the package iptables, "+
				"which on Debian and Ubuntu has both variants, or use the backend %q, which needs no program",
				plain, variant, strings.Join(tried, "; "), NFTables)
		}
	}
	return found, nil
}

// variantOf asks the program of that name which variant it is. Versions before
// 1.8 do not tell, and are all legacy.
func variantOf(name string) (path, variant string, err error) {
	path, err = lookPath(name)
	if err != nil {
		return "", "", err
	}
	ctx, cancel := deadline.Context(programPatience)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "-V").Output()
	if err != nil {
		return "", "", fmt.Errorf("%s -V: %w", path, err)
	}
	if strings.Contains(string(out), "nf_tables") {
		return path, "nf_tables", nil
	}
	return path, "legacy", nil
}

// lookPath finds a program of an administrator, whose directories are not in
// everybody's PATH.
func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err == nil {
		return path, nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("there is no program %s in PATH or in the sbin directories", name)
}

// run runs a program inside the namespace and returns what it wrote.
func run(n *ns.Namespace, path string, args ...string) ([]byte, error) {
	lock, err := lockFile()
	if err != nil {
		return nil, err
	}
	return runWith(lock, n, path, args...)
}

// runWith is run with a lock file for legacy iptables, nil for its own.
func runWith(lock *os.File, n *ns.Namespace, path string, args ...string) ([]byte, error) {
	ctx, cancel := deadline.Context(programPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	// The messages are matched and shown: the same in every locale.
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	if lock != nil {
		cmd.ExtraFiles = []*os.File{lock} // descriptor 3 in the program
		cmd.Env = append(cmd.Env, "XTABLES_LOCKFILE=/proc/self/fd/3")
	}
	// A child is in the namespace of the thread that starts it.
	if err := n.Do(cmd.Start); err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("no end after %s", deadline.Of(programPatience))
		}
		return nil, &programError{
			command: strings.Join(append([]string{path}, args...), " "),
			reason:  err, complaint: strings.TrimSpace(complaint.String()),
		}
	}
	return out.Bytes(), nil
}

// programError is the failure of an iptables program.
type programError struct {
	command   string
	reason    error
	complaint string // what it wrote to its standard error
}

func (e *programError) Error() string {
	if e.complaint == "" {
		return fmt.Sprintf("`%s`: %v", e.command, e.reason)
	}
	return fmt.Sprintf("`%s`: %v: %s", e.command, e.reason, strings.ReplaceAll(e.complaint, "\n", " / "))
}

func (e *programError) Unwrap() error { return e.reason }

// lockFile is nil where legacy iptables can use its own lock file, and else
// one in memory to use instead: an ordinary user can't write to /run.
var lockFile = sync.OnceValues(func() (*os.File, error) {
	own, err := os.OpenFile("/run/xtables.lock", os.O_RDONLY|os.O_CREATE, 0o600)
	if err == nil {
		return nil, own.Close()
	}
	return lockInMemory()
})

func lockInMemory() (*os.File, error) {
	fd, err := unix.MemfdCreate("xtables.lock", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a lock file for iptables in place of /run/xtables.lock: %w", err)
	}
	return os.NewFile(uintptr(fd), "xtables.lock"), nil
}
