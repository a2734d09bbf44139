package sandbox

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"golang.org/x/sys/unix"
)

func TestExplain(t *testing.T) {
	const sudo = "go test -exec sudo ./..."
	apparmor := map[string]string{sysctlAppArmor: "1", sysctlUsers: "96365"}
	for _, tt := range []struct {
		name string
		failure
		want, not []string
	}{
		{"Ubuntu 24.04, an ordinary user", failure{errno: unix.EPERM, sysctls: apparmor},
			[]string{"kernel.apparmor_restrict_unprivileged_userns = 1", "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0", sudo}, nil},
		{"the same, refused later", failure{step: "make the mounts private", errno: unix.EACCES, sysctls: apparmor},
			[]string{"make the mounts private: ", "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"}, nil},
		{"that setting does not hold for root", failure{errno: unix.EPERM, root: true, filtered: true, sysctls: apparmor},
			[]string{"docker run --privileged"}, []string{"sysctl -w", sudo}},
		{"nor when it is off", failure{errno: unix.EPERM, sysctls: map[string]string{sysctlAppArmor: "0"}},
			[]string{"a security module", sudo}, []string{"sysctl -w"}},
		{"old Debian", failure{errno: unix.EPERM, sysctls: map[string]string{sysctlDebian: "0"}},
			[]string{"kernel.unprivileged_userns_clone = 0", "sudo sysctl -w kernel.unprivileged_userns_clone=1", sudo}, nil},
		{"old Debian, allowed", failure{errno: unix.EPERM, sysctls: map[string]string{sysctlDebian: "1"}},
			[]string{sudo}, []string{"sysctl -w"}},
		{"no user namespaces", failure{errno: unix.ENOSPC, sysctls: map[string]string{sysctlUsers: "0"}},
			[]string{"user.max_user_namespaces = 0", "sudo sysctl -w user.max_user_namespaces=", sudo}, nil},
		{"no user namespaces, which root needs not", failure{errno: unix.ENOSPC, privileged: true, sysctls: map[string]string{sysctlUsers: "0", "user.max_net_namespaces": "7"}},
			[]string{"user.max_net_namespaces = 7"}, []string{sysctlUsers}},
		{"no network namespaces", failure{errno: unix.ENOSPC, privileged: true, sysctls: map[string]string{"user.max_net_namespaces": "0"}},
			[]string{"user.max_net_namespaces = 0", "sudo sysctl -w user.max_net_namespaces="}, []string{sudo}},
		{"the limit is reached", failure{errno: unix.ENOSPC, sysctls: map[string]string{sysctlUsers: "100", "user.max_net_namespaces": "7"}},
			[]string{"user.max_user_namespaces = 100, user.max_net_namespaces = 7"}, nil},
		{"old kernels say it otherwise", failure{errno: unix.EUSERS, sysctls: map[string]string{sysctlUsers: "0"}},
			[]string{"user.max_user_namespaces = 0"}, nil},
		{"docker, root", failure{errno: unix.EPERM, root: true, filtered: true}, []string{"container", "docker run --privileged"}, []string{sudo}},
		{"docker, an ordinary user", failure{errno: unix.EPERM, filtered: true}, []string{"docker run --privileged"}, nil},
		{"root without capabilities", failure{errno: unix.EPERM, root: true}, []string{"CAP_SYS_ADMIN"}, []string{sudo}},
		{"root with them", failure{errno: unix.EPERM, root: true, privileged: true, filtered: true}, []string{"docker run --privileged"}, []string{sudo}},
		{"chroot", failure{errno: unix.EPERM, chrooted: true}, []string{"chroot"}, nil},
		{"a kernel without user namespaces", failure{errno: unix.EINVAL, noUserNS: true}, []string{"CONFIG_USER_NS", sudo}, nil},
		{"a kernel without others", failure{errno: unix.EINVAL, privileged: true}, []string{"CONFIG_NET_NS"}, []string{sudo}},
		{"too many processes", failure{errno: unix.EAGAIN}, []string{"ulimit -u"}, nil},
		{"no descriptors", failure{errno: unix.EMFILE}, []string{"ulimit -n"}, nil},
		{"an error of which nothing is known", failure{errno: unix.EIO}, []string{"dmesg"}, nil},
		{"hidden by seccomp", failure{errno: unix.ENOSYS, filtered: true}, []string{"docker run --privileged"}, nil},
		{"no memory", failure{errno: unix.ENOMEM}, []string{"memory.max", "cannot allocate memory"}, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := tt.failure
			if f.step == "" {
				f.step = "start a process in new namespaces"
			}
			f.detail = f.errno.Error()
			got := explain(f)
			assert.Contains(t, got, "cannot make a sandbox: "+f.step+": "+f.detail+"\n")
			for _, want := range tt.want {
				assert.Contains(t, got, want)
			}
			for _, not := range tt.not {
				assert.NotContains(t, got, not)
			}
		})
	}
}

func TestFailureOf(t *testing.T) {
	f := failureOf("a step", unix.ENOSPC)
	assert.Equal(t, unix.ENOSPC, f.errno)
	assert.Equal(t, "a step", f.step)
	assert.NotEmpty(t, f.sysctls[sysctlUsers], "%v", f.sysctls)
	assert.False(t, f.noUserNS)
	assert.Equal(t, privileged(), f.privileged)
}

func TestMountsRoot(t *testing.T) {
	assert.True(t, mountsRoot("22 1 254:0 / / rw - ext4 /dev/vda rw\n23 22 0:5 / /dev rw - devtmpfs d rw\n"))
	assert.False(t, mountsRoot("23 22 0:5 / /dev rw - devtmpfs d rw\n"))
}
