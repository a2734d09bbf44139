package drops

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/cilium/ebpf/btf"
)

// layout is where the running kernel keeps what the program reads, in bytes
// from the start of each structure, and what it calls its reasons. Both change
// from version to version, so they come from the kernel's own BTF.
type layout struct {
	skbDev, skbSk, skbDst, skbProtocol, skbHead, skbNetwork int
	devIndex, devNet, sockNet, dstDev, netInode             int
	reasons                                                 map[uint32]string
}

const vmlinux = "/sys/kernel/btf/vmlinux"

// readLayout reads the kernel's BTF, which takes some 40 ms.
func readLayout() (*layout, error) {
	if _, err := os.Stat(vmlinux); err != nil { // else the library looks for a kernel with it on the disk
		return nil, fmt.Errorf("the kernel has no BTF: %w", err)
	}
	spec, err := btf.LoadKernelSpec()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", vmlinux, err)
	}
	l := &layout{}
	for _, f := range []struct {
		structure, path string
		at              *int
	}{
		{"sk_buff", "dev", &l.skbDev},
		{"sk_buff", "sk", &l.skbSk},
		{"sk_buff", "_skb_refdst", &l.skbDst},
		{"sk_buff", "protocol", &l.skbProtocol},
		{"sk_buff", "head", &l.skbHead},
		{"sk_buff", "network_header", &l.skbNetwork},
		{"net_device", "ifindex", &l.devIndex},
		{"net_device", "nd_net.net", &l.devNet},
		{"sock", "__sk_common.skc_net.net", &l.sockNet},
		{"dst_entry", "dev", &l.dstDev},
		{"net", "ns.inum", &l.netInode},
	} {
		var s *btf.Struct
		if err := spec.TypeByName(f.structure, &s); err != nil {
			return nil, fmt.Errorf("the kernel's BTF has no struct %s: %w", f.structure, err)
		}
		if *f.at, err = offset(s, f.path); err != nil {
			return nil, fmt.Errorf("the kernel's BTF: struct %s: %w", f.structure, err)
		}
	}
	var names *btf.Enum
	if err := spec.TypeByName("skb_drop_reason", &names); err != nil {
		return nil, errors.New("this kernel gives no reasons why it drops packets (they came with Linux 5.17)")
	}
	l.reasons = map[uint32]string{}
	for _, v := range names.Values {
		l.reasons[uint32(v.Value)] = strings.TrimPrefix(v.Name, "SKB_DROP_REASON_")
	}
	return l, nil
}

// offset is where a field is, "ns.inum" for one within another. Structures and
// unions without a name are looked into.
func offset(t btf.Type, path string) (int, error) {
	name, rest, nested := strings.Cut(path, ".")
	at, of, ok := field(t, name)
	switch {
	case !ok:
		return 0, fmt.Errorf("there is no field %s", name)
	case !nested:
		return at, nil
	}
	inner, err := offset(of, rest)
	return at + inner, err
}

func field(t btf.Type, name string) (at int, of btf.Type, ok bool) {
	for _, m := range members(t) {
		if m.Name == name {
			return int(m.Offset.Bytes()), m.Type, true
		}
		if m.Name == "" {
			if at, of, ok := field(m.Type, name); ok {
				return int(m.Offset.Bytes()) + at, of, true
			}
		}
	}
	return 0, nil, false
}

func members(t btf.Type) []btf.Member {
	switch t := btf.UnderlyingType(t).(type) {
	case *btf.Struct:
		return t.Members
	case *btf.Union:
		return t.Members
	}
	return nil
}

// reason is what the kernel calls a reason, "NETFILTER_DROP"; those of
// subsystems with reasons of their own, which have their number in the upper
// half, are left as numbers.
func (l *layout) reason(code uint32) string {
	if name, ok := l.reasons[code]; ok {
		return name
	}
	return fmt.Sprintf("%#x", code)
}
