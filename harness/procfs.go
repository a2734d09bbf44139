package harness

import (
	"sync"

	"golang.org/x/sys/unix"
)

// procfs is a file system of the type proc that is mounted nowhere. The kernel looks for
// the directory of a family of sysctls among those of all namespaces that the file system
// has shown (proc_sys_compare): with an instance for every few nodes, instead of /proc for
// all of them, that takes no longer in a large lab than in a small one. Since Linux 5.8
// each mount of proc is an instance of its own.
type procfs struct {
	pool  *procfsPool
	fd    int // of its root
	users int // nodes
}

// nodesPerProcfs is how many nodes share an instance, which takes as long to make and to
// take apart as some ten of them save.
const nodesPerProcfs = 32

// procfsPool gives nodes their instances.
type procfsPool struct {
	mu      sync.Mutex
	newest  *procfs
	given   int  // how many nodes have got the newest one, ever
	refused bool // the kernel has none for us: older than 5.2, or a container that hides parts of /proc
}

// instances are those of the process.
var instances procfsPool

// take gives an instance to a node; nil where there is none, for which /proc serves.
func (i *procfsPool) take() *procfs {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.refused {
		return nil
	}
	if i.newest == nil || i.given >= nodesPerProcfs {
		fd, err := openProcfs()
		if err != nil {
			i.refused = true
			return nil
		}
		if old := i.newest; old != nil && old.users == 0 {
			unix.Close(old.fd)
		}
		i.newest, i.given = &procfs{pool: i, fd: fd}, 0
	}
	i.given++
	i.newest.users++
	return i.newest
}

func openProcfs() (int, error) {
	context, err := unix.Fsopen("proc", unix.FSOPEN_CLOEXEC)
	if err != nil {
		return -1, err
	}
	defer unix.Close(context)
	if err := unix.FsconfigCreate(context); err != nil {
		return -1, err
	}
	return unix.Fsmount(context, unix.FSMOUNT_CLOEXEC, unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV|unix.MOUNT_ATTR_NOEXEC)
}

// release is called when a node ends.
func (p *procfs) release() {
	if p == nil {
		return
	}
	p.pool.mu.Lock()
	defer p.pool.mu.Unlock()
	p.users--
	if p.users == 0 && p != p.pool.newest {
		unix.Close(p.fd)
	}
}

// family opens the directory of a family of sysctls.
func (p *procfs) family(name string) (int, error) {
	const flags = unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC
	if p == nil {
		return unix.Open(sysctlRoot+"net/"+name, flags, 0)
	}
	return unix.Openat(p.fd, "sys/net/"+name, flags, 0)
}
