package sandbox

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// newRun mounts an empty /run, so that the lock of iptables (/run/xtables.lock)
// and the names of `ip netns` (/run/netns) are the sandbox's own. The daemons of
// the machine that listen in /run can't be reached either. What the tests were
// told to use there stays.
func newRun() *report {
	old, err := unix.Open("/run", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT {
		return nil // a tiny virtual machine
	}
	if err != nil {
		return failed("open /run", err)
	}
	defer unix.Close(old)
	cwd, _ := os.Getwd()
	wanted := wantedInRun(os.Environ(), os.Args, cwd)
	resolv, resolvPath := resolvConf()

	if err := unix.Mount("tmpfs", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755"); err != nil {
		return failed("mount a tmpfs on /run", err)
	}
	// As on every distribution; some programs lock there and don't make it.
	unix.Mkdir("/run/lock", 0o755)
	unix.Chmod("/run/lock", 0o1777)

	for _, path := range wanted {
		keep(old, strings.TrimPrefix(path, "/run/"))
	}
	if resolvPath != "" && os.MkdirAll(filepath.Dir(resolvPath), 0o755) == nil {
		// A copy: the directory it is in also holds the sockets of its daemon.
		os.WriteFile(resolvPath, resolv, 0o644)
	}
	if strings.HasPrefix(cwd+"/", "/run/") {
		if err := unix.Chdir(cwd); err != nil { // from the hidden directory to the one in sight
			return failed("go back to "+cwd, err)
		}
	}
	// A few systems have a /var/run of its own, and iproute2 uses that name.
	if st, err := os.Lstat("/var/run"); err == nil && st.IsDir() {
		if err := unix.Mount("/run", "/var/run", "", unix.MS_BIND, ""); err != nil {
			return failed("bind /run on /var/run", err)
		}
	}
	return nil
}

// resolvConf reads /etc/resolv.conf if it is a symbolic link into /run, and says
// where it leads. (Go reads it too, on the first lookup of a name.)
func resolvConf() (content []byte, path string) {
	path, err := filepath.EvalSymlinks("/etc/resolv.conf")
	if err != nil || !strings.HasPrefix(path, "/run/") {
		return nil, ""
	}
	if content, err = os.ReadFile(path); err != nil {
		return nil, ""
	}
	return content, path
}

// wantedInRun finds the files and directories of /run that the tests were told
// to use: by an argument (-test.coverprofile and so on), by the working
// directory, or by a variable for programs (PATH), temporary files, home and
// caches. Parents come before what is in them, which then needs no mention.
func wantedInRun(env, args []string, cwd string) (wanted []string) {
	add := func(path string) {
		path = filepath.Clean(path)
		// The old name leads to the same place.
		if rest, ok := strings.CutPrefix(path, "/var/run/"); ok {
			path = "/run/" + rest
		}
		if strings.HasPrefix(path, "/run/") {
			wanted = append(wanted, path)
		}
	}
	add(cwd)
	for _, arg := range args {
		if _, value, ok := strings.Cut(arg, "="); ok {
			arg = value
		}
		if strings.HasPrefix(arg, "/") {
			add(arg)
			add(filepath.Dir(arg)) // the file may be still to be made
		}
	}
	for _, entry := range env {
		switch name, value, _ := strings.Cut(entry, "="); name {
		case "PATH", "LD_LIBRARY_PATH":
			for _, dir := range filepath.SplitList(value) {
				add(dir)
			}
		case "TMPDIR", "HOME", "GOROOT", "GOPATH", "GOCACHE", "GOTMPDIR", "GOCOVERDIR", "GITHUB_WORKSPACE", "GITHUB_STEP_SUMMARY":
			add(value)
		}
	}
	slices.Sort(wanted)
	var top []string
	for _, path := range wanted {
		if n := len(top); n == 0 || path != top[n-1] && !strings.HasPrefix(path, top[n-1]+"/") {
			top = append(top, path)
		}
	}
	return top
}

// keep shows a path of the old /run in the new one. A path that isn't there is
// left out: nobody could have used it.
func keep(old int, path string) {
	names := strings.Split(path, "/")
	for i := range names {
		here := strings.Join(names[:i+1], "/")
		var st unix.Stat_t
		if unix.Fstatat(old, here, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
			return
		}
		to := "/run/" + here
		switch kind := st.Mode & unix.S_IFMT; {
		case kind == unix.S_IFLNK:
			// It leads out of /run (NixOS has its programs behind /run/current-system),
			// or to somewhere in /run, and then there.
			target := make([]byte, unix.PathMax)
			n, err := unix.Readlinkat(old, here, target)
			if err != nil {
				return
			}
			unix.Symlink(string(target[:n]), to)
			end := string(target[:n])
			if !filepath.IsAbs(end) {
				end = filepath.Join(filepath.Dir(to), end)
			}
			if rest, ok := strings.CutPrefix(filepath.Join(append([]string{end}, names[i+1:]...)...), "/run/"); ok && rest != path {
				keep(old, rest)
			}
			return
		case i == len(names)-1:
			from, err := unix.Openat(old, here, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
			if err != nil {
				return
			}
			if kind == unix.S_IFDIR {
				unix.Mkdir(to, 0o755)
			} else if fd, err := unix.Open(to, unix.O_CREAT|unix.O_CLOEXEC|unix.O_WRONLY, 0o600); err == nil {
				unix.Close(fd)
			}
			unix.Mount(fdPath(from), to, "", unix.MS_BIND|unix.MS_REC, "")
			unix.Close(from)
		default:
			unix.Mkdir(to, 0o755)
		}
	}
}
