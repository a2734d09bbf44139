package harness

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

const sysctlRoot = "/proc/sys/"

// sysctlPath is the file of a sysctl. As sysctl(8) has it, names are written
// with dots, or, where an interface's name holds a dot, with slashes:
// "net/ipv4/conf/eth0.5/rp_filter".
func sysctlPath(name string) (string, error) {
	p := name
	if !strings.Contains(p, "/") {
		p = strings.ReplaceAll(p, ".", "/")
	}
	// Everything below net/ belongs to the namespace or is read-only in it; the
	// rest is the machine's.
	switch clean := path.Clean(p); {
	case !strings.HasPrefix(clean, "net/"):
		return "", fmt.Errorf("sysctl %q: only names below net. can be used, such as net.ipv4.ip_forward", name)
	case clean != p:
		return "", fmt.Errorf("sysctl %q: the name has a dot or a slash too many: net.ipv4.ip_forward has them between its parts only", name)
	}
	return sysctlRoot + p, nil
}

// Sysctl reads a sysctl of the node, as sysctl(8) names it:
// "net.ipv4.conf.all.rp_filter".
func (n *Node) Sysctl(name string) string {
	n.lab.TB.Helper()
	file, err := sysctlPath(name)
	n.must(err, "read a sysctl")
	var raw []byte
	err = n.space.Do(func() error {
		raw, err = os.ReadFile(file)
		return err
	})
	if errors.Is(err, fs.ErrPermission) {
		err = fmt.Errorf("%w: it can only be written", err)
	} else {
		err = sysctlHint(name, err)
	}
	n.must(err, "read sysctl %s", name)
	return strings.TrimSpace(string(raw))
}

// SetSysctl sets a sysctl of the node: SetSysctl("net.ipv4.conf.all.rp_filter", 1).
// The value may be a string, a number or a bool (1 or 0). It is read back, and
// the test fails when the kernel keeps another.
func (n *Node) SetSysctl(name string, value any) {
	n.lab.TB.Helper()
	file, err := sysctlPath(name)
	n.must(err, "set a sysctl")
	text := sysctlText(value)
	var kept string
	n.must(n.awaitLinks(file), "set sysctl %s to %q", name, text)
	err = n.space.Do(func() error {
		files := sysctlFiles{proc: n.proc}
		defer files.close()
		name := strings.TrimPrefix(file, sysctlRoot+"net/")
		if err := files.write(name, text); err != nil {
			return err
		}
		kept, err = files.read(name)
		if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EINVAL) {
			kept, err = text, nil // one that can only be written, such as route.flush
		}
		return err
	})
	n.must(sysctlHint(name, err), "set sysctl %s to %q", name, text)
	if strings.Join(strings.Fields(kept), " ") != strings.Join(strings.Fields(text), " ") {
		n.fatalf("sysctl %s was set to %q, but the kernel keeps %q", name, text, kept)
	}
	n.did("%s = %s", name, text)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sysctls = append(n.sysctls, strings.TrimPrefix(file, sysctlRoot))
}

// SysctlsSet are the sysctls that SetSysctl, or a verb by it, has set in the
// node, as paths below /proc/sys ("net/ipv4/ip_forward"), in order.
func (n *Node) SysctlsSet() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Compact(slices.Sorted(slices.Values(n.sysctls)))
}

func sysctlText(value any) string {
	if b, ok := value.(bool); ok {
		if b {
			return "1"
		}
		return "0"
	}
	return fmt.Sprint(value)
}

// awaitLinks is called before a sysctl is written, and waits if the kernel
// needs the lock of all link changes for it.
func (n *Node) awaitLinks(file string) error {
	switch path.Base(file) {
	case "ip_forward", "forwarding", "disable_ipv6", "addr_gen_mode", "ignore_routes_with_linkdown", "proxy_ndp", "disable_policy":
		return n.raw.Await()
	}
	return nil
}

func sysctlHint(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: this kernel has no such sysctl in a network namespace: check the name with `sysctl -a`; it may be global (such as net.core.rmem_max), or need a kernel module or an interface that is not there", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: %s belongs to the machine, not to a network namespace, and can't be changed from a test", err, name)
	case errors.Is(err, unix.EISDIR):
		return fmt.Errorf("%w: it holds sysctls, and is none", err)
	case errors.Is(err, unix.EINVAL):
		return fmt.Errorf("%w: the kernel does not take this value", err)
	}
	return err
}

// EnableForwarding makes the node a router: for IPv4, and for IPv6 too once it
// has IPv6 on.
func (n *Node) EnableForwarding() { n.lab.TB.Helper(); n.setForwarding(true) }

// DisableForwarding makes the node an ordinary host again.
func (n *Node) DisableForwarding() { n.lab.TB.Helper(); n.setForwarding(false) }

func (n *Node) setForwarding(on bool) {
	n.lab.TB.Helper()
	// The switch of IPv6 can be set while IPv6 is off; it counts from then on.
	n.SetSysctl("net.ipv4.ip_forward", on)
	n.SetSysctl("net.ipv6.conf.all.forwarding", on)
}
