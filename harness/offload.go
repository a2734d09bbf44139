package harness

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The commands of the old ethtool interface (include/uapi/linux/ethtool.h),
// which every supported kernel has. A veth without checksum offload and
// scatter-gather loses TCP segmentation offload with them.
const (
	ethtoolStxcsum = 0x17
	ethtoolSsg     = 0x19
	ethtoolStso    = 0x1f
	ethtoolSgso    = 0x24
	ethtoolSgro    = 0x2c
)

// ethtoolValue and ifreq follow struct ethtool_value and struct ifreq.
type ethtoolValue struct{ cmd, data uint32 }

type ifreq struct {
	name [unix.IFNAMSIZ]byte
	data unsafe.Pointer
	_    [16]byte // the kernel copies the whole union
}

func (p *Port) disableOffloads() error {
	return p.node.space.Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		for _, cmd := range []uint32{ethtoolStso, ethtoolSgso, ethtoolSgro, ethtoolStxcsum, ethtoolSsg} {
			value := ethtoolValue{cmd: cmd}
			req := ifreq{data: unsafe.Pointer(&value)}
			copy(req.name[:], p.name)
			if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req))); errno != 0 {
				return fmt.Errorf("ethtool command 0x%x: %w", cmd, errno)
			}
		}
		return nil
	})
}
