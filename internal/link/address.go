package link

import (
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// ifaProto is IFA_PROTO of include/uapi/linux/if_addr.h, since Linux 5.18.
const ifaProto = 11

// AddressMakers says of the addresses in the namespace who made them, as
// ip-address(8) prints it: "kernel_lo", "kernel_ra", "kernel_ll", or a number. Of
// those that users have added the kernel knows nothing, nor does one before 5.18
// of any.
func (s *Socket) AddressMakers() (map[netip.Addr]string, error) {
	var msgs [][]byte
	err := Retry(func() (err error) {
		req := s.request(unix.RTM_GETADDR, unix.NLM_F_DUMP)
		req.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
		msgs, err = req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWADDR)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("dump addresses: %w", err)
	}
	makers := map[netip.Addr]string{}
	for _, m := range msgs {
		if len(m) < unix.SizeofIfAddrmsg {
			continue
		}
		attrs, err := nl.ParseRouteAttr(m[unix.SizeofIfAddrmsg:])
		if err != nil {
			return nil, fmt.Errorf("read an address: %w", err)
		}
		var local, addr netip.Addr
		maker := ""
		for _, a := range attrs {
			switch a.Attr.Type {
			case unix.IFA_LOCAL:
				local, _ = netip.AddrFromSlice(a.Value)
			case unix.IFA_ADDRESS:
				addr, _ = netip.AddrFromSlice(a.Value)
			case ifaProto:
				maker = addressMaker(a.Value)
			}
		}
		if local.IsValid() { // that of IFA_ADDRESS is then the other end's
			addr = local
		}
		makers[addr] = maker
	}
	return makers, nil
}

// addressMaker is the name of an IFAPROT_* value.
func addressMaker(value []byte) string {
	if len(value) == 0 {
		return ""
	}
	names := map[byte]string{0: "", 1: "kernel_lo", 2: "kernel_ra", 3: "kernel_ll"}
	if name, ok := names[value[0]]; ok {
		return name
	}
	return fmt.Sprint(value[0])
}
