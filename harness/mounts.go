package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// mountSpace is the mount namespace in which a node's programs run: the
// sandbox's, with the node's own /sys, /etc/resolv.conf and /run/netns.
type mountSpace struct {
	fd     int
	folder string // of the node, in the lab's scratch folder
}

// mountSpace makes the node's mount namespace when the first program needs it.
func (n *Node) mountSpace() (*mountSpace, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lab.foreign.Store(true)
	scratch, err := n.lab.scratchFolder()
	if err != nil {
		return nil, err
	}
	if err := n.lab.nameNamespaces(scratch); err != nil {
		return nil, err
	}
	if n.mounts != nil {
		return n.mounts, nil
	}
	m := &mountSpace{fd: -1, folder: filepath.Join(scratch, n.name)}
	if err := os.MkdirAll(m.folder, 0o755); err != nil {
		return nil, err
	}
	resolv := ""
	if len(n.resolvers) > 0 {
		resolv = filepath.Join(m.folder, "resolv.conf")
		if err := os.WriteFile(resolv, resolvConf(n.resolvers), 0o644); err != nil {
			return nil, err
		}
	}
	made := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		made <- m.make(n.space.Fd(), filepath.Join(scratch, "netns"), resolv)
	}()
	if err := <-made; err != nil {
		return nil, fmt.Errorf("make a mount namespace: %w", err)
	}
	n.mounts = m
	return m, nil
}

func (m *mountSpace) make(netns int, names, resolv string) error {
	if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make / private: %w", err)
	}
	if err := unix.Setns(netns, unix.CLONE_NEWNET); err != nil {
		return err
	}
	// /sys/class/net shows the interfaces of the namespace that mounted it.
	// Where a container forbids it, programs see the sandbox's, which has none.
	_ = unix.Mount("netrig", "/sys", "sysfs", 0, "")
	if err := os.MkdirAll("/run/netns", 0o755); err != nil {
		return err
	}
	if err := unix.Mount(names, "/run/netns", "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount the nodes' names on /run/netns: %w", err)
	}
	if resolv != "" {
		target, err := filepath.EvalSymlinks("/etc/resolv.conf")
		if err != nil {
			return fmt.Errorf("find /etc/resolv.conf: %w: create it, an empty file will do", err)
		}
		if err := unix.Mount(resolv, target, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount the node's own %s: %w", target, err)
		}
	}
	fd, err := unix.Open("/proc/thread-self/ns/mnt", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	m.fd = fd
	return err
}

// enter moves the calling thread into the mount namespace, for good.
func (m *mountSpace) enter() error {
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return err
	}
	wd, err := os.Getwd()
	if err != nil {
		return err
	}
	if err := unix.Setns(m.fd, unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("enter the mount namespace: %w", err)
	}
	// setns has put the thread at the root.
	return unix.Chdir(wd)
}

func (m *mountSpace) close() {
	if m.fd >= 0 {
		unix.Close(m.fd)
	}
}

// scratchFolder is a folder of the lab's own. It is on the sandbox's /run, a
// file system in memory that goes when the sandbox does, whatever ends it.
func (l *Lab) scratchFolder() (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.scratch != "" {
		return l.scratch, nil
	}
	folder, err := os.MkdirTemp("/run", "netrig-")
	if err != nil {
		return "", fmt.Errorf("make a folder for the lab: %w", err)
	}
	if err := os.Mkdir(filepath.Join(folder, "netns"), 0o755); err != nil {
		return "", err
	}
	l.scratch = folder
	return folder, nil
}

func (l *Lab) removeScratch() {
	if l.scratch != "" {
		_ = os.RemoveAll(l.scratch)
	}
}

// nameNamespaces gives each node of the lab a name for `ip -n`, which looks
// for files in /run/netns and takes symbolic links.
func (l *Lab) nameNamespaces(scratch string) error {
	for _, n := range l.All() {
		err := os.Symlink(n.space.Path(), filepath.Join(scratch, "netns", n.name))
		if err != nil && !os.IsExist(err) {
			return fmt.Errorf("name the namespace of node %s: %w", n.name, err)
		}
	}
	return nil
}

func resolvConf(servers []string) []byte {
	var b strings.Builder
	b.WriteString("# made by netrig for this node\n")
	for _, s := range servers {
		fmt.Fprintf(&b, "nameserver %s\n", s)
	}
	return []byte(b.String())
}
