package link

import (
	"encoding/binary"
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// NeighborTable is one of the kernel's tables of neighbours, which is the
// machine's: all namespaces share its limits and its counters.
type NeighborTable struct {
	Name    string // arp_cache, ndisc_cache
	Entries int    // of all namespaces
	Limit   int    // gc_thresh3: entries beyond it are refused
	// Refused counts entries that were refused since the machine was booted. The
	// packet that needed one is lost, in silence or with EINVAL or ENOBUFS.
	Refused uint64
}

// Attributes of RTM_NEWNEIGHTBL (include/uapi/linux/neighbour.h).
const (
	ndtaThresh3 = 4
	ndtaConfig  = 5
	ndtaStats   = 7

	configEntries = 4      // in struct ndt_config
	statsRefused  = 8 * 10 // ndts_table_fulls in struct ndt_stats
)

// NeighborTables reads the tables of neighbours.
func (s *Socket) NeighborTables() (tables []NeighborTable, err error) {
	req := s.request(unix.RTM_GETNEIGHTBL, unix.NLM_F_DUMP)
	req.AddData(&familyHeader{unix.AF_UNSPEC})
	messages, err := req.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWNEIGHTBL)
	if err != nil {
		return nil, fmt.Errorf("ask for the tables of neighbours: %w", err)
	}
	for _, m := range messages {
		attrs, err := nl.ParseRouteAttr(m[len((&familyHeader{}).Serialize()):])
		if err != nil {
			return nil, fmt.Errorf("read the tables of neighbours: %w", err)
		}
		var table NeighborTable
		whole := false // the others are about one interface
		for _, a := range attrs {
			switch a.Attr.Type {
			case ndtaName:
				table.Name = string(a.Value[:len(a.Value)-1])
			case ndtaThresh3:
				table.Limit = int(binary.NativeEndian.Uint32(a.Value))
			case ndtaConfig:
				table.Entries = int(binary.NativeEndian.Uint32(a.Value[configEntries:]))
			case ndtaStats:
				if whole = len(a.Value) >= statsRefused+8; whole {
					table.Refused = binary.NativeEndian.Uint64(a.Value[statsRefused:])
				}
			}
		}
		if whole {
			tables = append(tables, table)
		}
	}
	return tables, nil
}
