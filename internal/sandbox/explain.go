package sandbox

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// failure is a step that the kernel refused, and what bears on the reason.
type failure struct {
	step       string
	errno      unix.Errno
	detail     string // the error's own words
	privileged bool   // has the capabilities, and so asked for no user namespace
	root       bool   // user ID 0
	filtered   bool   // a seccomp filter is in force
	chrooted   bool
	noUserNS   bool              // the kernel has no user namespaces
	sysctls    map[string]string // by dotted name; one that doesn't exist is missing
}

const (
	sysctlAppArmor = "kernel.apparmor_restrict_unprivileged_userns"
	sysctlDebian   = "kernel.unprivileged_userns_clone"
	sysctlUsers    = "user.max_user_namespaces"
)

// limits are the sysctls that count namespaces, each user in each user namespace
// for itself (namespaces(7)).
var limits = []string{
	sysctlUsers, "user.max_net_namespaces", "user.max_mnt_namespaces", "user.max_pid_namespaces",
}

// explain says what failed, why, and what to do about it.
func explain(f failure) string {
	reason, remedies := diagnose(f)
	var b strings.Builder
	fmt.Fprintf(&b, "cannot make a sandbox: %s: %s\n    %s\n", f.step, f.detail, reason)
	for _, r := range remedies {
		fmt.Fprintf(&b, "    %s\n", r)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

const (
	withSudo   = "run as root:     go test -exec sudo ./..."
	withDocker = "in a container:  docker run --privileged ... (or --cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined)"
)

func allow(sysctl, value string) string {
	return fmt.Sprintf("allow it:        sudo sysctl -w %s=%s", sysctl, value)
}

func diagnose(f failure) (reason string, remedies []string) {
	denied := f.errno == unix.EPERM || f.errno == unix.EACCES
	ordinary := !f.privileged
	switch {
	case f.errno == unix.ENOSPC || f.errno == unix.EUSERS:
		return diagnoseLimit(f)
	case f.errno == unix.EINVAL && ordinary && f.noUserNS:
		return "this kernel was built without user namespaces (CONFIG_USER_NS)", []string{withSudo}
	case f.errno == unix.EINVAL:
		return "this kernel lacks a kind of namespace (CONFIG_NET_NS, CONFIG_PID_NS, CONFIG_USER_NS)",
			[]string{"use another:     a kernel with these options"}
	case f.errno == unix.EMFILE || f.errno == unix.ENFILE:
		return "there are no file descriptors left", []string{"raise the limit: ulimit -n; see also fs.file-max"}
	case f.errno == unix.ENOMEM:
		return "there is no memory left", []string{"raise the limit: memory.max of the cgroup, or ulimit -v"}
	case f.errno == unix.EAGAIN:
		return "the user has too many processes", []string{"raise the limit: ulimit -u; see also kernel.pid_max and pids.max of the cgroup"}
	case f.errno == unix.ENOSYS:
		return "a system call is missing, or a container's seccomp filter hides it", []string{withDocker}
	case denied && ordinary && f.sysctls[sysctlDebian] == "0":
		return sysctlDebian + " = 0 forbids user namespaces to ordinary users", []string{allow(sysctlDebian, "1"), withSudo}
	case denied && ordinary && !f.root && f.sysctls[sysctlAppArmor] != "" && f.sysctls[sysctlAppArmor] != "0":
		// The user namespace itself is made, but without any capability in it.
		return fmt.Sprintf("%s = %s: AppArmor lets ordinary users have user namespaces only without capabilities", sysctlAppArmor, f.sysctls[sysctlAppArmor]),
			[]string{allow(sysctlAppArmor, "0"), withSudo}
	case denied && ordinary && f.chrooted:
		return "the process is in a chroot, where user namespaces are forbidden (user_namespaces(7))",
			[]string{"leave it:        use pivot_root, or a container", "or run as root:  with CAP_SYS_ADMIN in the chroot"}
	case denied && f.filtered && f.root:
		return "root without the needed privileges, under a seccomp filter: a container", []string{withDocker}
	case denied && f.filtered:
		return "a seccomp filter forbids it: a container, or a service with RestrictNamespaces=",
			[]string{withDocker, withSudo}
	case denied && f.root:
		return "root without the needed privileges (CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_NET_RAW), or a security module (AppArmor, SELinux) forbids it; the kernel log can tell",
			[]string{withDocker}
	case denied:
		return "a security module (AppArmor, SELinux) or the kernel forbids it to ordinary users; the kernel log can tell", []string{withSudo}
	}
	return "nothing known explains that; the kernel log (dmesg) may", []string{withSudo}
}

func diagnoseLimit(f failure) (reason string, remedies []string) {
	var values []string
	for _, name := range limits {
		value, ok := f.sysctls[name]
		if !ok || name == sysctlUsers && f.privileged {
			continue
		}
		if value == "0" {
			remedies = []string{allow(name, "10000")}
			if name == sysctlUsers {
				remedies = append(remedies, withSudo)
			}
			return name + " = 0 forbids such namespaces", remedies
		}
		values = append(values, name+" = "+value)
	}
	return "too many namespaces exist, or sandboxes are nested more than 32 deep (" + strings.Join(values, ", ") + ")",
		[]string{"wait:            the kernel removes old namespaces in the background", "or raise it:     sudo sysctl -w user.max_net_namespaces=..."}
}
