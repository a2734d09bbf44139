package oracle

import (
	"encoding/json"
	"testing"
)

// FuzzTranslate reads what ip and bridge print as JSON, and iptables-save as
// text. Whatever fields another version of them has, a network is like itself.
func FuzzTranslate(f *testing.F) {
	f.Add(`[{"ifname":"eth0","ifindex":2,"link_index":3,"link_netnsid":0,"address":"02:00:00:00:00:01","link_type":"ether","addr_info":[{"family":"inet","local":"10.0.0.1","prefixlen":24},{"family":"inet6","local":"fe80::1","prefixlen":64}]}]`,
		`[{"dst":"default","gateway":"10.0.0.2","dev":"eth0","type":"unicast"}]`, "*filter\n:FORWARD DROP [0:0]\n-A FORWARD -j ACCEPT\nCOMMIT\n")
	f.Add(`[{"linkinfo":{"info_kind":"bridge","info_data":{"x":[1,{"y":2}]}}},{"addr_info":3}]`, `[{"dst":{"a":1},"metrics":[{"mtu":1400}]}]`, "*\n:\n-A\n?")
	f.Add(`[{"addr_info":[1,null,{}],"ifname":null}]`, `[]`, "")
	f.Fuzz(func(t *testing.T, links, others, saved string) {
		var r raw
		if json.Unmarshal([]byte(links), &r.links) != nil || json.Unmarshal([]byte(others), &r.routes) != nil {
			return
		}
		r.rules, r.rules6, r.neighbours, r.ports, r.fdb = r.routes, r.routes, r.routes, r.routes, r.routes
		r.peers = map[string]string{"0": "b"}
		r.filters = map[string]string{"IPv4": saved}
		r.sysctls = map[string]string{"net/ipv4/ip_forward": saved}
		_, r.vlans = has(r.links, "bridge", "vlan_filtering"), r.routes
		all := map[string]raw{"a": r, "b": r}
		one := translate(all)
		if d := Compare(one, one.clone()); len(d) > 0 {
			t.Fatalf("a network is unlike itself:\n%s", Report(d, one, one))
		}
		_ = Report(Compare(one, State{"a": Node{}}), one, State{})
	})
}
